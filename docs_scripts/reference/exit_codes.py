"""The page on exit codes, from the table of commands."""

from docs_scripts.reference.markdown import code, heading, link, page_of, prose, table
from pulse_assets.cli.command_table import COMMANDS


def page() -> str:
    """Return the page."""
    rows = (
        (link(code(name), f"command_line.md#{name}"), prose(command.succeeds))
        for name, command in COMMANDS.items()
    )
    return page_of(
        "Exit codes",
        "Look up when a command of `pulse-train` succeeds. The table of commands writes this page "
        "at each build.",
        "A command ends with 0 or 1. Before a 1, stderr has one line per problem that begins with "
        "`error:`; [errors](errors.md) lists them.",
        heading(2, "Exit code 0"),
        table(("command", "0 if"), rows),
        "`--help` and `--version` end with 0, too.",
        heading(2, "Exit code 1"),
        table(
            ("reason", "what is stored"),
            [
                (
                    "the command line cannot be understood, or a setting cannot be used",
                    "nothing was computed",
                ),
                ("the source or the store cannot be used", "the batches that were finished"),
                (
                    "a [check](checks.md) of severity ERROR failed, or a batch or rule failed",
                    "all that could be computed, results and report included",
                ),
                (
                    "interrupted by Ctrl-C or SIGTERM",
                    "the batches that were finished; `--resume` computes the others",
                ),
                (
                    "a defect of this package: a traceback instead of an `error:` line",
                    "the batches that were finished",
                ),
            ],
        ),
        "A process that is killed (SIGKILL, as for lack of memory) ends with the code that its "
        "shell gives it, most often 137. Run again with `--resume`.",
    )
