"""Errors that many users meet: their messages are made by the program when the page is built."""

import contextlib
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pulse_assets.cli.configuration import create_config_from_args
from pulse_assets.cli.parser import parse_args
from pulse_assets.errors import PulseError
from pulse_assets.preflight import check_ready
from pulse_assets.stored_results import open_store

#: The years 2000 to 2019 of a monthly series.
_MONTHS: Final = [f"{year}-{month:02}-01" for year in range(2000, 2020) for month in range(1, 13)]
_GDP: Final = "timestamp,value\n" + "".join(f"{d},{i % 7 + 1}\n" for i, d in enumerate(_MONTHS))
_FILE: Final = "my_data/historical_gdp.csv"


class ErrorExample(NamedTuple):
    """An error and what to do about it.

    Attributes:
        words: of the command line, without the name of the program.
        cause: why the error comes.
        fix: what to do.
        files: content by path, below the working directory.
        environment: variables by name.
    """

    words: str
    cause: str
    fix: str
    files: Mapping[str, str] = {}
    environment: Mapping[str, str] = {}

    def message(self) -> str:
        """Return what the program prints after `error: ` for this command line."""
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            place = os.path.realpath(folder)
            for path, content in self.files.items():
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_text(content, encoding="utf-8")
            return self._printed().replace(f"{place}/", "").replace(place, ".")

    def _printed(self) -> str:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stderr(printed):
                args = parse_args(self.words.split())
            config = create_config_from_args(args, self.environment)
            if args.command == "compare":
                open_store(args.stores[0])
            check_ready(config.settings(), config.options())
        except PulseError as error:
            return str(error)
        except SystemExit:
            return " ".join(printed.getvalue().removeprefix("error: ").split())
        return ""


def _with(rows: str) -> str:
    """Return the file of a series with further rows."""
    return _GDP + rows


EXAMPLES: Final = {
    "Command line": (
        ErrorExample(
            "--horizon 3",
            "There is no such option.",
            "Use the option that the message names; `pulse-train COMMAND --help` lists all.",
        ),
        ErrorExample(
            "staus",
            "There is no such command.",
            "Use the command that the message names.",
        ),
        ErrorExample(
            "--start-date 2020-01-01 --start-date 2021-01-01",
            "An option that takes one value is given two.",
            "Keep one of them.",
        ),
    ),
    "Settings": (
        ErrorExample(
            "--horizons 0 1",
            "The value of a setting cannot be used.",
            "Give a value as the message says; [settings](settings.md) has types and bounds.",
        ),
        ErrorExample(
            "--start-date 2021-01-01 --end-date 2020-01-01",
            "The range of dates is empty.",
            "Swap the dates or correct one.",
        ),
        ErrorExample(
            "--config settings.yaml",
            "The file of settings names a setting that does not exist.",
            "Correct the name.",
            {"settings.yaml": "horizon: [1, 3]\n"},
        ),
        ErrorExample(
            "status",
            "A variable of the environment looks like a setting, but is not read.",
            "Correct its name, or remove it.",
            {},
            {"PULSE_SOURCES": "my_data"},
        ),
        ErrorExample(
            "--batch-cadence yearly --start-date 2020-02-01 --end-date 2020-12-31",
            "No window lies entirely between the dates.",
            "Choose an earlier start, a later end, or shorter windows.",
        ),
        ErrorExample(
            "--dask-scheduler-address tcp://host:8786",
            "An address alone does not join a cluster.",
            "Add `--use-dask`.",
        ),
    ),
    "Source": (
        ErrorExample(
            "--source my_dta",
            "The folder does not exist, or holds no file of a series.",
            "Correct the path.",
        ),
        ErrorExample(
            "--source my_data --variables gpd",
            "The source has no series of this name.",
            "Use a name that the message lists.",
            {_FILE: _GDP},
        ),
        ErrorExample(
            "--source my_data",
            "A cell holds no number.",
            "Correct the cell. Leave it empty if the value is unknown.",
            {_FILE: _with("2020-01-01,n/k\n")},
        ),
        ErrorExample(
            "--source my_data",
            "Two rows have the same date.",
            "Keep one. If the second is a revision, give both a `published_at`.",
            {_FILE: _with("2019-12-01,4\n")},
        ),
        ErrorExample(
            "--source my_data",
            "A column that is needed is absent.",
            "Add or rename the column.",
            {_FILE: _GDP.replace("value", "amount", 1)},
        ),
        ErrorExample(
            "--source my_data",
            "A date is not written as year, month, day.",
            "Write dates like 2020-01-31.",
            {_FILE: _with("31/12/2020,4\n")},
        ),
        ErrorExample(
            "--source my_data",
            "A date lies in the future, most often a typing error.",
            "Correct the date.",
            {_FILE: _with("2202-01-01,4\n")},
        ),
        ErrorExample(
            "--source my_data",
            "The series is too short to predict anything.",
            "Add rows.",
            {_FILE: "\n".join(_GDP.splitlines()[:6])},
        ),
        ErrorExample(
            "--source my_data --frequencies gdp=monthy",
            "The word is no frequency.",
            "Use one of the words, or an offset of pandas.",
            {_FILE: _GDP},
        ),
    ),
    "Rules": (
        ErrorExample(
            "--models naive seasonal_naiv",
            "There is no rule of this name.",
            "Use the rule that the message names; [rules](rules.md) lists all.",
        ),
        ErrorExample(
            "--models naive my_rules:LastTwo",
            "The module of a rule of yours is not found.",
            "Name its folder with `--rules-path`, or install it.",
        ),
    ),
    "Store": (
        ErrorExample(
            "compare my_store other_store",
            "No training has ended in this store.",
            "Correct the address, or train first.",
        ),
        ErrorExample(
            "--store my_results.txt",
            "The store cannot be written: here a file has its name.",
            "Name another directory, or correct the permissions.",
            {"my_results.txt": ""},
        ),
    ),
}
