"""`python -m selfplay` is the same as `selfplay`."""

from selfplay.cli.commands import main

main()
