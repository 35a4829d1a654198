"""The trainings from whose results the pictures are drawn."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from pulse_assets import TrainingConfig, TrainingResults, train
from pulse_assets.history.samples import bundled_folder

#: The variables of the pictures: quarterly and monthly.
GDP: Final = "gdp_growth"
UNEMPLOYMENT: Final = "unemployment_rate"
#: From this day on another source has invented values.
CUT: Final = "2008-08-01"


@dataclass(frozen=True)
class Trainings:
    """Trainings that are computed when they are first used.

    Attributes:
        folder: an empty directory for their stores.
    """

    folder: Path

    @cached_property
    def us(self) -> TrainingResults:
        """Two bundled series of the United States, 1990 to 2022, by quarter."""
        return train(
            TrainingConfig(
                store=str(self.folder / "us"),
                variables=[GDP, UNEMPLOYMENT],
                start_date=date(1990, 1, 1),
                end_date=date(2022, 9, 30),
                batch_cadence="quarterly",
                max_partners=0,
                max_workers=1,
            )
        )

    @cached_property
    def changed(self) -> TrainingResults:
        """The same series with invented values from `CUT` on, 2007 to 2009."""
        settings = self.us.data["configuration"]
        same = {name: settings[name] for name in ("publication_lag_days", "bounds", "max_partners")}
        config = TrainingConfig(
            store=str(self.folder / "changed"),
            variables=[GDP, UNEMPLOYMENT],
            start_date=date(2007, 1, 1),
            end_date=date(2009, 12, 31),
            batch_cadence="quarterly",
            max_workers=1,
            **same,
        )
        return train(config, data=pd.concat([invented(GDP), invented(UNEMPLOYMENT)]))


def series(name: str) -> pd.DataFrame:
    """Return a bundled series of the United States: `ds` and `y`."""
    file = Path(str(bundled_folder("sample"))) / f"historical_{name}.csv"
    rows = pd.read_csv(file, parse_dates=["timestamp"])
    return rows.set_axis(["ds", "y"], axis=1).assign(unique_id=name)


def invented(name: str) -> pd.DataFrame:
    """Return a bundled series with values that go up and down between 2 and 12 from `CUT` on."""
    rows = series(name)
    waves = 7.0 + 5.0 * np.sin(np.arange(len(rows)) * 1.3)
    return rows.assign(y=rows["y"].where(rows["ds"] < CUT, waves))


def releases_of(day: str) -> pd.DataFrame:
    """Return the releases of a quarter of UK GDP growth: `published_at` and `y`."""
    rows = pd.read_csv(Path(str(bundled_folder("sample-uk"))) / "panel.csv")
    return rows[(rows["unique_id"] == GDP) & (rows["ds"] == day)]
