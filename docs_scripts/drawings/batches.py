"""Pictures of batches: origins that move through history, and blocks that share a walk."""

from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from docs_scripts.drawings.canvas import SMALL, Canvas, Colour
from docs_scripts.drawings.plot import Plot
from docs_scripts.drawings.trainings import GDP, Trainings
from pulse_assets.batches.blocks import group_batches
from pulse_assets.batches.grid import batch_of
from pulse_assets.batches.windows import TrainingBatch, history_starts

#: The batch whose targets are drawn in the first picture.
BATCH: Final = "2008-10-01"
#: From the first day of a quarter to its middle, where it is drawn.
_MIDDLE: Final = pd.Timedelta(days=45)
_BLOCK_COLOURS: Final[tuple[Colour, ...]] = ("blue", "orange")


def rolling_origin(trainings: Trainings) -> Canvas:
    """Draw which values are known at each origin, and which dates are predicted from it."""
    rows = trainings.us.retrodictions(variable=GDP, model="ensemble")
    chosen = (rows["origin_date"] >= "2006-10-01") & (rows["origin_date"] <= "2008-10-01")
    rows = rows[chosen & (rows["horizon"] <= 6)]
    canvas = Canvas(278.0, "Each origin knows the values before it and predicts some after it")
    subtitle = "US GDP growth, quarterly; horizons 1, 2, 3 and 6"
    canvas.heading("The origin moves through history", subtitle)
    plot = Plot(canvas, 50.0, 180.0, ("2005-01-01", "2010-06-01"), (0.0, 0.0), left=12.0)
    start, stop = (plot.x(day) for day in (BATCH, "2009-01-01"))
    canvas.box((start, 50.0), (stop - start, 180.0), "gold", opacity=0.22)
    for place, (origin, targets) in enumerate(rows.groupby("origin_date")):
        y, at = 62.0 + 19.5 * place, plot.x(origin + _MIDDLE)
        canvas.line([(plot.left, y), (at, y)], "grey", width=4.0)
        canvas.dots([(at, y)], "ink", radius=4.5)
        days = targets["target_date"] + _MIDDLE
        canvas.dots([(plot.x(day), y) for day in days], "blue", radius=4.0)
    canvas.legend(
        (14.0, 268.0),
        [
            ("known", "grey"),
            ("origin", "ink"),
            ("target date", "blue"),
            (f"window of batch {BATCH}", "gold"),
        ],
    )
    return canvas


def blocks(trainings: Trainings) -> Canvas:
    """Draw windows and histories of some batches, in the colours of their blocks."""
    chosen = _two_blocks(trainings)
    anchors = [
        history_starts(np.array([block[0].start], "M8[D]"), _history_days(trainings))[0]
        for block in chosen
    ]
    canvas = Canvas(330.0, "Two blocks of batches: all histories of a block begin on one day")
    subtitle = "one line per batch: its history, then its window of one quarter"
    canvas.heading(f"{sum(map(len, chosen))} batches in two blocks", subtitle)
    plot = Plot(canvas, 50.0, 234.0, ("1978-06-01", "2018-06-01"), (0.0, 0.0), left=12.0)
    y = 58.0
    for block, anchor, colour in zip(chosen, anchors, _BLOCK_COLOURS, strict=True):
        middle = y + 11.0 * (len(block) - 1) / 2.0
        for batch in block:
            start, end = plot.x(batch.start), plot.x(batch.end)
            canvas.line([(plot.x(anchor), y), (start, y)], colour, width=2.0)
            canvas.box((start, y - 4.5), (end - start, 9.0), colour)
            y += 11.0
        stop = plot.x(block[-1].end)
        canvas.text((stop + 8.0, middle), "one task,", colour=colour, size=SMALL)
        canvas.text((stop + 8.0, middle + 14.0), "one walk", colour=colour, size=SMALL)
        at = plot.x(anchor) - 6.0
        canvas.text((at, middle), "anchor", colour=colour, anchor="end", size=SMALL)
        canvas.text((at, middle + 14.0), str(anchor), colour=colour, anchor="end", size=SMALL)
        y += 6.0
    first, last = chosen[0][0], chosen[-1][-1]
    canvas.text((plot.left + 2.0, 320.0), f"windows from {first.start} to {last.start}", size=SMALL)
    return canvas


def _two_blocks(trainings: Trainings) -> list[tuple[TrainingBatch, ...]]:
    """Return the last block before 2010 and the first one after, on two threads."""
    tables = trainings.us.tables
    names = tables.options.variables or ()
    batches = [batch_of(tables.settings, key, names) for key in tables.keys]
    grouped = group_batches(batches, tables.options, 2)
    later = next(n for n, block in enumerate(grouped) if block[0].start >= date(2010, 1, 1))
    return grouped[later - 1 : later + 1]


def _history_days(trainings: Trainings) -> int:
    return trainings.us.tables.options.history_days
