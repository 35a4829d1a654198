"""Whatever the source and the rules are like: each (variable, batch) is scored or has a reason."""

import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from hypothesis import strategies as st

from pulse_assets import TrainingConfig, train
from pulse_assets.batches.grid import batch_keys
from pulse_assets.errors import HistoricalDataError
from pulse_assets_tests.properties import holds_for_all

START = np.datetime64("1995-01-01")
MONTHS = START.astype("M8[M]") + np.arange(312)
CALENDARS = {
    "monthly": MONTHS.astype("M8[D]"),
    "month's end": (MONTHS + 1).astype("M8[D]") - 1,
    "quarterly": MONTHS[::3].astype("M8[D]"),
    "yearly": MONTHS[::12].astype("M8[D]"),
    "weekly": START + 7 * np.arange(1350),
    "daily": START + np.arange(9400),
    "every second week": START + 14 * np.arange(675),
    "twice a month": np.sort(np.append(MONTHS.astype("M8[D]"), MONTHS.astype("M8[D]") + 14)),
    "last working day": np.busday_offset((MONTHS + 1).astype("M8[D]") - 1, 0, roll="backward"),
    "Sunday to Thursday": START + np.flatnonzero(np.arange(9400) % 7 < 5),
    "monthly, then weekly": np.append(
        MONTHS[:200].astype("M8[D]"), np.datetime64("2011-09-07") + 7 * np.arange(480)
    ),
    "irregular": START + np.cumsum(np.random.default_rng(0).integers(1, 40, 450)),
}
#: Regular calendars more often than others, or most examples would end before the first batch.
NAMES = [*["monthly", "month's end", "quarterly", "weekly"] * 6, *CALENDARS]
RULES = {
    "sound": ["pulse_assets_tests.own_rules:Plain"],
    "moody": ["pulse_assets_tests.own_rules:Moody"],
}

variables = st.lists(
    st.fixed_dictionaries(
        {
            "calendar": st.sampled_from(NAMES),
            "first": st.sampled_from([0.0, 0.0, 0.3, 0.8]),
            "last": st.sampled_from([1.0, 1.0, 0.9, 0.95]),
            "holes": st.sampled_from([0.0, 0.02, 0.1]),
            "missing": st.sampled_from([0.0, 0.0, 0.1, 0.1, 0.6]),
            "late": st.sampled_from([0, 0, 40]),
            "twice": st.sampled_from([False] * 11 + [True]),
        }
    ),
    min_size=1,
    max_size=3,
)


def write(folder, number, drawn, rng):
    """Write one series: a walk on a part of its calendar, with gaps and a date too many."""
    dates = CALENDARS[drawn["calendar"]]
    dates = dates[int(drawn["first"] * len(dates)) : int(drawn["last"] * len(dates))]
    dates = dates[rng.random(len(dates)) >= drawn["holes"]]
    values = 100 + np.cumsum(rng.normal(size=len(dates)))
    values[rng.random(len(dates)) < drawn["missing"]] = np.nan
    rows = [
        f"{date},{'' if np.isnan(value) else round(value, 3)},{date + drawn['late']}"
        for date, value in zip(dates, values, strict=True)
    ]
    if drawn["twice"] and rows:
        middle = dates[len(dates) // 2] + 1
        rows.append(f"{middle},1.0,{middle + drawn['late']}")
    text = "timestamp,value,published_at\n" + "\n".join(rows) + "\n"
    (folder / f"historical_v{number}.csv").write_text(text)


def rows_of(store, key):
    return pq.read_table(store / "batch_metrics" / "batch_cadence=yearly" / f"{key}.parquet")


def check_all_listed(store, keys, names, data):
    """Each (variable, batch) is scored whole, or in the results with its reason."""
    listed = defaultdict(int)
    for entry in data["skipped_variables"]:
        assert entry["reason"]
        listed[entry["variable"]] += entry["count"]
    failed = {entry["batch"] for entry in data["errors"] if entry["message"]}
    skipped = {entry["batch"] for entry in data["skipped"] if entry["reason"]}
    found, scored = defaultdict(int), set()
    for key in keys:
        rows = rows_of(store, key).to_pylist()
        if key in failed:
            continue
        of = defaultdict(list)
        for row in rows:
            of[row["variable"]].append(row)
        assert set(of) == set(names)
        for name, own in of.items():
            if own[0]["skip_reason"]:
                found[name] += 1
                assert len(own) == 1
                continue
            scored.add((name, key))
            pairs = {row["horizon"]: row["n"] for row in own if row["model"] == "naive"}
            for row in own:
                assert row["n"] + row["missing"] == pairs[row["horizon"]]
        assert (key in skipped) == all(
            name not in {n for n, k in scored if k == key} for name in of
        )
    assert found == listed
    never = {name for name in names if not any(n == name for n, _ in scored)}
    assert set(data["variables"]["never_predicted"]) == never
    return scored, never, failed


@holds_for_all(
    3,
    10,
    seed=st.integers(0, 2**32 - 1),
    drawn=variables,
    rule=st.sampled_from(sorted(RULES)),
)
def test_each_variable_and_batch_is_scored_or_listed(seed, drawn, rule):
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "source").mkdir()
        for number, one in enumerate(drawn):
            write(place / "source", number, one, rng)
        config = TrainingConfig(
            source=str(place / "source"),
            store=str(place / "store"),
            start_date="2012-01-01",
            end_date="2019-12-31",
            batch_cadence="yearly",
            models=["naive", "drift", *RULES[rule]],
            horizons=[1, 3],
            max_workers=1,
        )
        try:
            results = train(config)
        except HistoricalDataError as error:
            assert "historical_v" in str(error)
            assert len(str(error).splitlines()) == 1
            assert not (place / "store").exists()
            return
        keys, names = batch_keys(config.settings()), [f"v{i}" for i in range(len(drawn))]
        scored, never, failed = check_all_listed(place / "store", keys, names, results.data)
        broken = [entry["model"] for entry in results.data["rule_errors"]]
        assert set(broken) <= {"moody"}
        bad = bool(never or failed or broken or not scored)
        assert results.success is not bad, results.message
        assert bool(results.message) is bad
