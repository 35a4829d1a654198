"""Tables whose cells are coloured by skill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pulse_assets.retrodiction.rules import ENSEMBLE
from pulse_assets.storage.tables import rows_with

#: Okabe and Ito's blue and orange; the skill at which a cell has its full colour, and how opaque it
#: then is, so that text can be read in front of it.
_BETTER, _WORSE = "0,114,178", "213,94,0"
_FULL, _OPAQUE = 0.4, 0.5

#: Name of the row over all variables.
ALL: Final = "all variables"


@dataclass(frozen=True)
class Cell:
    """One skill; `best` makes it stand out."""

    text: str
    colour: str = ""
    best: bool = False


@dataclass(frozen=True)
class HeatRow:
    """A row of a table: its name and its cells."""

    name: str
    cells: Sequence[Cell]


def skill_cell(skill: float | None, *, best: bool = False) -> Cell:
    """Return a cell in the colour of its skill; a dot where there is none.

    Example:
        >>> skill_cell(0.2, best=True)
        Cell(text='20', colour='rgba(0,114,178,0.25)', best=True)
    """
    if skill is None or not np.isfinite(skill):
        return Cell("\N{MIDDLE DOT}")
    share = min(1.0, abs(float(skill)) / _FULL) * _OPAQUE
    text = f"{round(100 * float(skill)):d}".replace("-", "\N{MINUS SIGN}")
    return Cell(text, f"rgba({_BETTER if skill > 0 else _WORSE},{share:.2g})", best)


def skill_rows(skill: pa.Table, variables: Sequence[str]) -> tuple[list[int], list[HeatRow]]:
    """Return the horizons, and the skill of the ensemble at each: over all variables, then of each.

    Args:
        skill: rows of schema `SKILL_BY_HORIZON`.
        variables: which, in order.
    """
    ours: dict[str | None, dict[int, float | None]] = {}
    for row in rows_with(skill, "model", ENSEMBLE).to_pylist():
        ours.setdefault(row["variable"], {})[row["horizon"]] = row["skill"]
    horizons = sorted({horizon for by_horizon in ours.values() for horizon in by_horizon})
    names: Mapping[str, Any] = {ALL: None, **{name: name for name in variables if name in ours}}
    return horizons, [
        HeatRow(shown, [skill_cell(ours.get(name, {}).get(h)) for h in horizons])
        for shown, name in names.items()
    ]
