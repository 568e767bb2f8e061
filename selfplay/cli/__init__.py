"""The command line: one file per family of commands."""

from selfplay.cli.commands import main

__all__ = ["main"]
