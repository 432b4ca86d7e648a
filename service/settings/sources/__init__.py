"""Where settings come from: files and what is kept of them."""
