"""The event loop's thread, the bridge from it to other threads, and time limits. Any program may use it."""
