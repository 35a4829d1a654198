"""The series that this process has read: every variable of a source, one version of each file."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from pulse_assets.history.series import Series
from pulse_assets.storage.store import Store

#: Sources held at once. A run has one; a worker or a code location may serve several runs.
_SOURCES: Final = 8


@dataclass
class _Held:
    """One file: its lock lets concurrent threads read it once; both others are None until then."""

    lock: Lock = field(default_factory=Lock)
    version: str | None = None
    series: Series | None = None


class SeriesCache:
    """Return a series from memory unless its file has another version by now; thread-safe.

    A batch needs every series of its source at once, so the number of series is not limited: a
    limit below that number would discard each series just before it is needed again. Of each file
    only the version read last is held. Of the sources only the `_SOURCES` used last are held, and
    a source is discarded as a whole.
    """

    def __init__(self, read: Callable[[Store, str, str, int], Series]) -> None:
        """Take the function that reads a file: store, path, variable and largest size to series."""
        self._read = read
        self._lock = Lock()
        self._sources: OrderedDict[Store, dict[tuple[str, str, int], _Held]] = OrderedDict()

    def __call__(
        self, store: Store, path: str, version: str, variable: str, max_bytes: int
    ) -> Series:
        """Return the series in a file of this version; an error of `read` is not remembered."""
        held = self._find(store, (path, variable, max_bytes))
        with held.lock:
            if held.series is not None and held.version == version:
                return held.series
            held.series = None  # the older version need not stay in memory beside the newer
            held.series = self._read(store, path, variable, max_bytes)
            held.version = version
            return held.series

    def _find(self, store: Store, key: tuple[str, str, int]) -> _Held:
        with self._lock:
            files = self._sources.setdefault(store, {})
            self._sources.move_to_end(store)
            if len(self._sources) > _SOURCES:
                self._sources.popitem(last=False)
            return files.setdefault(key, _Held())
