"""Imported by each Python with this folder in its path: Dagster's daemon then looks often.

Before each step of a backfill it would wait for 30 seconds, which nothing of Dagster's can set.
"""

import sys

if any("dagster._daemon" in part or "dagster-daemon" in part for part in sys.orig_argv):
    from dagster._daemon import controller

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 2
