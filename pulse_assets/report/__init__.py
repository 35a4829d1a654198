"""The training results as one HTML page that opens without a network."""

from pulse_assets.report.page import build_report

__all__ = ["build_report"]
