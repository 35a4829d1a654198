"""The figures of the report as inline SVG, which takes its colours and its font from the page.

Only numbers and dates are drawn. Names of variables and rules are in the HTML beside a figure,
where they are escaped and wrap on a phone.
"""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from pulse_assets.array_types import Dates, Floats
from pulse_assets.report.svg import Band, Box, Line, Panel, Role, chart

#: Points: 10.5 pt text is still 10 px high on a screen 390 px wide.
_WIDTH: Final = 374.4
#: Around panels; the same in every figure, so that figures line up.
_LEFT, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 63.4, 7.2, 15.8, 41.0, 18.0
#: Heights of figures of one panel and of two.
_LOW, _HIGH = 187.2, 316.8


def draw_trust(lines: Mapping[Role, pd.DataFrame]) -> str:
    """Draw trust after each batch; the first line with its credible band.

    Args:
        lines: by role, `ensemble` among them, each with columns `batch` (first day of the batch),
            `trust`, `lower`, `upper` (0..1).
    """
    ours = lines["ensemble"]
    panel = Panel(
        [line_of(role, rows, "batch", "trust") for role, rows in lines.items()],
        [band_of(ours, "batch")],
        y_label="trust (0..1)",
        x_label="first day of the batch",
        y_range=(0.0, 1.0),
        rule=0.5,
    )
    return _figure([panel], _LOW)


def draw_skill(lines: Mapping[Role, pd.DataFrame]) -> str:
    """Draw skill against naive by horizon.

    Args:
        lines: by role, each with columns `horizon` (steps) and `skill` (share of naive's error).
    """
    drawn = [
        Line(role, rows["horizon"].to_numpy(), 100.0 * numbers(rows, "skill"))
        for role, rows in lines.items()
    ]
    label = "skill (% of naive's error)"
    return _figure([Panel(drawn, y_label=label, x_label="horizon (steps)", rule=0.0)], _LOW)


def draw_forecasts(rows: pd.DataFrame) -> str:
    """Draw forecasts and observations, and in a second panel the errors inside their intervals.

    On the scale of a long series a forecast one step ahead hides behind the observation. The
    lower panel subtracts the forecast, and so shows their distance.

    Args:
        rows: in order of date, columns `target_date`, `predicted`, `lower`, `upper`, `observed`.
    """
    columns = ["lower", "upper", "observed"]
    errors = rows[["target_date"]].assign(
        **{name: rows[name] - rows["predicted"] for name in columns}
    )
    level = Panel(
        [
            line_of("ensemble", rows, "target_date", "predicted"),
            line_of("observed", rows, "target_date", "observed"),
        ],
        [band_of(rows, "target_date")],
        y_label="level (unit of the series)",
    )
    error = Panel(
        [line_of("observed", errors, "target_date", "observed")],
        [band_of(errors, "target_date")],
        y_label="error (unit of the series)",
        x_label="date predicted (target_date)",
    )
    return _figure([level, error], _HIGH)


def draw_next(past: pd.DataFrame, future: pd.DataFrame) -> str:
    """Draw the last retrodictions, the observations, and after them the next forecasts.

    Args:
        past: in order of date, columns `target_date`, `predicted`, `observed`.
        future: in order of date, columns `target_date`, `predicted`, `lower`, `upper`.
    """
    panel = Panel(
        [
            line_of("observed", past, "target_date", "observed"),
            line_of("naive", past, "target_date", "predicted"),
            line_of("ensemble", future, "target_date", "predicted"),
        ],
        [band_of(future, "target_date")],
        y_label="level (unit of the series)",
        x_label="date predicted (target_date)",
    )
    return _figure([panel], _LOW)


def line_of(role: Role, rows: pd.DataFrame, date: str, column: str) -> Line:
    """Return a column as a line over dates."""
    return Line(role, dates(rows, date), numbers(rows, column))


def band_of(rows: pd.DataFrame, date: str) -> Band:
    """Return the interval `lower` to `upper` over dates."""
    return Band(dates(rows, date), numbers(rows, "lower"), numbers(rows, "upper"))


def dates(rows: pd.DataFrame, column: str) -> Dates:
    """Return a column of dates as days."""
    return rows[column].to_numpy().astype("datetime64[D]")


def numbers(rows: pd.DataFrame, column: str) -> Floats:
    """Return a column of numbers."""
    return rows[column].to_numpy().astype(float)


def _figure(panels: list[Panel], height: float) -> str:
    """Return panels above each other."""
    room = height - _TOP - _BOTTOM - (len(panels) - 1) * _BETWEEN
    high, wide = room / len(panels), _WIDTH - _LEFT - _RIGHT
    places = [
        Box(_LEFT, _TOP + index * (high + _BETWEEN), wide, high) for index in range(len(panels))
    ]
    return chart((_WIDTH, height), list(zip(panels, places, strict=True)))
