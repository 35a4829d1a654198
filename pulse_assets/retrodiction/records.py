"""Where the ensemble keeps what it has learnt: the fields of its arrays, and its lanes.

Arrays hold `SLOT` numbers, a horizon each, for every field; a rule's fields lie together. So all
distances are constants, and the compiler, knowing that fields do not overlap, handles several
horizons at once.
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

# `record`: what is kept of a rule.
FORECAST: Final = 0
AWAKE: Final = SLOT
VERIFIED: Final = 2 * SLOT
READY: Final = 3 * SLOT
REGRET: Final = 4 * SLOT
SPREAD: Final = 5 * SLOT
STEP: Final = 6 * SLOT
#: The share in the last lane is exp(score) times this.
SCORE: Final = 7 * SLOT
FACTOR: Final = 8 * SLOT
RECORD: Final = 9 * SLOT

# `errors`: what is kept of a rule for each discount: discounted absolute error, persistence's over
# the same targets, and the square of the latter by the former.
LOSS: Final = 0
BASE: Final = SLOT
CLOSENESS: Final = 2 * SLOT
ERRORS: Final = 3 * SLOT

# `lanes`: what is kept of a lane: discounted absolute error of its combinations, sum of its shares,
# sum of shares times forecasts and then their mean, and what its shares are multiplied by.
OWN_LOSS: Final = 0
SUM: Final = SLOT
MEAN: Final = 2 * SLOT
SCALE: Final = 3 * SLOT
LANE: Final = 4 * SLOT

# `state`: what is kept of a horizon alone.
TYPICAL: Final = 0
TYPICAL_COUNT: Final = SLOT
PRIOR_ERROR: Final = 2 * SLOT
REFERENCE: Final = 3 * SLOT
INVERSE_UNIT: Final = 4 * SLOT
SLOPE: Final = 5 * SLOT
LEAD: Final = 6 * SLOT
FOUND: Final = 7 * SLOT
PEAK: Final = 8 * SLOT
AWAKE_COUNT: Final = 9 * SLOT
AWAKE_SUM: Final = 10 * SLOT
SMALLEST: Final = 11 * SLOT
TRUST_SUM: Final = 12 * SLOT
WEIGHTED: Final = 13 * SLOT
BEST_SCORE: Final = 14 * SLOT
#: 1.0 where no rule that is ready has a share in the last lane.
UNSHARED: Final = 15 * SLOT
STATE: Final = 16 * SLOT
