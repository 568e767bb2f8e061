"""report.html: one offline page about a run."""

from selfplay.report.page import build_report

__all__ = ["build_report"]
