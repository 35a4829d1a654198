"""Which objects of a store belong to old configurations or were left half-written.

The fingerprint in a batch's object names the configuration that computed it. What is not certainly
ours and certainly unused is kept: objects without a fingerprint, results, source data, and whatever
has another name than `layout.py` gives.
"""

import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

from pulse_assets.batches.windows import Cadence
from pulse_assets.catalog import ASSETS, BATCH_TABLES, SHARED
from pulse_assets.errors import StoreError, StoreUnavailableError
from pulse_assets.storage.inventory import Listed, list_all, read_end
from pulse_assets.storage.layout import object_path
from pulse_assets.storage.s3 import CONCURRENCY
from pulse_assets.storage.store import ABANDONED_AFTER, TEMPORARY, Store
from pulse_assets.storage.tables import read_fingerprint, read_shared_name

Kind = Literal["batch", "shared", "aggregate", "source", "temporary", "check", "foreign"]

#: Why an object is removed.
Reason = Literal["old configuration", "rows of no batch", "half-written"]

_ASSETS: Final = "|".join(BATCH_TABLES)
_LENGTH: Final = rf"batch_(size_days=[1-9]\d*|cadence=({'|'.join(get_args(Cadence))}))"
_HIDDEN: Final = TEMPORARY.pattern
#: The names of our objects. A hidden file is one that is being written.
_NAMES: Final[Mapping[Kind, str]] = {
    "batch": rf"({_ASSETS})/{_LENGTH}/\d{{4}}-\d\d-\d\d\.parquet",
    "shared": rf"({'|'.join(SHARED)})/_shared/[0-9a-f]{{64}}\.parquet",
    "temporary": rf"({'|'.join(ASSETS)}|source_data)/(({_LENGTH}|_shared)/)?{_HIDDEN}"
    r"|worker_check-[0-9a-f]{32}\.txt",
    "source": r"source_data/.*",
    "check": r"worker_check\.txt",
}
_AGGREGATES: Final = {
    object_path(asset.name, suffix=asset.suffix) for asset in ASSETS.values() if not asset.by_batch
}
_LEDGER: Final = object_path("trust_ledger")
_RESULTS: Final = object_path("training_results", suffix="json")


class _Footer(NamedTuple):
    """What the footer of an object says: its configuration and its shared rows; empty: nothing."""

    configuration: str = ""
    shared: str = ""


@dataclass(frozen=True)
class Configuration:
    """The objects of one configuration in a store.

    Attributes:
        fingerprint: hash of the configuration.
        newest: when its newest object was written, in seconds since 1970.
        batches: batches with objects of it.
        objects: number of its objects.
        bytes: their size.
        published: whether the results in the store are of it.
        retained: whether its objects stay.
    """

    fingerprint: str
    newest: float
    batches: int
    objects: int
    bytes: int
    published: bool = False
    retained: bool = True


class Doomed(NamedTuple):
    """An object to remove, and why."""

    listed: Listed
    reason: Reason


@dataclass(frozen=True)
class CleaningPlan:
    """What a cleaning removes, and what it leaves.

    Attributes:
        configurations: those in the store, the newest first.
        doomed: what is removed, in order of path.
        recent: half-written files that a writer may still be writing.
        unreadable: objects with names of ours whose configuration cannot be read.
        foreign: objects that are not ours.
        newest: when the newest of our objects was written; 0 without any.
        results_known: whether the configuration of the stored results is known, or there are none.
            If it is not, all configurations are kept.
    """

    configurations: Sequence[Configuration]
    doomed: Sequence[Doomed]
    recent: Sequence[Listed]
    unreadable: Sequence[Listed]
    foreign: Sequence[Listed]
    newest: float
    results_known: bool = True


def plan_cleaning(store: Store, keep: int) -> CleaningPlan:
    """Return what a cleaning of a store would remove; nothing is changed.

    The configuration of the stored results is kept even if it is not among the newest.

    Args:
        store: the store.
        keep: number of configurations to keep, those with the newest objects.

    Raises:
        StoreUnavailableError: the store cannot be listed or read.
    """
    kinds: dict[Kind, list[Listed]] = {kind: [] for kind in (*_NAMES, "aggregate", "foreign")}
    for entry in list_all(store):
        kinds[_kind_of(entry)].append(entry)
    footers = _footers(store, kinds["batch"])
    published, results_known = _configuration_of_results(store, kinds["aggregate"])
    keep = keep if results_known else len(kinds["batch"])
    configurations = _configurations(kinds["batch"], footers, published, keep)
    retained = {each.fingerprint for each in configurations if each.retained}
    unreadable = [entry for entry in kinds["batch"] if not footers[entry.path].configuration]
    old = [
        entry
        for entry in kinds["batch"]
        if footers[entry.path].configuration not in {*retained, ""}
    ]
    unused = _unused(kinds["shared"], footers, retained)
    before = time.time() - ABANDONED_AFTER
    abandoned = [entry for entry in kinds["temporary"] if entry.modified < before]
    doomed: Iterable[Doomed] = chain(
        (Doomed(entry, "old configuration") for entry in old),
        (Doomed(entry, "rows of no batch") for entry in unused),
        (Doomed(entry, "half-written") for entry in abandoned),
    )
    ours = chain.from_iterable(kinds[kind] for kind in ("batch", "shared", "temporary"))
    return CleaningPlan(
        configurations,
        sorted(doomed),
        [entry for entry in kinds["temporary"] if entry.modified >= before],
        unreadable,
        kinds["foreign"],
        max((entry.modified for entry in ours), default=0.0),
        results_known,
    )


def _configuration_of_results(store: Store, aggregates: Sequence[Listed]) -> tuple[str, bool]:
    """Return the configuration of the stored results, empty without results; and if that is sure.

    The ledger names it. Results that are older than the ledger may be of another configuration: the
    step that writes them has failed since.
    """
    by_path = {entry.path: entry for entry in aggregates}
    ledger, results = by_path.get(_LEDGER), by_path.get(_RESULTS)
    if ledger is None:
        return "", not aggregates
    configuration = _footer(store, _LEDGER).configuration
    is_newer = results is None or results.modified >= ledger.modified
    return configuration, bool(configuration) and is_newer


def _kind_of(entry: Listed) -> Kind:
    """Return what an object is, by its name."""
    if not entry.version:  # a link, a pipe
        return "foreign"
    if entry.upload:
        return "temporary" if _is_own(entry.path) else "foreign"
    if entry.path in _AGGREGATES:
        return "aggregate"
    for kind in _NAMES:
        if _has_name(kind, entry.path):
            return kind
    return "foreign"


def _has_name(kind: Kind, path: str) -> bool:
    """Return whether an object of a kind may have this path; that of a batch holds a date.

    Example:
        >>> names = ("2020-01-01", "2020-02-30", "\u0662020-01-01")
        >>> [_has_name("batch", f"retrodictions/batch_size_days=30/{n}.parquet") for n in names]
        [True, False, False]
    """
    if not re.fullmatch(_NAMES[kind], path, re.ASCII):
        return False
    if kind != "batch":
        return True
    try:
        date.fromisoformat(Path(path).stem)
    except ValueError:
        return False
    return True


def _is_own(path: str) -> bool:
    """Return whether an upload is to an object of ours, or to the probe for the right to write."""
    kinds = _NAMES.keys() - {"temporary"}
    return path in _AGGREGATES | {".probe"} or any(_has_name(kind, path) for kind in kinds)


def _footers(store: Store, listed: Sequence[Listed]) -> dict[str, _Footer]:
    """Return what the footers of tables say, by path."""
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        results = threads.map(lambda entry: _footer(store, entry.path), listed)
        return dict(zip((entry.path for entry in listed), results, strict=True))


def _footer(store: Store, path: str) -> _Footer:
    """Return what the footer of a table says; nothing if it cannot be read."""
    for read in (read_end, lambda store, path: store.read(path)):
        try:
            data = read(store, path)
            made_of = read_fingerprint(data, name=path)
            return _Footer(made_of.get("configuration", ""), read_shared_name(data, name=path))
        except StoreUnavailableError:
            raise
        except StoreError:  # the footer is longer than the end that was read, or damaged
            continue
    return _Footer()


def _configurations(
    listed: Sequence[Listed], footers: Mapping[str, _Footer], published: str, keep: int
) -> list[Configuration]:
    """Return the configurations in a store, the newest first, and which are kept."""
    groups: dict[str, list[Listed]] = {}
    for entry in listed:
        if name := footers[entry.path].configuration:
            groups.setdefault(name, []).append(entry)
    listing = [
        Configuration(
            name,
            newest=max(entry.modified for entry in group),
            batches=len({entry.path.partition("/")[2] for entry in group}),
            objects=len(group),
            bytes=sum(entry.size for entry in group),
            published=name == published,
        )
        for name, group in groups.items()
    ]
    listing.sort(key=lambda each: (-each.newest, each.fingerprint))
    return [replace(c, retained=place < keep or c.published) for place, c in enumerate(listing)]


def _unused(
    shared: Sequence[Listed], footers: Mapping[str, _Footer], retained: Collection[str]
) -> list[Listed]:
    """Return the shared rows that no object which stays refers to.

    An object that cannot be read may refer to any: then all are kept.
    """
    asset = {path: path.partition("/")[0] for path in footers}
    unknown = {asset[path] for path, footer in footers.items() if not footer.configuration}
    used = {
        f"{asset[path]}/_shared/{footer.shared}.parquet"
        for path, footer in footers.items()
        if footer.shared and footer.configuration in retained
    }
    return [
        entry
        for entry in shared
        if entry.path not in used and entry.path.partition("/")[0] not in unknown
    ]


def by_folder(doomed: Sequence[Doomed]) -> dict[tuple[str, Reason], tuple[int, int]]:
    """Return number and bytes of the objects to remove, by folder and reason."""
    counts: Counter[tuple[str, Reason]] = Counter()
    sizes: Counter[tuple[str, Reason]] = Counter()
    for listed, reason in doomed:
        place = (listed.path.rpartition("/")[0] or ".", reason)
        counts[place] += 1
        sizes[place] += listed.size
    return {place: (counts[place], sizes[place]) for place in sorted(counts)}
