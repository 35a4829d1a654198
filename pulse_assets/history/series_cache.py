"""The files of sources that this process has read, one version of each."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Generic, TypeVar

from pulse_assets.history.source_files import SourceFile
from pulse_assets.storage.store import Store

#: What is read from a file.
Content = TypeVar("Content")

#: Sources held at once. A run has one; a worker or a code location may serve several runs.
_SOURCES: Final = 8


@dataclass
class _Held(Generic[Content]):
    """One file: its lock lets concurrent threads read it once; both others are None until then."""

    lock: Lock = field(default_factory=Lock)
    version: str | None = None
    content: Content | None = None


class SeriesCache(Generic[Content]):
    """Return the content of a file from memory unless it has another version now; thread-safe.

    A batch needs every series of its source at once, so the number of files is not limited: a
    limit below that number would discard each file just before it is needed again. Of each file
    only the version read last is held. Of the sources only the `_SOURCES` used last are held, and
    a source is discarded as a whole.
    """

    def __init__(self, read: Callable[[Store, SourceFile, int | None], Content]) -> None:
        """Take the function that reads a file, given the store and the largest size."""
        self._read = read
        self._lock = Lock()
        self._sources: OrderedDict[Store, dict[tuple[str, str, int | None], _Held[Content]]] = (
            OrderedDict()
        )

    def __call__(self, store: Store, file: SourceFile, max_bytes: int | None) -> Content:
        """Return the content of a file in this version; an error of `read` is not remembered."""
        held = self._find(store, (file.path, file.kind, max_bytes))
        with held.lock:
            if held.content is not None and held.version == file.version:
                return held.content
            held.content = None  # the older version need not stay in memory beside the newer
            held.content = self._read(store, file, max_bytes)
            held.version = file.version
            return held.content

    def _find(self, store: Store, key: tuple[str, str, int | None]) -> _Held[Content]:
        with self._lock:
            files = self._sources.setdefault(store, {})
            self._sources.move_to_end(store)
            if len(self._sources) > _SOURCES:
                self._sources.popitem(last=False)
            return files.setdefault(key, _Held())
