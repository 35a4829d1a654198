"""Small tables for the tests of the store."""

import pyarrow as pa

from pulse_assets.catalog import HISTORICAL_DATA


def history(*rows):
    """A `historical_data` table of (variable, days since 1970, value) rows, public at once."""
    variables, days, values = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        [
            pa.array(variables, pa.string()).dictionary_encode(),
            pa.array(days, pa.int32()).cast(pa.date32()),
            pa.array(values, pa.float64()),
            pa.array(days, pa.int32()).cast(pa.date32()),
            *(pa.nulls(len(rows), HISTORICAL_DATA.field(n).type) for n in ("model", "quantile")),
            pa.array([True] * len(rows)),
        ],
        schema=HISTORICAL_DATA,
    )
