"""Intervals and tests that count what is independent."""
