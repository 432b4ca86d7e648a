"""The tools of this repository's developers: load test, bench, soak, page trace and screenshots."""
