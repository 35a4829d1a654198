"""Names of variables: which are allowed, and the names that series of a table get."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from pulse_assets.errors import ConfigurationError
from pulse_assets.history.records import DefectError

#: Names that Windows keeps for devices, with any ending and in either case.
_DEVICES: Final = r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?"
#: What may stand for the variable in the name of a file. Programs take a word for an option if it
#: begins with a dash.
NAME: Final = re.compile(rf"(?!-|\.|.*\.\.|.*\.$|{_DEVICES}$)[A-Za-z0-9_.-]{{1,100}}")
#: Changed names that a note shows.
_SHOWN: Final = 5


def check_variable_name(name: str) -> None:
    """Refuse a name that could not be part of a file's name everywhere.

    Raises:
        ConfigurationError: it has other characters than A-Z a-z 0-9 _ . -, two dots in a row, a
            dash first, a dot first or last, or more than 100 characters, or Windows has it.
    """
    if fault := name_fault(name):
        raise ConfigurationError(f"variable {name!r} {fault}: rename it")
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"variable {name[:120]!r}: use 1 to 100 of the characters A-Z a-z 0-9 _ . -, without "
            "'..' or a dot first or last"
        )


def name_fault(name: str) -> str | None:
    """Return why a name would mean something else as a word of a command or a file; None if not.

    Example:
        >>> name_fault("--help")
        'begins with a dash, as an option does'
        >>> name_fault("con.sum"), name_fault("consumption")
        ('is the name of a device in Windows', None)
    """
    if name.startswith("-"):
        return "begins with a dash, as an option does"
    return "is the name of a device in Windows" if re.fullmatch(_DEVICES, name) else None


def plain_name(text: str) -> str:
    """Return the nearest name that a variable may have; empty if there is none.

    Example:
        >>> plain_name("S&P: indust"), plain_name("Zölle"), plain_name("a..b"), plain_name("NUL")
        ('S_P_indust', 'Zolle', 'a.b', '')
    """
    separate = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    ascii_only = separate.encode("ascii", "ignore").decode()
    named = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9.-]+", "_", ascii_only))
    plain = named.strip("_.-")[:100].rstrip(".")
    return "" if name_fault(plain) else plain


def variable_names(names: Iterable[str], what: str) -> dict[str, str]:
    """Return the variable of each series of a table: its own name, or the nearest allowed one.

    Args:
        names: names of the series, each once.
        what: what has these names, for messages: `series` or `column`.

    Raises:
        DefectError: a name has no allowed character, is an option or a device, or two series would
            have the same name.

    Example:
        >>> variable_names(["RPI", "S&P 500"], "column")
        {'RPI': 'RPI', 'S&P 500': 'S_P_500'}
    """
    variables, owners = {}, {}
    for name in names:
        if fault := name_fault(name):
            raise DefectError(
                f"{what} {name[:120]!r} cannot name a variable, it {fault}: rename it"
            )
        variable = name if NAME.fullmatch(name) else plain_name(name)
        if not variable:
            raise DefectError(
                f"{what} {name[:120]!r} cannot name a variable: rename it, with the characters "
                "A-Z a-z 0-9 _ . -"
            )
        if variable in owners:
            raise DefectError(
                f"{what} {owners[variable]!r} and {what} {name!r} both would be the variable "
                f"{variable}: rename one"
            )
        variables[name], owners[variable] = variable, name
    return variables


def describe_changes(variables: Mapping[str, str]) -> list[str]:
    """Return a note that names the series whose variable has another name; none if none has.

    Example:
        >>> describe_changes({"RPI": "RPI", "S&P 500": "S_P_500"})
        ["'S&P 500' is read as S_P_500"]
    """
    changed = [f"{name!r} is read as {new}" for name, new in variables.items() if name != new]
    more = f" and {len(changed) - _SHOWN} more names" if len(changed) > _SHOWN else ""
    return [", ".join(changed[:_SHOWN]) + more] if changed else []
