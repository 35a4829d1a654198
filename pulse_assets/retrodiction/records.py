"""Where the ensemble keeps what it has learnt: the fields of its arrays, and its lanes.

Arrays hold `SLOT` numbers, a horizon each, for every field; a rule's fields lie together. So all
distances are constants, and the compiler, knowing that fields do not overlap, handles several
horizons at once.
"""

from typing import Final

from pulse_assets.retrodiction.panel import SLOT

#: Discounts of the absolute errors among which `dmsfe` learns to choose ...
DISCOUNTS: Final = (0.98, 1.0)
#: ... and how many powers of the inverse error: 2, 8 and 32. Each pair is a lane; lane 0 is equal.
POWERS: Final = 3
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
#: 1 / sqrt(spread); 0 where the rule never parted from the combination.
INVERSE: Final = 6 * SLOT
STEP: Final = 7 * SLOT
#: Share in the last lane, not yet of sum 1.
REGRET_SHARE: Final = 8 * SLOT
RECORD: Final = 9 * SLOT

# `errors`: what is kept of a rule for each discount: discounted absolute error, persistence's over
# the same targets, and the share in the lane of each power, not yet of sum 1.
LOSS: Final = 0
BASE: Final = SLOT
SHARE: Final = 2 * SLOT
ERRORS: Final = SHARE + POWERS * SLOT

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
BEST: Final = 9 * SLOT
AWAKE_COUNT: Final = 10 * SLOT
AWAKE_SUM: Final = 11 * SLOT
SMALLEST: Final = 12 * SLOT
TRUST_SUM: Final = 13 * SLOT
WEIGHTED: Final = 14 * SLOT
STATE: Final = 15 * SLOT
