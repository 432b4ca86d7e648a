"""Programs that use one client each. `tests/clients/client_process.py` runs them, some with another Python."""
