"""A check for environment variables that look like settings but are not read."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from pulse_assets.errors import ConfigurationError

_PREFIX: Final = "PULSE_"
#: The variable that names a file of settings.
CONFIG_VARIABLE: Final = "PULSE_CONFIG"
#: The variable that names the hosts by which browsers reach the UI, see `dagster.guard`.
UI_HOSTS_VARIABLE: Final = "PULSE_UI_HOSTS"
#: What the variables begin with that limit what the configuration of a run may name.
ALLOW: Final = "PULSE_ALLOW_"
#: Those limits, see `settings.limits`.
ALLOW_VARIABLES: Final = tuple(
    f"{ALLOW}{what}"
    for what in ("SCHEDULERS", "STORES", "SOURCES", "RULES", "ENDPOINTS", "PROFILES")
)
#: Variables that are read and set no field.
_OTHERS: Final = (CONFIG_VARIABLE, UI_HOSTS_VARIABLE, *ALLOW_VARIABLES)
#: What the variables mean that are no setting of a deployment, for the reference.
VARIABLES: Final = {
    CONFIG_VARIABLE: "file of settings of the deployment",
    UI_HOSTS_VARIABLE: "names of hosts by which browsers reach the UI, with commas between, such "
    "as pulse.example.com; this machine's own are always allowed",
    "S3_DATA_BUCKET": "bucket of the source, for the command line, where PULSE_SOURCE is not set",
    "S3_RESULTS_BUCKET": "bucket of the store, for the command line, where PULSE_STORE is not set",
    "LOG_LEVEL": "the setting log_level, for the command line",
    "LOG_DIR": "the setting log_dir, for the command line",
    "DAGSTER_HOME": "directory of Dagster's records; default: `.pulse` in the working directory",
}
#: How similar the names of an unread variable and of one that is read must be, 0..1.
_ALIKE: Final = 0.85


def check_unread(
    names: Iterable[str], variables: Collection[str], settings: Collection[str]
) -> None:
    """Check for a mistyped variable, and for one that names a setting without a variable.

    Other names may belong to other programs: PULSE_SERVER is a variable of a sound server.

    Args:
        names: names of all variables of the environment.
        variables: variables that are read.
        settings: names of all settings.

    Raises:
        ConfigurationError: a variable looks like a setting; the message says what to do instead.
    """
    for name in sorted(names):
        if not name.startswith(_PREFIX) or name in {*variables, *_OTHERS}:
            continue
        if near := get_close_matches(name, [*variables, *_OTHERS], 1, _ALIKE):
            raise ConfigurationError(f"the variable {name} is not read: did you mean {near[0]}?")
        if name.startswith(ALLOW):  # a limit that does not hold would look as if it did
            raise ConfigurationError(
                f"the variable {name} is not read: the limits are {', '.join(ALLOW_VARIABLES)}"
            )
        setting = name.removeprefix(_PREFIX).lower()
        if setting in settings:
            raise ConfigurationError(
                f"the variable {name} is not read: remove it, and give {setting} as an option, in "
                f"the file of --config or of {CONFIG_VARIABLE}, or in the configuration of the run"
            )
