"""Tests of selfplay."""
