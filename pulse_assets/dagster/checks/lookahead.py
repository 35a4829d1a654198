"""The look-ahead check: forecasts computed again without later data are the stored ones."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulse_assets.dagster.checks.check import Check, Finding
from pulse_assets.dagster.checks.stored import StoredBatches
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.stages.lookahead_check import (
    COMPARED_COLUMNS,
    ROUNDING,
    Recomputed,
    difference_rank,
    recompute,
)
from pulse_assets.stages.outcome_texts import list_some

#: Batches whose forecasts are computed again.
RECOMPUTED_BATCHES: Final = 4
#: Variables of each of them; from batch to batch others, where there are more.
RECOMPUTED_VARIABLES: Final = 150
#: What is read whole of each: any variable may be a leading indicator.
_WHOLE: Final = ("historical_data", "training_batches")


def no_lookahead(batches: StoredBatches) -> Finding:
    """Forecasts of some batches, computed again without later data, equal the stored ones.

    If it fails: do not trust the scores of the rule that is named. Let it read no value after its
    origin and use no random numbers, then run again.
    """
    options = batches.options
    models, results = options.models or DEFAULT_MODELS, dict[str, Recomputed]()
    chosen = set[str]()
    for number, key in enumerate(batches.sample(RECOMPUTED_BATCHES)):
        # A forecast that the batch itself computed would prove nothing.
        rules = resolve_rules(models, seconds=options.rule_timeout_seconds, check=True)
        variables = _every_nth(options.variables or (), number)
        chosen.update(variables)
        results[key] = recompute(_tables(batches, key, variables), rules, options, variables)
    differing = {key: result for key, result in results.items() if result.difference > ROUNDING}
    values = _values(results, differing) | {"variables": len(chosen)}
    return Finding(not differing, values, _describe_lookahead(differing))


def _tables(batches: StoredBatches, key: str, variables: Sequence[str]) -> dict[str, pa.Table]:
    """Return what is compared of a batch: the forecasts of the variables, and all else."""
    whole = {name: batches.tables(name, [key])[key] for name in _WHOLE}
    forecasts = batches.tables("retrodictions", [key])
    forecasts.require([key])
    own = pc.field("variable").isin(pa.array(variables, pa.string()))
    return whole | {"retrodictions": forecasts.load(COMPARED_COLUMNS, own)}


def _every_nth(variables: Sequence[str], first: int) -> Sequence[str]:
    """Return at most `RECOMPUTED_VARIABLES` of the variables, evenly spread."""
    step = -(-len(variables) // RECOMPUTED_VARIABLES) or 1
    return variables[first % step :: step]


def _values(
    results: Mapping[str, Recomputed], differing: Mapping[str, Recomputed]
) -> dict[str, Any]:
    """Return what the check compared, which rules differ and which failed."""
    differences = (result.difference for result in results.values())
    return {
        "batches": list(results),
        "forecasts": sum(result.forecasts for result in results.values()),
        "largest_difference": str(max(differences, default=0.0)),
        "rules": sorted({result.model for result in differing.values()}),
        "failed_rules": {
            f"{name}, batch {key}": text
            for key, result in results.items()
            for name, text in result.failures.items()
        },
    }


def _describe_lookahead(differing: Mapping[str, Recomputed]) -> str:
    """Name the rule, variable and batch of the largest difference, and the other rules."""
    if not differing:
        return ""
    batch, worst = max(differing.items(), key=lambda item: difference_rank(item[1]))
    others = sorted({result.model for result in differing.values()} - {worst.model})
    more = f"; so do those of {list_some(others)}" if others else ""
    share = worst.difference
    apart = f"by up to {100 * share:.3g} %" if np.isfinite(share) else "in what is missing"
    return (
        f"look-ahead: the stored forecasts of rule {worst.model} for {worst.variable} in batch "
        f"{batch} differ {apart} from those computed without later data{more}: a rule may read "
        "y[: origin + 1] alone, and equal input must give equal output"
    )


LOOKAHEAD_CHECKS: Final[tuple[Check[StoredBatches], ...]] = (
    Check("no_lookahead", "retrodictions", no_lookahead),
)
