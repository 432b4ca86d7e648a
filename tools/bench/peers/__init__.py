"""Small honest programs that do what Sluice does in other ways. All send the same frames and ask the same model."""
