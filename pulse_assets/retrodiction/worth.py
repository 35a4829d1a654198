"""What a rule is worth: how much larger the error of the ensemble would be without it."""

import numpy as np

from pulse_assets.array_types import Floats, Ints


def saved_errors(predicted: Floats, observed: Floats, weight: Floats, pair: Ints) -> Floats:
    """Return by how much each rule makes the absolute error of the ensemble smaller `[R]`.

    Without a rule the others share its weight in proportion to their own. It is below 0 where the
    ensemble would be closer to the outcome without it, and 0 where the rule has no weight, where no
    other has any, and where the outcome is unknown.

    Args:
        predicted: forecasts `[R]`, a row for each rule and pair; NaN where there is none.
        observed: outcomes `[R]`, NaN where unknown.
        weight: of the rule in the ensemble `[R]`, which add up to 1 over the rows of a pair; NaN of
            an ensemble, which saves nothing.
        pair: number of the pair of each row `[R]`, >= 0.

    Example:
        Two rules forecast 1 and 3 with weights 3/4 and 1/4, so that the ensemble says 1.5; the
        outcome is 1. Without the first it would say 3: an error of 2 instead of 0.5. Without the
        second it would say 1, an error of 0.

        >>> ones = np.ones(2)
        >>> saved_errors(np.array([1.0, 3.0]), ones, np.array([0.75, 0.25]), np.zeros(2, int))
        array([ 1.5, -0.5])
    """
    heard = (weight > 0.0) & np.isfinite(predicted)
    share = np.where(heard, weight, 0.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        part = np.where(heard, share * predicted, 0.0)
        whole, total = (np.bincount(pair, values)[pair] for values in (part, share))
        without, others = whole - part, total - share
        saved = np.abs(without / others - observed) - np.abs(whole / total - observed)
    return np.where(heard & (others > 0.0) & np.isfinite(saved), saved, 0.0)
