"""The NumPy array types of the whole project, for annotations; shapes are in the docstrings."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Dates = NDArray[np.datetime64]

#: Differences of dates, because NumPy takes a plain number for none.
DAY, MONTH = np.timedelta64(1, "D"), np.timedelta64(1, "M")
