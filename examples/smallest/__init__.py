"""The smallest application with the chat."""
