"""Addresses of stores: what is wrong with one, and which one may have been meant."""

import re
from pathlib import Path
from typing import Final

#: Forms of `s3://` that are mistyped, rewritten as a path or written for Hadoop.
_MEANT_S3: Final = re.compile(r"(?i)s3[an]?(:[/\\]*|[/\\]{2,})|arn:[^:]*:s3:[^:]*:[^:]*:")
_MEANT_FILE: Final = re.compile(r"(?i)file:(//localhost(?=/)|//(?=/))?")
#: A scheme; a directory may have a colon elsewhere, as in `/data/a:b`, `a:b` or `./s3:`.
_SCHEME: Final = re.compile(r"(?i)[a-z][a-z0-9+.-]*:[/\\]|(gs|gcs|abfss?|azure|hdfs|ftp|https?):")

_NO_ADDRESS: Final = "is no directory and no s3:// address"
_FORMS: Final = "give a directory or s3://bucket/prefix"


def address_fault(address: str) -> str | None:
    """Return why `address` is neither a directory nor s3://bucket/prefix; None if it is one.

    The text continues a sentence that starts with the address, and says what may have been meant.

    Example:
        >>> address_fault("s3:/my-bucket/pulse")
        'is no directory and no s3:// address: did you mean s3://my-bucket/pulse?'
        >>> address_fault("s3://my-bucket/pulse"), address_fault("/data/a:b")
        (None, None)
    """
    plain = address.strip()
    if not plain:
        return f"is empty: {_FORMS}"
    if match := _MEANT_S3.match(plain):
        return _s3_fault(address, plain[match.end() :])
    if match := _MEANT_FILE.match(plain):
        return f"is a URL of a file: did you mean {plain[match.end() :] or '/'}?"
    if _SCHEME.match(plain):
        return f"has a scheme that is not read or written: {_FORMS}"
    if plain != address:
        return f"has blanks around it: did you mean {plain}?"
    return _home_fault(plain)


def _home_fault(directory: str) -> str | None:
    """Say why the directory of a user, as in `~ann/data`, is not known."""
    try:
        Path(directory).expanduser()
    except RuntimeError:
        user = directory.partition("/")[0]
        return f"begins with {user}, but that user has no known home: write the whole path"
    return None


def _s3_fault(address: str, rest: str) -> str | None:
    """Compare an address that means S3 with its canonical form; a slash may end it."""
    parts = [part for part in re.split(r"[/\\]", rest) if part not in ("", ".")]
    if not parts:
        return f"names no bucket: {_FORMS}"
    if ".." in parts:
        return f"has '..' in it, which S3 takes as a name: {_FORMS}"
    meant = f"s3://{'/'.join(parts)}"
    if address.removesuffix("/") == meant:
        return None
    wrong = "has empty parts, blanks or dots" if address.startswith("s3://") else _NO_ADDRESS
    return f"{wrong}: did you mean {meant}?"
