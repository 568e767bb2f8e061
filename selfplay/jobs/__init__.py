"""Runs as Ray jobs on a cluster."""
