"""The commands of `pulse-train` as data: what each does, when it succeeds, and its options."""

from dataclasses import dataclass
from typing import Final

from pulse_assets.settings import TrainingConfig
from pulse_assets.settings.setting import COMPUTE, EVALUATE, PREDICT, groups

#: Options by group of the help text; each is a field of `TrainingConfig`, which checks its value.
GROUPS: Final = groups(TrainingConfig)
#: What `export --format` takes; `pulse_assets.exports.files` writes it.
FORMATS: Final = ("nixtla", "hubverse", "fev", "csv", "parquet")
#: Options that only a training uses.
_TRAINING_ONLY: Final = frozenset({"resume", "output_file", "s3_output_file", *GROUPS[COMPUTE]})


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        help: what it does, in one line.
        succeeds: what must hold for the exit code 0, after the word "if".
        examples: command lines without the name of the program.
        unused: options that it does not use; it accepts them and does not list them.
        prints_json: whether it has the option `--json`.
    """

    help: str
    succeeds: str
    examples: tuple[str, ...]
    unused: frozenset[str] = frozenset()
    prints_json: bool = True

    @property
    def description(self) -> str:
        """What it does and when it succeeds, in two lines."""
        return f"{self.help[0].upper()}{self.help[1:]}.\nExit code 0 if {self.succeeds}; else 1."


COMMANDS: Final = {
    "train": Command(
        "retrodict the batches, score them and aggregate the results (the default)",
        "the run ended with results and every check of severity ERROR passed",
        ("train --variables gdp_growth --batch-limit 12", "train --config settings.yaml --resume"),
    ),
    "check": Command(
        "show what the source holds, series by series, and what a training would skip",
        "every series, and every forecast of others, can be used",
        ("check --source my_data",),
        _TRAINING_ONLY | (frozenset(GROUPS[EVALUATE])) | {"models", "store"},
    ),
    "status": Command(
        "show the state of each batch, and why",
        "each batch is done or waits for outcomes",
        ("status --json",),
        _TRAINING_ONLY | {"on_rule_error", "trust_discount", "max_failed_batches", "periods"},
    ),
    "forecast": Command(
        "forecast every variable from its last observation, with the stored weights and trust",
        "every variable has a forecast and no rule failed",
        ("forecast", "forecast --as-of 2008-09-15"),
        _TRAINING_ONLY | {"on_rule_error", "trust_discount", "max_failed_batches", "periods"},
    ),
    "export": Command(
        "write the results for other tools: Nixtla, hubverse, fev, CSV or Parquet",
        "all files are written",
        ("export --format nixtla --to for_nixtla --models ensemble naive",),
        _TRAINING_ONLY
        | (
            frozenset(GROUPS[EVALUATE])
            | frozenset(GROUPS[PREDICT])
            | {"source", "max_source_bytes"}
        )
        - {"variables", "models", "horizons"},
    ),
    "compare": Command(
        "compare the scores of two trainings: STORE_A STORE_B, directories or s3://bucket/prefix",
        "the trainings could be compared, whichever is better",
        ("compare store_a store_b", "compare store_a store_b --model ar_diff_3"),
        _TRAINING_ONLY
        | frozenset(GROUPS[EVALUATE])
        | frozenset(GROUPS[PREDICT])
        | {"source", "store", "max_source_bytes"},
    ),
    "clean": Command(
        "list what old configurations and killed runs left in the store, and remove it with "
        "--delete",
        "nothing is left that was to be removed",
        ("clean --keep 1", "clean --keep 1 --delete"),
        _TRAINING_ONLY
        | frozenset(GROUPS[EVALUATE])
        | frozenset(GROUPS[PREDICT])
        | {"source", "max_source_bytes"},
    ),
    "report": Command(
        "open the report of the last training, or rebuild it with --rebuild",
        "there is a report and, with --rebuild, every check of severity ERROR passed",
        ("report", "report --serve 8000"),
        _TRAINING_ONLY,
        prints_json=False,
    ),
}
