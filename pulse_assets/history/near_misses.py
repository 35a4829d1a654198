"""Files that look meant for a source but are not read, with the name that each must have."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher
from typing import Final

from pulse_assets.history.names import name_fault, plain_name
from pulse_assets.history.readers import SUFFIXES, TABLE_SUFFIXES
from pulse_assets.history.source_files import FORECASTS, PREFIX, TABLES

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
#: Other endings of tables, which are not read.
_OTHER_TABLES: Final = ("xlsx", "xls", "ods", "tsv", "feather", "arrow", "rds", "dta")
#: Endings before that of a compressed file.
_INNER: Final = (*SUFFIXES, *_ALIASES, "txt", "tsv", "tar", "dat")
#: Endings of files that some program is about to write or has left behind.
_TEMPORARY: Final = ("tmp", "temp", "swp", "part", "partial", "crdownload", "lock", "bak")
#: How alike the first word of a name and `historical` must be, 0..1; likewise `forecasts`, which is
#: nearer to other words.
_ALIKE, _ALIKE_FORECASTS = 0.75, 0.87


def unread_files(
    names: Iterable[str], read: Collection[str], suffixes: Collection[str]
) -> dict[str, str]:
    """Return why each file that looks meant as observations is not read, and how to fix it.

    Args:
        names: names of all files and folders in a source; folders end in a slash.
        read: names of the files and folders that are read.
        suffixes: endings that are read, without the dot.

    Example:
        >>> unread_files(["historical_cpi.csv.gz"], [], ["csv"])
        {'historical_cpi.csv.gz': 'it is compressed: unpack it as historical_cpi.csv'}
    """
    others = [name for name in names if name not in set(read) and is_meant(name)]
    return {name: _reason(name, set(read), suffixes) for name in others}


def unread_parts(folder: str, others: Iterable[str]) -> dict[str, str]:
    """Return why each table in a folder of Parquet files is not read, and how to fix it.

    Args:
        folder: path of the folder, with a slash at its end.
        others: paths below it of the files that are not read.

    Example:
        >>> unread_parts("panel/", ["2020.csv", "README.md"])
        {'panel/2020.csv': 'of a folder .parquet files alone are read: write it as Parquet'}
    """
    reason = "of a folder .parquet files alone are read: write it as Parquet"
    return {f"{folder}{name}": reason for name in others if _has_rows(name)}


def _reason(name: str, read: Collection[str], suffixes: Collection[str]) -> str:
    if _is_forecasts(name):
        return _explain_forecasts(name, read)
    return _explain_table(name) if _is_table(name) else _explain(name, read, suffixes)


def is_meant(name: str) -> bool:
    """Tell whether a file or folder looks meant for a source by the first word of its name.

    Example:
        >>> [is_meant(name) for name in (" Historical gdp.csv", "histroical_gdp.csv", "notes.csv")]
        [True, True, False]
    """
    if name.startswith((".", "~", "_")) or name.endswith("~") or _ending(name) in _TEMPORARY:
        return False
    word = _first_word(name)
    like = SequenceMatcher(None, word, PREFIX[:-1]).ratio() >= _ALIKE
    is_series = _folded(name).startswith(PREFIX[:-1]) or like or word in ("hist", "history")
    return is_series or _is_table(name) or _is_forecasts(name)


def variable_of(name: str) -> str:
    """Return the variable that a file or folder seems to be meant for; empty if there is none.

    Example:
        >>> variable_of("Historical Retail sales.CSV.gz"), variable_of("cpi.csv")
        ('Retail_sales', 'cpi')
    """
    stem = _without_ending(name)
    if _ending(name) in _COMPRESSED and _ending(stem) in _INNER:
        stem = _without_ending(stem)
    if is_meant(name) and not _is_forecasts(name):
        stem = re.sub(r"^[A-Za-z]+", "", stem.strip())
    return plain_name(stem)


def _first_word(name: str) -> str:
    return re.split(r"[^a-z]", _folded(name), maxsplit=1)[0]


def _has_rows(name: str) -> bool:
    """Tell whether a file or folder may hold a table, by its ending."""
    kinds = (*SUFFIXES, *_ALIASES, *_COMPRESSED, *_OTHER_TABLES)
    return name.endswith("/") or _ending(name) in kinds


def _is_table(name: str) -> bool:
    """Tell whether a file or folder looks meant as a table of many series."""
    return _folded(name).startswith(tuple(TABLES)) and _has_rows(name)


def _is_forecasts(name: str) -> bool:
    """Tell whether a file or folder looks meant as somebody else's forecasts."""
    word = _first_word(name)
    like = SequenceMatcher(None, word, FORECASTS[:-1]).ratio()
    is_folder_of_them = _folded(name) == f"{word}/"  # somebody's folder of all kinds of forecasts
    return like >= _ALIKE_FORECASTS and _has_rows(name) and not is_folder_of_them


def _explain_forecasts(name: str, read: Collection[str]) -> str:
    """Say why a file of forecasts is not read, and how to fix it."""
    stem, ending = _without_ending(name), _ending(name)
    if ending in _COMPRESSED and _ending(stem) in _INNER:
        stem, ending = _without_ending(stem), f"{_ending(stem)}.{ending}"
    model = plain_name(re.sub(r"^[A-Za-z]+", "", stem.strip()))
    if not model:
        return f"it names no model: rename it {FORECASTS}<model>.csv"
    suffix = _ALIASES.get(ending.partition(".")[0], ending.partition(".")[0])
    target = f"{FORECASTS}{model}.{suffix if suffix in TABLE_SUFFIXES else 'csv'}"
    if name.endswith("/"):
        return f"it is a folder: write its parts as one file {target}"
    if ending.rpartition(".")[2] in _COMPRESSED:
        return f"it is compressed: unpack it as {target}"
    if target == name:
        return "it is no plain file, perhaps a broken link: replace it by the file itself"
    if target in read:
        return f"{target} is read instead: remove or rename one of them"
    if suffix not in TABLE_SUFFIXES:
        return f"its ending .{ending} is not read: save it as CSV with commas, named {target}"
    return f"forecasts are read from {FORECASTS}<model>.csv or .parquet: rename it {target}"


def _explain_table(name: str) -> str:
    """Say why a table is not read, and how to fix it."""
    stem, ending = _without_ending(name).strip(), _ending(name)
    if name.endswith("/"):
        return "it is a folder without .parquet files: write the table as one file, or as Parquet"
    if ending in _COMPRESSED:
        inner = stem if _ending(stem) in TABLE_SUFFIXES else f"{stem}.csv"
        return f"it is compressed: unpack it as {inner}"
    right = stem[: len(stem) - len(stem.lstrip())] + stem[:5].lower() + stem[5:]
    if _ALIASES.get(ending, ending) in TABLE_SUFFIXES:
        target = f"{right}.{_ALIASES.get(ending, ending)}"
        if target == name:
            return "it is no plain file, perhaps a broken link: replace it by the file itself"
        return f"its name must be in lower case and end in .csv or .parquet: rename it {target}"
    return f"its ending .{ending} is not read: save it as {right}.csv or {right}.parquet"


def _explain(name: str, read: Collection[str], suffixes: Collection[str]) -> str:
    variable, ending = variable_of(name), _ending(name)
    if fault := name_fault(_without_ending(name).removeprefix(PREFIX)):
        return f"its variable {fault}: rename it {PREFIX}<another name>.{ending or 'csv'}"
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
