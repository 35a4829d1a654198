"""Where the ensemble keeps what it has learnt for one horizon: the fields of its arrays.

Arrays of rules hold `SLOT` numbers, a rule each, for every field, see `panel`.
"""

from typing import Final

from pulse_assets.retrodiction.panel import SLOT

#: Discounts of the absolute errors among which `dmsfe` learns to choose ...
DISCOUNTS: Final = (0.99, 1.0)
#: ... and how many powers of the inverse error: 4 and 16. Each pair is a lane; lane 0 is equal.
POWERS: Final = 2
#: The last lane learns by regret, which needs neither: `boa`, or `mlpol` on request.
REGRET_LANE: Final = 1 + len(DISCOUNTS) * POWERS
LANES: Final = REGRET_LANE + 1

# `record`: what is kept of the rules.
FORECAST: Final = 0
VERIFIED: Final = SLOT
READY: Final = 2 * SLOT
REGRET: Final = 3 * SLOT
SPREAD: Final = 4 * SLOT
STEP: Final = 5 * SLOT
#: The share in the last lane is exp(score) times the factor.
SCORE: Final = 6 * SLOT
FACTOR: Final = 7 * SLOT
RECORD: Final = 8 * SLOT

# `errors`: what is kept of the rules for each discount, one after the other: discounted absolute
# error, persistence's over the same targets, and the square of the latter by the former.
LOSS: Final = 0
BASE: Final = SLOT
CLOSENESS: Final = 2 * SLOT
ERRORS: Final = 3 * SLOT

# `lanes`, a row each: discounted absolute error of their combinations, sum of their shares, sum of
# shares times forecasts and then their mean, and what their shares are multiplied by.
OWN_LOSS: Final = 0
SUM: Final = 1
MEAN: Final = 2
SCALE: Final = 3
LANE: Final = 4

# `state`: the rest.
TYPICAL: Final = 0
TYPICAL_COUNT: Final = 1
PRIOR_ERROR: Final = 2
REFERENCE: Final = 3
INVERSE_UNIT: Final = 4
SLOPE: Final = 5
LEAD: Final = 6
PEAK: Final = 7
#: Rules that have a forecast and a record; those with a forecast; the sum of their forecasts.
FOUND: Final = 8
AWAKE: Final = 9
AWAKE_SUM: Final = 10
BEST_SCORE: Final = 11
#: 1.0 where no rule that is ready has a share in the last lane.
UNSHARED: Final = 12
TRUST_SUM: Final = 13
#: What closeness is multiplied by, a number for each discount: the closest rule then has 1.
CLOSEST: Final = 14
#: The largest error that counts.
LARGEST_COUNTED: Final = CLOSEST + len(DISCOUNTS)
STATE: Final = LARGEST_COUNTED + 1
