"""What a run passes on: its events and its usage."""
