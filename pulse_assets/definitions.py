"""The definitions that Dagster loads: `dagster dev` and `workspace.yaml` name this module."""

from pulse_assets.dagster.definitions import build_definitions, defs

__all__ = ["build_definitions", "defs"]
