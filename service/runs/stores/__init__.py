"""What keeps runs for longer than their connection: in memory, in SQLite, or in Redis and Valkey."""
