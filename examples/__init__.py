"""Applications with the chat, to copy from; tests/examples runs them."""
