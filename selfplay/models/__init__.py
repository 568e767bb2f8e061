"""Models: found, loaded, kept small, and their weights on their way."""
