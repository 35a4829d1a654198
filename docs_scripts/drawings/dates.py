"""Pictures of dates: origin, horizon, publication, releases."""

from typing import Final

import numpy as np
import pandas as pd

from docs_scripts.drawings.canvas import SMALL, TEXT, Canvas, Colour
from docs_scripts.drawings.plot import Plot
from docs_scripts.drawings.trainings import GDP, UNEMPLOYMENT, Trainings, releases_of, series

#: The origin, and the target that is predicted from three origins.
ORIGIN: Final = "2008-06-01"
TARGET: Final = "2008-12-01"
_COLOURS: Final[dict[int, Colour]] = {1: "green", 3: "orange", 6: "purple"}
#: The quarter whose releases are drawn.
QUARTER: Final = "2008-09-30"


def origin(trainings: Trainings) -> Canvas:
    """Draw what is known at one origin, and the forecasts that are made from it."""
    rows = _forecasts(trainings)
    rows = rows[rows["origin_date"] == ORIGIN]
    canvas = Canvas(268.0, "One origin: the values up to it are known, five forecasts start there")
    subtitle = "US unemployment rate; blue: ensemble, 90 % intervals"
    canvas.heading("One origin and its five forecasts", subtitle)
    plot = Plot(canvas, 50.0, 186.0, ("2007-05-15", "2009-07-01"), (4.0, 10.0))
    observed = _between(series(UNEMPLOYMENT), "2007-06-01", "2009-06-01")
    known, later = observed[observed["ds"] <= ORIGIN], observed[observed["ds"] >= ORIGIN]
    start = plot.x(ORIGIN)
    canvas.box((start, plot.top), (plot.right - start, 186.0), "grey", opacity=0.12)
    canvas.line(plot.line_of(later, "ds", "y"), "grey", dashes="2 3")
    canvas.line(plot.line_of(known, "ds", "y"), "ink")
    canvas.line([(start, plot.top), (start, plot.bottom)], "ink", width=1.0)
    _draw_intervals(plot, rows)
    canvas.dots(plot.line_of(known.tail(1), "ds", "y"), "ink", radius=4.0)
    made = f"{rows['made_at'].iloc[0]:%-d %B %Y}"
    texts = ("origin: June 2008", f"public on {made}", "known then: the black line")
    for place, text in enumerate(texts):
        at = (start - 7.0, 65.0 + 16.0 * place)
        canvas.text(at, text, anchor="end", size=TEXT if place == 0 else SMALL, bold=place == 0)
    at = (plot.x("2009-02-20"), plot.y(9.0))
    canvas.text(at, "not used", colour="muted", anchor="end", size=SMALL)
    return canvas


def _draw_intervals(plot: Plot, rows: pd.DataFrame) -> None:
    """Draw a forecast with its interval at each horizon, and name all but the second."""
    plot.canvas.dots(plot.line_of(rows, "target_date", "predicted"), "blue")
    for row in rows.to_dict("records"):
        low, high = plot.points([row["target_date"]] * 2, [row["lower"], row["upper"]])
        plot.canvas.line([low, high], "blue", width=2.5)
        if row["horizon"] != 2:
            at, text = (low[0], low[1] + 14.0), f"h={row['horizon']}"
            plot.canvas.text(at, text, colour="blue", anchor="middle", size=SMALL)


def horizon(trainings: Trainings) -> Canvas:
    """Draw one target and the forecasts of it from origins one, three and six months before."""
    rows = _forecasts(trainings)
    rows = rows[(rows["target_date"] == TARGET) & rows["horizon"].isin([*_COLOURS])]
    canvas = Canvas(258.0, "One target date: forecasts of it from one, three and six steps before")
    canvas.heading("One target date, three horizons", "US unemployment rate, per cent")
    plot = Plot(canvas, 50.0, 176.0, ("2008-04-01", "2009-02-15"), (4.5, 8.0))
    observed = _between(series(UNEMPLOYMENT), "2008-05-01", TARGET)
    canvas.line(plot.line_of(observed, "ds", "y"), "grey", width=1.0)
    values = observed.set_index("ds")["y"]
    for row in rows.sort_values("horizon", ascending=False).to_dict("records"):
        colour, day = _COLOURS[row["horizon"]], row["origin_date"]
        start, end = plot.points([day, row["target_date"]], [float(values[day]), row["predicted"]])
        canvas.line([start, end], colour, width=2.0, arrow=True)
        canvas.dots([start], colour, radius=4.0)
        text = f"{row['predicted']:.1f}, h={row['horizon']}"
        canvas.text((end[0] + 6.0, end[1] + 5.0), text, colour=colour)
        at = start[0] - 7.0, start[1] - 7.0
        canvas.text(at, f"{day:%B}", colour=colour, anchor="end", size=SMALL)
    (at,) = plot.points([TARGET], [float(values[TARGET])])
    canvas.dots([at], "ink", radius=4.5)
    text = f"observed: {values[TARGET]:.1f}"
    canvas.text((at[0] - 10.0, at[1] + 4.0), text, anchor="end", bold=True)
    return canvas


def publication(trainings: Trainings) -> Canvas:
    """Draw periods and days of publication, and which values one forecast may use."""
    history = _released(trainings)
    made = history[(history["variable"] == GDP) & (history["timestamp"] == "2008-04-01")]
    day = made["published_at"].iloc[0]
    canvas = Canvas(318.0, f"Which values were public on {day:%-d %B %Y}")
    canvas.text((12.0, 22.0), f"A forecast made on {day:%-d %B %Y}", bold=True)
    canvas.text(
        (12.0, 39.0), "bars: periods; dots: days of publication", colour="muted", size=SMALL
    )
    plot = Plot(canvas, 50.0, 222.0, ("2008-01-01", "2008-12-31"), (0.0, 0.0), left=12.0)
    names = {GDP: "GDP growth, quarterly", UNEMPLOYMENT: "unemployment rate, monthly"}
    top = 54.0
    for name, text in names.items():
        rows = history[(history["variable"] == name) & (history["timestamp"] < "2008-09-01")]
        rows = rows[rows["timestamp"] >= ("2008-01-01" if name == GDP else "2008-03-01")]
        canvas.text((plot.left + 4.0, top + 13.0), text, size=SMALL, bold=True)
        top += 21.0
        for row in rows.to_dict("records"):
            _draw_period(
                plot, row["timestamp"], row["published_at"], day, 3 if name == GDP else 1, top
            )
            top += 19.0
    at = plot.x(day)
    canvas.line([(at, 50.0), (at, plot.bottom)], "ink", width=1.2)
    canvas.text((at + 5.0, 64.0), "made_at", bold=True)
    canvas.legend((14.0, 310.0), [("public: may be used", "blue"), ("not yet: may not", "grey")])
    return canvas


def _draw_period(
    plot: Plot,
    label: pd.Timestamp,
    published: pd.Timestamp,
    day: pd.Timestamp,
    months: int,
    top: float,
) -> None:
    """Draw a period as a bar, and the time until its value was public as a line."""
    end, used = label + pd.DateOffset(months=months), published <= day
    colour: Colour = "blue" if used else "grey"
    start, stop, at = plot.x(label), plot.x(end), plot.x(published)
    plot.canvas.box((start, top + 2.0), (stop - start, 12.0), colour, opacity=0.45)
    plot.canvas.line([(stop, top + 8.0), (at, top + 8.0)], colour, width=1.2, dashes="2 2")
    plot.canvas.dots([(at, top + 8.0)], colour, radius=4.0)
    text = f"Q{label.quarter}" if months == 3 else f"{label:%b}"
    plot.canvas.text((start + 4.0, top + 12.0), text, size=SMALL)
    plot.canvas.text((at + 7.0, top + 12.0), f"{published:%-d %b}", colour="muted", size=SMALL)


def releases(trainings: Trainings) -> Canvas:
    """Draw the releases of one quarter of UK GDP growth as a staircase."""
    del trainings
    rows = releases_of(QUARTER)
    days = rows["published_at"].to_numpy().astype("M8[D]")
    values = rows["y"].to_numpy()
    text = f"{len(rows)} releases of one value"
    canvas = Canvas(258.0, f"{text}: UK GDP growth in the third quarter of 2008")
    subtitle = "UK GDP in the third quarter of 2008, per cent change on the year before"
    canvas.heading(text, subtitle)
    plot = Plot(canvas, 50.0, 180.0, ("2008-06-01", "2026-06-01"), (-3.0, 1.0))
    corners = plot.steps(
        np.append(days, np.datetime64("2026-05-01")), np.append(values, values[-1])
    )
    canvas.line([(plot.left, plot.y(0.0)), (plot.right, plot.y(0.0))], "muted", width=0.8)
    canvas.line(corners, "blue", width=2.0)
    canvas.dots(plot.points(days, values), "blue", radius=2.5)
    lowest = int(values.argmin())
    first, low, last = plot.points(days[[0, lowest, -1]], values[[0, lowest, -1]])
    text = f"first: {_signed(values[0])}, {days[0]}"
    canvas.text((first[0] + 40.0, first[1] - 8.0), text, size=SMALL)
    canvas.text(
        (low[0] + 14.0, low[1] + 5.0), f"{_signed(values[lowest])}, {days[lowest]}", size=SMALL
    )
    text = f"newest: {_signed(values[-1])}"
    canvas.text((last[0], last[1] - 9.0), text, anchor="end", size=SMALL)
    return canvas


def _forecasts(trainings: Trainings) -> pd.DataFrame:
    return trainings.us.retrodictions(variable=UNEMPLOYMENT, model="ensemble")


def _released(trainings: Trainings) -> pd.DataFrame:
    """Return the values that a batch may see, with the days on which they were public."""
    table = trainings.us.tables.batches("historical_data", batch="2008-10-01")
    frame = table.select(["variable", "timestamp", "published_at"]).to_pandas()
    days = {name: pd.to_datetime(frame[name]) for name in ("timestamp", "published_at")}
    return frame.assign(**days).sort_values(["variable", "timestamp"])


def _between(rows: pd.DataFrame, first: str, last: str) -> pd.DataFrame:
    return rows[(rows["ds"] >= first) & (rows["ds"] <= last)]


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "\N{MINUS SIGN}")
