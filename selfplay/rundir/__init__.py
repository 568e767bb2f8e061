"""The run folder: everything that a run leaves on disk, and how it is written."""
