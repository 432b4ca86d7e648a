"""The routes that answer in JSON or as a stream, and what they read of a request."""
