"""Send requests to a provider's server, and read its responses."""
