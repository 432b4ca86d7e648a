"""Events -> the bytes of a stream."""
