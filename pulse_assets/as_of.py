"""Forecasts as of a day of the past: what would have been said on it, from what was public then.

Values, their releases and others' forecasts that were published later are left out before anything
is computed. Trust is that of the batches whose outcomes were all public on the day. What does
depend on the present is the configuration: the rules, and the frequency of each series, which is
decided from all of its dates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa

from pulse_assets.batches.fingerprint import made_by
from pulse_assets.batches.grid import batch_keys, batch_of
from pulse_assets.catalog import NEXT_FORECASTS, SORT_KEYS
from pulse_assets.errors import ConfigurationError, HistoricalDataError
from pulse_assets.frames import as_text
from pulse_assets.history.calendars import load_series
from pulse_assets.history.series import Series
from pulse_assets.preflight import resolve_options
from pulse_assets.retrodiction.rule_process import fresh_hosts
from pulse_assets.retrodiction.rules import DEFAULT_MODELS, resolve_rules
from pulse_assets.settings import Settings, TrainingOptions
from pulse_assets.stages.as_of import known_metrics, known_outcomes, series_as_of
from pulse_assets.stages.forecast import forecast_next
from pulse_assets.stages.ledger import LEDGER_COLUMNS, LatestTrust, build_ledger
from pulse_assets.stages.series_ends import early_ends, observed_dates
from pulse_assets.stages.variable_history import MINIMUM_HISTORY
from pulse_assets.storage.layout import PartitionedTables
from pulse_assets.storage.objects import StoredTable
from pulse_assets.storage.store import open_store
from pulse_assets.storage.tables import fingerprint_of, sorted_table


@dataclass(frozen=True)
class ForecastsAsOf:
    """What would have been said on a day.

    Attributes:
        day: the day.
        table: sorted forecasts of schema `NEXT_FORECASTS`, and one row without a model per variable
            that has none.
        left_out: reason by variable, for the variables without forecasts.
        rule_errors: error by `variable, model`.
        batches: batches whose outcomes were public on the day, and on which trust rests.
        trust_fits: whether this configuration computed them.
        early: a warning per series that ended long before the others on that day.
        options: the resolved configuration.
    """

    day: date
    table: pa.Table
    left_out: Mapping[str, str]
    rule_errors: Mapping[str, str]
    batches: int
    trust_fits: bool
    early: Mapping[str, str]
    options: TrainingOptions

    @property
    def caveats(self) -> list[str]:
        """What a reader of the forecasts must know, in sentences."""
        caveats = [*self.early.values()]
        caveats += [f"{pair}: the rule failed: {why}" for pair, why in self.rule_errors.items()]
        if not self.trust_fits:
            caveats.append("the trust is of another configuration of this training")
        return caveats


def parse_day(day: str | date) -> date:
    """Return a day, which must not lie in the future.

    Raises:
        ConfigurationError: it is no date like 2008-09-15, or after today.

    Example:
        >>> parse_day("2008-09-15")
        datetime.date(2008, 9, 15)
    """
    try:
        parsed = date.fromisoformat(as_text(day))
    except ValueError:
        raise ConfigurationError(f"as of {day!r}: must be a date like 2008-09-15") from None
    if parsed > datetime.now(UTC).date():
        raise ConfigurationError(f"as of {parsed}: lies in the future: choose a day up to today")
    return parsed


@fresh_hosts()
def forecast_as_of(settings: Settings, options: TrainingOptions, day: str | date) -> ForecastsAsOf:
    """Forecast each variable from what was public on a day.

    Args:
        settings: where data lies and which batches exist.
        options: the configuration.
        day: the day, a date or a text like 2008-09-15.

    Raises:
        ConfigurationError: it lies before the first batch or in the future.
        HistoricalDataError: the source cannot be read, or no variable had enough history.
        MissingObjectError: there is no training in the store.
        StoreError: the stored metrics cannot be read.
    """
    as_of = parse_day(day)
    first = batch_keys(settings)[0]
    if as_of < date.fromisoformat(first):
        raise ConfigurationError(
            f"as of {as_of}: lies before the first batch, {first}: choose a later day, or an "
            "earlier --start-date"
        )
    options = resolve_options(settings, options)
    every = load_series(
        settings.open_source(),
        options.variables or (),
        options.frequencies,
        options.publication_lag_days,
    )
    public = {name: series_as_of(of, np.datetime64(as_of)) for name, of in every.items()}
    short = _too_short(public, as_of)
    series = {name: of for name, of in public.items() if name not in short}
    if not series:
        raise HistoricalDataError(_none_has_enough(short, as_of))
    trust = _Trust.of(settings, options, every, as_of)
    rules = resolve_rules(options.models or DEFAULT_MODELS, seconds=options.rule_timeout_seconds)
    forecasts = forecast_next(series, rules, options, LatestTrust(trust.ledger))
    rows = [{"variable": name, "error": short[name]} for name in sorted(short)]
    left = pa.Table.from_pylist(rows, NEXT_FORECASTS)
    table = sorted_table(pa.concat_tables([forecasts.table, left]), SORT_KEYS["next_forecasts"])
    return ForecastsAsOf(
        day=as_of,
        table=table,
        left_out={**forecasts.left_out, **short},
        rule_errors=forecasts.rule_errors,
        batches=trust.batches,
        trust_fits=trust.fits,
        early=early_ends(observed_dates(series, table), options.frequencies),
        options=options,
    )


def _too_short(series: Mapping[str, Series], day: date) -> dict[str, str]:
    """Return why some series could not be forecast on a day, by variable."""
    counts = {name: int(of.has_value.sum()) for name, of in series.items()}
    return {
        name: f"{count or 'no'} observations were public on {day}: {MINIMUM_HISTORY} are needed: "
        "choose a later day"
        for name, count in counts.items()
        if count < MINIMUM_HISTORY
    }


def _none_has_enough(short: Mapping[str, str], day: date) -> str:
    """Return an error that all variables share: the reason of the first one."""
    name, reason = next(iter(short.items()))
    others = f" ({len(short)} variables have too few)" if len(short) > 1 else ""
    return f"as of {day}: {name}: {reason}{others}"


class _Trust(NamedTuple):
    """The trust that the stored batches gave on a day.

    Attributes:
        ledger: of schema `TRUST_LEDGER`.
        batches: number of batches that it rests on.
        fits: whether this configuration computed them.
    """

    ledger: pa.Table
    batches: int
    fits: bool

    @classmethod
    def of(
        cls, settings: Settings, options: TrainingOptions, series: Mapping[str, Series], day: date
    ) -> Self:
        """Compute the ledger again, from the batches whose outcomes were public on the day.

        They are those of the configuration of the stored ledger, as for the next forecasts.

        Raises:
            StoreError: one of them is missing, or was computed anew by another configuration.
        """
        store = open_store(settings.store, settings.s3)
        latest = StoredTable(store, "trust_ledger").load()
        keys = [key for key in batch_keys(settings) if date.fromisoformat(key) <= day]
        batches = [batch_of(settings, key, tuple(series)) for key in keys]
        complete = known_outcomes(batches, series, options.score_against, np.datetime64(day))
        tables = PartitionedTables(store, "batch_metrics", settings.batch_length, keys)
        made_of = {"configuration": fingerprint_of(latest).get("configuration", "")}
        fits = made_by(latest, settings, options)
        scored = {*latest["batch"].unique().to_pylist()}.intersection(keys) if fits else set[str]()
        parts = tables.parts(LEDGER_COLUMNS, made_of=made_of, required=scored)
        metrics = [*known_metrics(parts, complete)]
        used = {key for table in metrics for key in table["batch"].unique().to_pylist()}
        ledger = build_ledger(metrics, options.trust_discount)
        return cls(ledger, len(used), fits)
