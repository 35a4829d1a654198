"""The training results as one HTML page that opens without a network."""

import logging

from pulse_assets.report.page import build_report

__all__ = ["build_report"]


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out that matplotlib keeps its list of fonts for this run only: the README says so."""
    message = record.getMessage()
    return not message.startswith("mkdir -p failed") and "temporary cache directory" not in message


logging.getLogger("matplotlib").addFilter(_is_news)
