"""Small pictures for the Dagster UI, one panel per variable, as Markdown that holds an SVG.

The UI shows only images that are files of their own, so these have a white background.
"""

import base64
from collections.abc import Sequence
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.report.figures import band_of, line_of
from pulse_assets.report.gallery import keep_extremes, thin
from pulse_assets.report.svg import Box, Panel, chart
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.stages.ledger import overall_rows
from pulse_assets.storage.tables import rows_with

#: Panels in one picture; more would be too small to read and the event too large.
PANELS: Final = 12

_COLUMNS: Final = 3
#: Points: of a panel with what is around it, and what is above all panels.
_WIDTH, _HEIGHT, _HEAD = 259.0, 151.0, 36.0
#: Longest name above a panel.
_NAME: Final = 32
_STYLE: Final = "background:#fff;color:#101010;font-family:system-ui,sans-serif"


def trust_picture(ledger: pa.Table) -> str:
    """Draw trust in the ensemble after each batch, with its credible band.

    Args:
        ledger: rows of schema `TRUST_LEDGER`.
    """
    panels = []
    for name, rows in _by_variable(overall_rows(ledger), "batch"):
        series = thin(rows)
        line, band = line_of("ensemble", series, "batch", "trust"), band_of(series, "batch")
        panels.append(Panel([line], [band], title=name[:_NAME], y_range=(0.0, 1.0), rule=0.5))
    return _picture(panels, "Trust in the ensemble after each batch (0..1)", "trust over time")


def forecast_picture(retrodictions: pa.Table) -> str:
    """Draw the forecasts of the ensemble with their intervals, and the observations.

    Args:
        retrodictions: rows at one horizon, as `build_report` takes them.
    """
    panels = []
    for name, rows in _by_variable(retrodictions, "target_date"):
        series = keep_extremes(rows.dropna(subset=["predicted", "observed"]))
        lines = [
            line_of("ensemble", series, "target_date", "predicted"),
            line_of("observed", series, "target_date", "observed"),
        ]
        panels.append(Panel(lines, [band_of(series, "target_date")], title=name[:_NAME]))
    title = "Predicted with its interval (blue), observed (black)"
    return _picture(panels, title, "predicted against observed")


def _by_variable(table: pa.Table, date: str) -> list[tuple[str, pd.DataFrame]]:
    """Return the ensemble's rows of the first `PANELS` variables, in order of date."""
    ours = rows_with(table, "model", ENSEMBLE)
    names = sorted(ours["variable"].unique().to_pylist())[:PANELS]
    rows = ours.filter(pc.field("variable").isin(pa.array(names, pa.string()))).to_pandas()
    rows = rows.assign(**{date: pd.to_datetime(rows[date].astype(str))}).sort_values(date)
    texts = rows["variable"].astype(str)
    return [(name, rows[texts == name]) for name in names]


def _picture(panels: Sequence[Panel], title: str, alt: str) -> str:
    lines = max(1, -(-len(panels) // _COLUMNS))
    places = [
        Box(
            42.0 + index % _COLUMNS * _WIDTH,
            _HEAD + 22.0 + index // _COLUMNS * _HEIGHT,
            _WIDTH - 56.0,
            _HEIGHT - 48.0,
        )
        for index in range(len(panels))
    ]
    size = _COLUMNS * _WIDTH, lines * _HEIGHT + _HEAD
    svg = chart(size, list(zip(panels, places, strict=True)), title=title)
    image = svg.replace("<svg ", f'<svg style="{_STYLE}" width="{size[0]:g}" ', 1)
    return f"![{alt}](data:image/svg+xml;base64,{base64.b64encode(image.encode()).decode()})"
