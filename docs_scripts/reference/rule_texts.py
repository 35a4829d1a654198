"""What the rules forecast that are made of several steps; a test keeps the table complete."""

from typing import Final

_SEASON: Final = "of the series divided by its seasonal indices, with the season put back"
_CHANGES: Final = "Autoregression on the last {} changes"

#: One sentence per rule whose steps say it less well.
TEXTS: Final = {
    "ses_adjusted": f"The smoothed level {_SEASON}.",
    "damped_holt_adjusted": f"Level and damped trend {_SEASON}.",
    "theta_adjusted": f"The theta forecast {_SEASON}.",
    "ces": "Complex exponential smoothing of the seasonally adjusted series; of the series itself "
    "where no season is found.",
    "dynamic_theta": "The dynamic optimised theta model of the seasonally adjusted series; of the "
    "series itself where no season is found.",
    "ar_diff_3": f"{_CHANGES.format(3)}.",
    "ar_level_1": "Autoregression on the last change and on the level, so that the series can "
    "return to a mean.",
    "ar_drift_3": f"{_CHANGES.format(3)}, less their recent drift.",
    "ar_log_12": f"{_CHANGES.format(12)} of the logarithm; only for series of one sign.",
    "ar_seasonal_12": "Autoregression of the differences from one season ago, on 12 changes and on "
    "their level.",
    "ar_adjusted_12": f"{_CHANGES.format(12)}, less the usual change at the same place in the "
    "season.",
    "ar_adjusted_drift_3": f"{_CHANGES.format(3)}, less the usual change at the same place in the "
    "season and less the recent drift.",
    "ar_log_adjusted_12": f"{_CHANGES.format(12)} of the logarithm, less the usual change at the "
    "same place in the season; only for series of one sign.",
}
