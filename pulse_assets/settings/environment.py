"""Variables of the environment that look like settings but are not read."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from pulse_assets.errors import ConfigurationError

_PREFIX: Final = "PULSE_"
#: How alike the names of an unread and a known variable must be, 0..1.
_ALIKE: Final = 0.85


def check_unread(names: Iterable[str], known: Collection[str], settings: Collection[str]) -> None:
    """Refuse a variable that is mistyped, or that names a setting which is not read from there.

    Others may belong to another program: PULSE_SERVER is of a sound server.

    Args:
        names: of all variables of the environment.
        known: variables that are read.
        settings: names of all settings.

    Raises:
        ConfigurationError: a variable is refused; the message says what to do instead.
    """
    for name in sorted(names):
        if not name.startswith(_PREFIX) or name in known:
            continue
        if near := get_close_matches(name, known, 1, _ALIKE):
            raise ConfigurationError(f"the variable {name} is not read: did you mean {near[0]}?")
        setting = name.removeprefix(_PREFIX).lower()
        if setting in settings:
            raise ConfigurationError(
                f"the variable {name} is not read: remove it, and give {setting} as an option, in "
                "the file of --config or in the configuration of the run"
            )
