"""Tests of selfplay.ratings and the commands that use it."""
