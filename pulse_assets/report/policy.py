"""What a browser may do for the report: show it and run its one script, and nothing else."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Final

#: Nothing is loaded. Styles are not known by hash, because some cells have one of their own.
_REST: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@cache
def script() -> str:
    """Return the text of the page's script, as it stands between its tags."""
    return f"\n{resources.files('pulse_assets.report').joinpath('report.js').read_text('utf-8')}\n"


@cache
def content_policy() -> str:
    """Return the Content Security Policy of the report: its own script, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    return f"{_REST}; script-src 'sha256-{digest}'"
