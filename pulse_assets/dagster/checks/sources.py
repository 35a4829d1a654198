"""Checks of the source: series that end early or are irregular, files not read, odd values."""

from typing import Final

from pulse_assets.dagster.checks.check import Check, Finding
from pulse_assets.dagster.checks.stored import StoredBatches
from pulse_assets.history.calendars import explain_frequency, rows_used
from pulse_assets.history.frequency_names import get_frequency
from pulse_assets.retrodiction.implausible import implausible_values
from pulse_assets.stages.outcome_texts import list_some
from pulse_assets.stages.series_ends import STALE_AFTER, ends_before


def sources_are_fresh(batches: StoredBatches) -> Finding:
    """Each series ends at most a few of its own steps before the last day to predict.

    If it fails: update the file of the series, or set an earlier `end_date`.
    """
    dates = {name: series.timestamps for name, series in batches.series.items()}
    last = {name: of[-1].item() for name, of in dates.items()}
    last_day = batches.settings.last_day
    stale = ends_before(dates, batches.options.frequencies, last_day)
    values = {"stale": stale, "last_observation": last, "last_day": str(last_day)}
    named = [f"{name} (on {last[name]})" for name in stale]
    verb, whose = ("ends", "its") if len(stale) == 1 else ("end", "their")
    message = (
        f"{list_some(named)} {verb} more than {STALE_AFTER} of {whose} steps before {last_day}"
    )
    return Finding(not stale, values, message)


def every_file_is_read(batches: StoredBatches) -> Finding:
    """No file that looks meant for the source is left unread.

    If it fails: rename the file as the message says, or remove it from the source.
    """
    unread = dict(batches.source.unread())
    named = [f"{path} ({reason})" for path, reason in unread.items()]
    message = f"files in {batches.source.uri} that are not read: {list_some(named)}"
    return Finding(not unread, {"unread": unread}, message)


def no_implausible_values(batches: StoredBatches) -> Finding:
    """No value lies so far from its neighbours that it looks like a typing error.

    If it fails: correct the value in the source if it is wrong. A right one may stay.
    """
    frequencies = batches.options.frequencies
    used = {name: rows_used(x, frequencies[name]) for name, x in batches.series.items()}
    implausible = {
        f"{name} on {series.timestamps[i]}": float(series.values[i])
        for name, series in used.items()
        for i in implausible_values(series.values, get_frequency(frequencies[name]).season)
    }
    named = [f"{place} ({value:g})" for place, value in implausible.items()]
    message = (
        f"values that look implausible beside their neighbours: {list_some(named)}: rules take "
        "them as missing once the next value is known, but they are scored as outcomes: correct "
        "them in the source, or leave their cells empty"
    )
    return Finding(not implausible, {"implausible": implausible}, message)


def frequencies_are_regular(batches: StoredBatches) -> Finding:
    """Each series has had one frequency of a known calendar since its first observation.

    If it fails: correct the dates, or name the frequency in `frequencies`. If the dates are right,
    nothing is to be done.
    """
    texts = batches.options.frequencies
    explained = {name: explain_frequency(x, texts[name]) for name, x in batches.series.items()}
    irregular = {name: text for name, text in explained.items() if text}
    message = f"dates of series: {list_some(list(irregular.values()))}"
    return Finding(not irregular, {"irregular": irregular}, message)


SOURCE_CHECKS: Final[tuple[Check[StoredBatches], ...]] = (
    Check("sources_are_fresh", "historical_data", sources_are_fresh, "WARN"),
    Check("every_file_is_read", "historical_data", every_file_is_read, "WARN"),
    Check("frequencies_are_regular", "historical_data", frequencies_are_regular, "WARN"),
    Check("no_implausible_values", "historical_data", no_implausible_values, "WARN"),
)
