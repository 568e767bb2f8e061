"""The configuration: the settings of a run, read from YAML and overrides."""
