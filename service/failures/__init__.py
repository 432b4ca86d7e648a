"""Whatever a provider says of a failure -> one of our errors. No I/O."""
