"""All definitions of the team: what lies in `defs`."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions that Dagster loads."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
