"""Tests of selfplay.verify; a package so that helpers beside them can be imported."""
