"""The report: the training results as one HTML page that needs no network."""

from pulse_assets.report.page import build_report

__all__ = ["build_report"]
