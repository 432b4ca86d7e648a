"""Map a provider's description of a failure to an error class. No I/O (tests/unit/service/test_no_io.py)."""
