"""`pulse-train clean`: remove what old configurations and killed runs left in the store."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from rich.console import Console
from rich.text import Text

from pulse_assets.cli.terminal import new_table, plain, print_error, print_json
from pulse_assets.dagster.instance import open_instance
from pulse_assets.dagster.running import refuse_while_training
from pulse_assets.errors import ConfigurationError
from pulse_assets.settings import TrainingConfig, dagster_home
from pulse_assets.storage.cleaning import CleaningPlan, by_folder, plan_cleaning
from pulse_assets.storage.inventory import Listed, Removal, remove_all
from pulse_assets.storage.store import Store, open_store

#: Folders and paths that are printed; `--json` has all.
_LISTED: Final = 10
#: Characters of a configuration's hash that are printed.
_DIGITS: Final = 12

_RECORDS: Final = (
    "Dagster's records stay: partitions of removed batches remain green, and events and compute "
    "logs remain (see Clean-up in the documentation, page Operations)"
)
_UNKNOWN: Final = (
    "the configuration of the stored results is not known, so all are kept: pulse-train report "
    "--rebuild writes results anew"
)


def clean(args: argparse.Namespace, config: TrainingConfig) -> Literal[0, 1]:
    """List what a cleaning removes; with `--delete` remove it.

    Args:
        args: from `parse_args`, with `keep`, `delete` and `json`.
        config: names the store.

    Returns:
        1 if something that was to be removed is still there, else 0.

    Raises:
        ConfigurationError: `--keep` is below 1.
        TrainingError: a training is running on the store, or may be.
        StoreUnavailableError: the store cannot be listed or read.
    """
    if args.keep < 1:
        raise ConfigurationError(f"--keep {args.keep}: keep at least 1 configuration")
    store = open_store(config.store, config.s3)
    with open_instance(dagster_home()) as instance:
        refuse_while_training(instance, store, newest=0.0)
        plan = plan_cleaning(store, args.keep)
        refuse_while_training(instance, store, plan.newest)
        removals = [*remove_all(store, [d.listed for d in plan.doomed])] if args.delete else []
    if args.json:
        print_json(_as_json(store, plan, removals, deleted=args.delete))
    else:
        _print(Console(), store, plan, removals, deleted=args.delete)
    faults = [removal for removal in removals if removal.fault]
    for listed, fault in faults:
        print_error(f"{store.uri}/{listed.path} is still there: {fault}")
    return 1 if faults else 0


def _as_json(
    store: Store, plan: CleaningPlan, removals: Sequence[Removal], *, deleted: bool
) -> dict[str, Any]:
    """Return the plan and what became of it."""
    faults = {(r.listed.path, r.listed.upload): r.fault for r in removals}
    return {
        "store": store.uri,
        "deleted": deleted,
        "configurations": [
            {
                "configuration": each.fingerprint,
                "kept": each.retained,
                "results": each.published,
                "newest": datetime.fromtimestamp(each.newest, UTC).isoformat(),
                "batches": each.batches,
                "objects": each.objects,
                "bytes": each.bytes,
            }
            for each in plan.configurations
        ],
        "remove": [
            {
                **_named(listed),
                "reason": reason,
                "fault": faults.get((listed.path, listed.upload)) or None,
            }
            for listed, reason in plan.doomed
        ],
        "bytes": sum(listed.size for listed, _ in plan.doomed),
        "results_known": plan.results_known,
        "maybe_being_written": [*map(_named, plan.recent)],
        "unreadable": [*map(_named, plan.unreadable)],
        "not_ours": [*map(_named, plan.foreign)],
        "note": _RECORDS,
    }


def _named(listed: Listed) -> dict[str, Any]:
    upload = {"upload": listed.upload} if listed.upload else {}
    return {"path": listed.path, "bytes": listed.size, **upload}


def _print(
    console: Console,
    store: Store,
    plan: CleaningPlan,
    removals: Sequence[Removal],
    *,
    deleted: bool,
) -> None:
    """Print the configurations, what is removed by folder, and what is left alone."""
    if plan.configurations:
        table = new_table("configuration", "newest object (UTC)", "batches", "objects", "size", "")
        for each in plan.configurations:
            state = "kept" if each.retained else "old"
            table.add_row(
                each.fingerprint[:_DIGITS],
                _minute(each.newest),
                f"{each.batches:,}",
                f"{each.objects:,}",
                _size(each.bytes),
                f"{state}, has results" if each.published else state,
            )
        console.print(table)
        console.print()
    if not plan.results_known:
        console.print(plain(_UNKNOWN), soft_wrap=True)
    there = {removal.listed for removal in removals if removal.fault}
    listed = [doomed for doomed in plan.doomed if doomed.listed not in there]
    size = sum(doomed.listed.size for doomed in listed)
    total = f"{'removed' if deleted else 'to remove'}: {_counted(len(listed), 'object')}"
    console.print(plain(f"{total}, {_size(size)}"), soft_wrap=True)
    for (folder, reason), (count, size) in by_folder(listed).items():
        line = f"  {folder}: {_counted(count, 'object')}, {_size(size)} ({reason})"
        console.print(_line(line), soft_wrap=True)
    for title, rest in (
        ("may still be being written, younger than an hour", plan.recent),
        ("left alone, for their configuration cannot be read", plan.unreadable),
        ("left alone, not ours", plan.foreign),
    ):
        _print_left(console, title, rest)
    if listed:
        console.print(plain(_RECORDS), soft_wrap=True)
    if plan.doomed and not deleted:
        line = f"nothing is changed yet: --delete removes it from {store.uri}"
        console.print(_line(line), soft_wrap=True)


def _print_left(console: Console, title: str, listed: Sequence[Listed]) -> None:
    if not listed:
        return
    size = _size(sum(entry.size for entry in listed))
    console.print(plain(f"{title}: {_counted(len(listed), 'object')}, {size}"), soft_wrap=True)
    for entry in listed[:_LISTED]:
        console.print(_line(f"  {entry.path}"), soft_wrap=True)
    if len(listed) > _LISTED:
        console.print(f"  {len(listed) - _LISTED:,} more: --json has all")


def _line(text: str) -> Text:
    """Return a text on one line; the name of a file may hold several."""
    return plain(text.replace("\n", "\N{REPLACEMENT CHARACTER}"))


def _minute(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _size(size: int) -> str:
    """Return a number of bytes in words.

    Example:
        >>> _size(512), _size(12_345), _size(3_456_789)
        ('512 B', '12.3 kB', '3.46 MB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} B"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
