"""Small pictures for the Dagster UI, one panel per variable, as Markdown that holds a PNG.

The report has SVG that follows its colours. The UI shows only images that are files of their own,
so these have a white background. Importing this module imports matplotlib.
"""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from pulse_assets.report.figures import SETTINGS, draw_band, draw_line
from pulse_assets.report.gallery import keep_extremes, thin
from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.stages.ledger import overall_rows

#: Panels in one picture; more would be too small to read and the event too large.
PANELS: Final = 12

_COLUMNS: Final = 3
_DPI: Final = 72


@mpl.rc_context(SETTINGS)
def trust_picture(ledger: pa.Table) -> str:
    """Draw trust in the ensemble after each batch, with its credible band.

    Args:
        ledger: rows of schema `TRUST_LEDGER`.
    """
    rows = _by_variable(overall_rows(ledger), "batch")
    figure, panels = _grid(list(rows), "Trust in the ensemble after each batch (0..1)")
    for axes, (name, series) in zip(panels, rows.items(), strict=False):
        series = thin(series)
        draw_band(axes, series["batch"], series["lower"], series["upper"])
        draw_line(axes, "ensemble", series["batch"], series["trust"])
        axes.axhline(0.5, color="#101010", linewidth=0.6)
        axes.set(ylim=(0, 1), title=_plain(name))
    return _to_markdown(figure, "trust over time")


@mpl.rc_context(SETTINGS)
def forecast_picture(retrodictions: pa.Table) -> str:
    """Draw the forecasts of the ensemble with their intervals, and the observations.

    Args:
        retrodictions: rows at one horizon, as `build_report` takes them.
    """
    rows = _by_variable(retrodictions, "target_date")
    figure, panels = _grid(list(rows), "Predicted with its interval (blue), observed (black)")
    for axes, (name, series) in zip(panels, rows.items(), strict=False):
        series = keep_extremes(series.dropna(subset=["predicted", "observed"]))
        draw_band(axes, series["target_date"], series["lower"], series["upper"])
        draw_line(axes, "ensemble", series["target_date"], series["predicted"])
        draw_line(axes, "observed", series["target_date"], series["observed"])
        axes.set(title=_plain(name))
    return _to_markdown(figure, "predicted against observed")


def _by_variable(table: pa.Table, date: str) -> dict[str, pd.DataFrame]:
    rows = table.filter(pc.field("model") == ENSEMBLE).to_pandas()
    rows = rows.assign(**{date: pd.to_datetime(rows[date].astype(str))}).sort_values(date)
    groups = rows.groupby(rows["variable"].astype(str))
    return {str(name): series for name, series in list(groups)[:PANELS]}


def _grid(names: Sequence[str], title: str) -> tuple[Figure, list[Axes]]:
    lines = max(1, -(-len(names) // _COLUMNS))
    width, height = 3.6 * _COLUMNS, 2.1 * lines + 0.5
    figure = Figure(figsize=(width, height))
    # Inches, for room for numbers and titles; see `figures` on why no layout engine does it.
    figure.subplots_adjust(
        left=0.65 / width,
        right=1 - 0.1 / width,
        top=1 - 0.75 / height,
        bottom=0.4 / height,
        wspace=0.25,
        hspace=0.45,
    )
    panels = list(np.ravel(figure.subplots(lines, _COLUMNS, squeeze=False)))
    figure.suptitle(title, y=1 - 0.12 / height)
    for spare in panels[len(names) :]:
        spare.set_visible(False)
    for axes in panels:
        locator = AutoDateLocator(minticks=2, maxticks=5)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.ticklabel_format(axis="y", scilimits=(-3, 5))
    return figure, panels


def _plain(name: str) -> str:
    """Return a name that matplotlib cannot take for a formula, short enough for a panel."""
    return name.replace("$", r"\$")[:32]


def _to_markdown(figure: Figure, alt: str) -> str:
    image = BytesIO()
    figure.savefig(image, format="png", dpi=_DPI, metadata={"Software": None})
    return f"![{alt}](data:image/png;base64,{base64.b64encode(image.getvalue()).decode()})"
