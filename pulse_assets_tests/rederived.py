"""The stored numbers once more, in plain Python loops over plain rows.

Nothing of the package is imported: each function is its definition, written as it is read.
"""

import math
from collections import defaultdict
from itertools import pairwise

from scipy.stats import beta

NAN = float("nan")


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values) if values else NAN


def is_number(value):
    return value is not None and not math.isnan(value)


def pair_win(error, reference):
    """1 closer than the reference, 1/2 equal to a relative 1e-12, 0 further."""
    if abs(error - reference) <= 1e-12 * max(error, reference):
        return 0.5
    return 1.0 if error < reference else 0.0


def scales(values, origin, season):
    """Mean absolute seasonal and mean squared one-step difference of values[: origin + 1]."""
    seasonal, squared = [], []
    for t in range(origin + 1):
        if t >= season and is_number(values[t]) and is_number(values[t - season]):
            seasonal.append(abs(values[t] - values[t - season]))
        if t >= 1 and is_number(values[t]) and is_number(values[t - 1]):
            squared.append((values[t] - values[t - 1]) ** 2)
    return mean(seasonal), mean(squared)


def pinball_loss(observed, quantile, level):
    """An outcome above the quantile costs its level per unit, one below the rest of 1."""
    if observed > quantile:
        return level * (observed - quantile)
    return (1 - level) * (quantile - observed)


def quantile_loss(pair, levels):
    """The mean of the pinball loss over the levels."""
    quantiles = zip(pair["quantiles"], levels, strict=True)
    return mean(pinball_loss(pair["observed"], quantile, level) for quantile, level in quantiles)


def places(pairs, levels):
    """Outcomes up to the first quantile, between neighbouring ones, and above the last one."""
    below = [
        sum(share_below(p["observed"], p["quantiles"][i], level) for p in pairs)
        for i, level in enumerate(levels)
    ]
    return [after - before for before, after in pairwise([0, *below, len(pairs)])]


def share_below(observed, quantile, level):
    """1 or 0; an outcome that equals the quantile counts as much as the level."""
    return level if observed == quantile else float(observed < quantile)


def saved_by_rule(pair):
    """{model: by how much its weight makes the absolute error of the ensemble smaller}, one pair.

    Of the rows of all models on that pair; the ensembles have no weight.
    """
    rules = [row for row in pair if is_number(row["weight"]) and row["weight"] > 0]
    saved = {row["model"]: 0.0 for row in pair}

    def error(of):
        total = math.fsum(row["weight"] for row in of)
        mean_forecast = math.fsum(row["weight"] * row["predicted"] for row in of) / total
        return abs(mean_forecast - of[0]["observed"])

    for left_out in rules:
        others = [row for row in rules if row is not left_out]
        if others:
            saved[left_out["model"]] = error(others) - error(rules)
    return saved


def worth(rows, ensemble_errors):
    """By how much larger the error of the ensemble would be without a rule, of its scored rows.

    The errors of the ensemble are the sums over all batches by (variable, horizon).
    """
    saved = defaultdict(list)
    for row in rows:
        saved[row["variable"], row["horizon"]].append(row["error_saved"])
    logs = [
        math.log((ensemble_errors[task] + math.fsum(sums)) / ensemble_errors[task])
        for task, sums in saved.items()
    ]
    return math.exp(mean(logs)) - 1


def scores(pairs, levels):
    """The scores of one rule, variable, horizon and batch, from its pairs (dictionaries)."""
    known = [p for p in pairs if is_number(p["predicted"])]
    errors = [abs(p["predicted"] - p["observed"]) for p in known]
    bounded = all(is_number(q) for p in known for q in (p["lower"], p["upper"], *p["quantiles"]))
    losses = [quantile_loss(p, levels) for p in known]
    scaled = [loss / p["scale"] for loss, p in zip(losses, known, strict=True)]
    return {
        "n": len(known),
        "missing": len(pairs) - len(known),
        "abs_error": math.fsum(errors),
        "naive_abs_error": math.fsum(p["naive"] for p in known),
        "compared": len(known),
        "wins": math.fsum(pair_win(e, p["naive"]) for e, p in zip(errors, known, strict=True)),
        "mase": mean(e / p["scale"] for e, p in zip(errors, known, strict=True)),
        "rmsse": math.sqrt(mean(e * e / p["square"] for e, p in zip(errors, known, strict=True))),
        "coverage": mean(p["lower"] <= p["observed"] <= p["upper"] for p in known)
        if bounded
        else NAN,
        "pinball": mean(losses),
        "wis": 2 * mean(losses),
        "sql": 2 * mean(scaled),
        "places": places(known, levels) if bounded else None,
        "weight": mean(p["weight"] for p in pairs),
    }


def stored_scores(row):
    """What `batch_metrics` holds instead of mase, rmsse and coverage."""
    mae = row["abs_error"] / row["n"] if row["n"] else NAN
    scales = {
        f"{name}_scale": mae / row[name] if row[name] else 1.0 + row[name]
        for name in ("mase", "rmsse")
    }
    scales["sql_scale"] = row["pinball"] / (row["sql"] / 2) if row["sql"] else 1.0 + row["sql"]
    sums = {
        "covered": row["coverage"],
        "quantile_loss": row["pinball"],
    }
    return scales | {name: row["n"] * score if row["n"] else 0.0 for name, score in sums.items()}


def stored_below(row, levels):
    """What `batch_metrics` holds of outcomes below each quantile."""
    if row["places"] is None:
        return [NAN] * len(levels)
    return [sum(row["places"][: i + 1]) for i in range(len(levels))]


def calibration(rows, levels):
    """Pool the scored rows of one rule or variable; None without quantiles."""
    counted = [row["places"] for row in rows if row["places"] is not None]
    pit = [sum(of_row[i] for of_row in counted) for i in range(len(levels) + 1)]
    if not sum(pit):
        return None
    below = [sum(pit[: i + 1]) / sum(pit) for i in range(len(levels))]
    return {"n": sum(pit), "below": below, "pit": pit}


def beta_law(wins, compared, discount, horizons):
    """Return a and b of trust after the last of these batches, see `trust.scan_trust`."""
    last = len(wins) - 1
    u = [discount ** (last - t) for t in range(last + 1)]
    total = math.fsum(u[t] * compared[t] for t in range(last + 1))
    if total == 0:
        return 1.0, 1.0
    p = math.fsum(u[t] * wins[t] for t in range(last + 1)) / total
    pairs = total**2 / math.fsum(u[t] ** 2 * compared[t] for t in range(last + 1))
    size = math.ceil(len(horizons) * max(24, 3 * max(horizons)) * (last + 1) / math.fsum(compared))
    b = size * math.fsum((u[t] * compared[t]) ** 2 for t in range(last + 1)) / total**2
    if b >= 1:
        evidence = pairs / (len(horizons) * max(horizons))
        return 1 + evidence * p, 1 + evidence * (1 - p)
    squares = 0.0
    for first in range(1 - size, last + 1):  # every run of `size` batches, those at the ends too
        inside = range(max(first, 0), min(first + size, last + 1))
        squares += math.fsum(u[t] * (wins[t] - p * compared[t]) for t in inside) ** 2
    variance = squares / size / total**2 + (p**2 + (1 - p) ** 2) / pairs**2
    q = (p * pairs + 1) / (pairs + 2)
    allowance = (1.6449 / (1.6449 + 2.1859 * b + 0.3142 * b**2 - 0.3427 * b**3)) ** 2
    evidence = q * (1 - q) / variance * allowance
    return 1 + evidence * p, 1 + evidence * (1 - p)


def ledger(rows, discount):
    """Return {(variable, model, horizon or None, batch): row} from the scored rows.

    With a horizon, only after the last batch.
    """
    series = defaultdict(lambda: defaultdict(lambda: [0.0, 0]))
    for row in rows:
        for horizon in (row["horizon"], None):
            sums = series[row["variable"], row["model"], horizon][row["batch"]]
            sums[0] += row["wins"]
            sums[1] += row["compared"]
    found = {}
    for (variable, model, horizon), batches in series.items():
        horizons = (
            [horizon] if horizon else [h for v, m, h in series if (v, m) == (variable, model) and h]
        )
        keys = sorted(batches)
        for end in range(len(keys) - 1 if horizon else 0, len(keys)):
            wins, compared = zip(*(batches[key] for key in keys[: end + 1]), strict=True)
            a, b = beta_law(wins, compared, discount, horizons)
            found[variable, model, horizon, keys[end]] = {
                "wins": wins[-1],
                "compared": compared[-1],
                "trust": a / (a + b),
                "lower": beta.ppf(0.05, a, b),
                "upper": beta.ppf(0.95, a, b),
            }
    return found


def leaderboard_row(rows):
    """Pool the scored rows of one rule: of all variables, of one, or of one horizon."""
    pooled = {}
    for score in ("mase", "rmsse", "coverage", "pinball", "wis", "sql", "weight"):
        power = 2 if score == "rmsse" else 1
        defined = [row for row in rows if is_number(row[score])]
        counts = [row["n"] + (row["missing"] if score == "weight" else 0) for row in defined]
        total = math.fsum(n * row[score] ** power for n, row in zip(counts, defined, strict=True))
        pooled[score] = (total / sum(counts)) ** (1 / power) if sum(counts) else NAN
    tasks = defaultdict(list)
    for row in rows:
        tasks[row["variable"], row["horizon"]].append(row)
    logs, wins = [], []
    for task in tasks.values():
        mine, theirs = (math.fsum(r[c] for r in task) for c in ("abs_error", "naive_abs_error"))
        if sum(row["compared"] for row in task):
            ratio = 1.0 if mine == theirs == 0 else mine / theirs if theirs else 100.0
            logs.append(math.log(min(max(ratio, 0.01), 100.0)))
            wins.append(pair_win(mine, theirs))
    counts = {name: sum(row[name] for row in rows) for name in ("n", "missing")}
    skill = 1 - math.exp(mean(logs)) if logs else NAN
    return pooled | counts | {"skill": skill, "win_rate": mean(wins)}
