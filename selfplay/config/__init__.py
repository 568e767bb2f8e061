"""The configuration: what a run may be told, read from YAML and overrides."""
