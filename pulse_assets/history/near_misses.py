"""Files that look meant as observations but are not read, with the name that each must have."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final

from pulse_assets.history.readers import SUFFIXES

#: What the name of every file of observations begins with.
PREFIX: Final = "historical_"

_COMPRESSED: Final = (
    *("gz", "bz2", "xz", "zst", "zip", "lz4", "br", "7z", "snappy", "tgz", "z"),
    *("gzip", "bzip2", "zstd", "rar"),
)
#: Endings of the same formats by other names.
_ALIASES: Final = {
    "jsonl": "json",
    "ndjson": "json",
    "pq": "parquet",
    "parq": "parquet",
    "parquets": "parquet",
}
#: Endings before that of a compressed file.
_INNER: Final = (*SUFFIXES, *_ALIASES, "txt", "tsv", "tar", "dat")
#: Endings of files that some program is about to write or has left behind.
_TEMPORARY: Final = ("tmp", "temp", "swp", "part", "partial", "crdownload", "lock", "bak")
#: How alike the first word of a name and `historical` must be, 0..1.
_ALIKE: Final = 0.75


def unread_files(
    names: Iterable[str], read: Mapping[str, str], suffixes: Collection[str]
) -> dict[str, str]:
    """Return why each file that looks meant as observations is not read, and how to fix it.

    Args:
        names: names of all files and folders in a source; folders end in a slash.
        read: the variable of each file that is read, by its name.
        suffixes: endings that are read, without the dot.

    Example:
        >>> unread_files(["historical_cpi.csv.gz"], {}, ["csv"])
        {'historical_cpi.csv.gz': 'it is compressed: unpack it as historical_cpi.csv'}
    """
    others = [name for name in names if name not in read and is_meant(name)]
    return {name: _explain(name, set(read), suffixes) for name in others}


def is_meant(name: str) -> bool:
    """Tell whether a file or folder looks meant as observations by the first word of its name.

    Example:
        >>> [is_meant(name) for name in (" Historical gdp.csv", "histroical_gdp.csv", "notes.csv")]
        [True, True, False]
    """
    if name.startswith((".", "~", "_")) or name.endswith("~") or _ending(name) in _TEMPORARY:
        return False
    folded = _folded(name)
    word = re.split(r"[^a-z]", folded, maxsplit=1)[0]
    like = SequenceMatcher(None, word, PREFIX[:-1]).ratio() >= _ALIKE
    return folded.startswith(PREFIX[:-1]) or like or word in ("hist", "history")


def variable_of(name: str) -> str:
    """Return the variable that a file or folder seems to be meant for; empty if there is none.

    Example:
        >>> variable_of("Historical Retail sales.CSV.gz"), variable_of("cpi.csv")
        ('Retail_sales', 'cpi')
    """
    stem = _without_ending(name)
    if _ending(name) in _COMPRESSED and _ending(stem) in _INNER:
        stem = _without_ending(stem)
    if is_meant(name):
        stem = re.sub(r"^[A-Za-z]+", "", stem.strip())
    plain = unicodedata.normalize("NFKD", stem.replace("ß", "ss"))
    ascii_only = plain.encode("ascii", "ignore").decode()
    named = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9.-]+", "_", ascii_only))
    return named.strip("_.-")[:100]


def _explain(name: str, read: Collection[str], suffixes: Collection[str]) -> str:
    variable, ending = variable_of(name), _ending(name)
    if not variable:
        return f"it names no variable: rename it {PREFIX}<variable>.csv"
    suffix = ending if ending in suffixes else "csv"
    if name.endswith("/"):
        suffix = ending if ending in suffixes else "parquet"
        return f"it is a folder: write its parts as one file {PREFIX}{variable}.{suffix}"
    inner = _ending(name.rstrip().rpartition(".")[0])
    if ending in _COMPRESSED:
        inner = inner if inner in suffixes else "csv"
        return f"it is compressed: unpack it as {PREFIX}{variable}.{inner}"
    target = f"{PREFIX}{variable}.{_ALIASES.get(ending, suffix)}"
    if target == name:
        return "it is no plain file, perhaps a broken link: replace it by the file itself"
    if target in read:
        return f"{target} is read instead: remove or rename one of them"
    if ending not in suffixes and ending not in _ALIASES:
        reason = f"its ending .{ending} is not read" if ending else "its name has no ending"
        return f"{reason}: save it as CSV with commas, named {target}"
    return f"{_wrong(name, target)}: rename it {target}"


def _wrong(name: str, target: str) -> str:
    """Say what is wrong with a name whose right form is `target`."""
    if name.lower() == target.lower():
        return "its beginning and ending must be in lower case"
    if name.strip() != name or any(letter.isspace() for letter in name):
        return "its name has a blank"
    if _ending(name) in _ALIASES:
        return f"its ending .{_ending(name)} is not read"
    if not _folded(name).startswith(PREFIX):
        return f"its name does not begin with {PREFIX}"
    return "its name has other characters than A-Z a-z 0-9 _ . -"


def _ending(name: str) -> str:
    """Return what follows the last dot, in lower case; empty if there is no dot."""
    stem, _, ending = name.strip().rstrip("/").rpartition(".")
    return ending.strip().casefold() if stem else ""


def _without_ending(name: str) -> str:
    name = name.strip().rstrip("/")
    return name.rpartition(".")[0] if _ending(name) else name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()
