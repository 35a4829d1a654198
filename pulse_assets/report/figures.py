"""The figures of the report as inline SVG, which takes its colours and its font from the page.

Only numbers and dates are drawn. Names of variables and rules are in the HTML beside a figure,
where they are escaped and wrap on a phone.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from pulse_assets.array_types import Dates, Floats
from pulse_assets.report.svg import Band, Bars, Box, Line, Panel, Role, chart

#: Points: 10.5 pt text is still 10 px high on a screen 390 px wide.
_WIDTH: Final = 374.4
#: Around panels; the same in every figure, so that figures line up.
_LEFT, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 63.4, 7.2, 15.8, 41.0, 18.0
#: Heights of figures of one panel, of one to read shares from, and of two panels.
_LOW, _MIDDLE, _HIGH = 187.2, 240.0, 316.8
#: Opacity where all intervals of a fan overlap, and of one of them at most.
_INSIDE, _ALONE = 0.5, 0.22
#: Ends of bins that have a text, at most.
_NAMED_ENDS: Final = 12


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


def draw_next(past: pd.DataFrame, future: pd.DataFrame, levels: Sequence[float]) -> str:
    """Draw the last retrodictions, the observations, and after them the next forecasts.

    Args:
        past: in order of date, columns `target_date`, `predicted`, `observed`.
        future: in order of date, columns `target_date`, `predicted`, `quantiles`.
        levels: of the quantiles, ascending.
    """
    panel = Panel(
        [
            line_of("observed", past, "target_date", "observed"),
            line_of("naive", past, "target_date", "predicted"),
            line_of("ensemble", future, "target_date", "predicted"),
        ],
        fan_of(future, "target_date", levels),
        y_label="level (unit of the series)",
        x_label="date predicted (target_date)",
    )
    return _figure([panel], _LOW)


def draw_weights(days: Dates, shares: Mapping[Role, Floats]) -> str:
    """Draw the weights of rules over time.

    Args:
        days: in order.
        shares: in the ensemble, 0..1, by role, at each day.
    """
    top = max(float(np.max(share, initial=0.0)) for share in shares.values())
    panel = Panel(
        [Line(role, days, 100.0 * share) for role, share in shares.items()],
        y_label="weight (%)",
        x_label="year",
        y_range=(0.0, max(105.0 * top, 1.0)),
    )
    return _figure([panel], _LOW)


def draw_hedgehog(past: pd.DataFrame, days: Dates, forecasts: Floats) -> str:
    """Draw forecasts of several origins as quills over the observations.

    Args:
        past: in order of date, columns `target_date`, `observed`.
        days: dates of the forecasts.
        forecasts: NaN between those of two origins.
    """
    panel = Panel(
        [
            line_of("observed", past, "target_date", "observed"),
            Line("ensemble", days, forecasts, bare=True, thickness=0.6),
        ],
        y_label="level (unit of the series)",
        x_label="date predicted (target_date)",
    )
    return _figure([panel], _LOW)


def draw_calibration(levels: Floats, shares: Floats, near: tuple[Floats, Floats]) -> str:
    """Draw the share of outcomes below each quantile against its level, with the diagonal.

    Args:
        levels: 0..1, ascending.
        shares: of the outcomes below the quantile of each level, 0..1.
        near: least and largest share that is near a level, at the levels 0, 0.01, ..., 1.
    """
    ends, grid = np.array([0.0, 100.0]), np.arange(101.0)
    panel = Panel(
        [Line("observed", ends, ends, bare=True), Line("ensemble", 100 * levels, 100 * shares)],
        [Band(grid, 100.0 * near[0], 100.0 * near[1], role="naive")],
        y_label="outcomes below (%)",
        x_label="level of the quantile (%)",
        y_range=(-5.0, 105.0),
    )
    return _figure([panel], _MIDDLE)


def draw_pit(levels: Floats, counts: Floats) -> str:
    """Draw the outcomes between neighbouring quantiles, and how many there should be.

    Bins are equally wide, so that the ends of narrow ones can be read.

    Args:
        levels: 0..1, ascending.
        counts: outcomes up to the first quantile, between neighbouring ones, above the last.
    """
    ends = np.concatenate([[0.0], levels, [1.0]])
    edges, expected = np.arange(len(ends), dtype=np.float64), counts.sum() * np.diff(ends)
    gap = np.full(len(expected), np.nan)
    across = np.column_stack([edges[:-1], edges[1:], edges[1:]]).ravel()
    up = np.column_stack([expected, expected, gap]).ravel()
    step = -(-len(ends) // _NAMED_ENDS)
    panel = Panel(
        [Line("observed", across, up, bare=True)],
        y_label="outcomes",
        x_label="between the quantiles of these levels (%)",
        y_range=(0.0, 1.08 * float(max(counts.max(), expected.max()))),
        bars=Bars(edges, counts),
        x_ticks=[(edge, f"{100.0 * ends[int(edge)]:g}") for edge in edges[::step].tolist()],
    )
    return _figure([panel], _MIDDLE)


def interval_pairs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """Return the indices of the quantiles that bound each central interval, the widest first.

    Example:
        >>> interval_pairs([0.05, 0.1, 0.5, 0.8, 0.95])
        [(0, 4)]
    """
    place = {round(level, 9): i for i, level in enumerate(levels)}
    pairs = [(i, place.get(round(1.0 - level, 9), i)) for i, level in enumerate(levels)]
    return [(lower, upper) for lower, upper in pairs if lower < upper]


def fan_of(rows: pd.DataFrame, date: str, levels: Sequence[float]) -> list[Band]:
    """Return the central intervals of `quantiles` over dates; where they overlap is darkest."""
    pairs = interval_pairs(levels)
    quantiles = np.array(rows["quantiles"].tolist(), np.float64).reshape(-1, len(levels))
    opacity = min(_ALONE, 1.0 - (1.0 - _INSIDE) ** (1.0 / max(1, len(pairs))))
    return [
        Band(dates(rows, date), quantiles[:, lower], quantiles[:, upper], opacity)
        for lower, upper in pairs
    ]


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
