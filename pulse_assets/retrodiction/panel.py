"""The panel: forecasts of all rules from all indices, laid out for the kernels that learn.

Panels are `[B, M, T, W]`: B blocks of W horizons, which lie side by side so that the machine can
handle several at once. W is a multiple of `VECTOR`; the last horizon fills up the last block.
"""

from typing import Final

import numpy as np

from pulse_assets.retrodiction.arrays import LARGEST, Floats, Ints, kernel

#: Numbers that the machine handles at once.
VECTOR: Final = 4
#: Most horizons a block. Kernels keep `SLOT` places for them, a constant, whatever their number:
#: only then does the compiler know that what they keep does not overlap.
SLOT: Final = 3 * VECTOR


def block_horizons(horizons: Ints) -> Ints:
    """Return the horizons `[B, W]` of a panel.

    Example:
        >>> block_horizons(np.array([1, 2, 3, 6, 12])).tolist()
        [[1, 2, 3, 6, 12, 12, 12, 12]]
    """
    blocks = max(-(-len(horizons) // SLOT), 1)
    width = -(-len(horizons) // (blocks * VECTOR)) * VECTOR
    place = np.minimum(np.arange(blocks * width), len(horizons) - 1)
    return horizons[place].reshape(blocks, width)


def empty_panel(steps: Ints, models: int, length: int) -> Floats:
    """Return a panel `[B, M, T, W]` for horizons `[B, W]`, not filled yet."""
    return np.empty((len(steps), models, length, steps.shape[1]))


@kernel  # pragma: no cover
def place(panel: Floats, model: int, forecasts: Floats, origins: Ints) -> None:
    """Put a rule's forecasts `[O, H]` into a panel; NaN from other indices than its origins."""
    width, size = panel.shape[3], forecasts.shape[1]
    for block in range(len(panel)):
        first = block * width
        if len(origins) < panel.shape[2]:
            panel[block, model] = np.nan
        for row in range(len(origins)):
            for j in range(min(width, size - first)):
                panel[block, model, origins[row], j] = forecasts[row, first + j]
            for j in range(size - first, width):
                panel[block, model, origins[row], j] = forecasts[row, size - 1]


@kernel  # pragma: no cover
def unblock(values: Floats, rows: Ints, size: int, unit: float) -> Floats:
    """Return rows of a panel times the unit, at most the largest number there is.

    Args:
        values: `[B, M, T, W]`.
        rows: the rows `[O]`; where negative all is NaN.
        size: horizons.
        unit: what values are multiplied by.

    Returns:
        `[M, O, H]`.
    """
    blocks, models, _, width = values.shape
    unfolded = np.full((models, len(rows), size), np.nan)
    for block in range(blocks):
        first = block * width
        for model in range(models):
            for o in range(len(rows)):
                if rows[o] >= 0:
                    before, after = values[block, model, rows[o]], unfolded[model, o, first:]
                    for j in range(min(width, len(after))):
                        value = before[j] * unit
                        # Comparisons with NaN are false.
                        value = LARGEST if value > LARGEST else value
                        after[j] = -LARGEST if value < -LARGEST else value
    return unfolded
