"""The report: the training results as one HTML page that needs no network."""

import logging

from pulse_assets.report.page import build_report

__all__ = ["build_report"]


def _is_shown(record: logging.LogRecord) -> bool:
    """Hide the warning that matplotlib cannot cache its list of fonts; the README says it."""
    message = record.getMessage()
    return not message.startswith("mkdir -p failed") and "temporary cache directory" not in message


logging.getLogger("matplotlib").addFilter(_is_shown)
