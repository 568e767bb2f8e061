"""`python -m selfplay` is the same as `selfplay`."""

from selfplay.cli import main

main()
