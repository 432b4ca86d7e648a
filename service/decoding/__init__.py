"""Decode the body of a provider's response. No I/O (tests/unit/service/test_no_io.py)."""
