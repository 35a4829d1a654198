import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pulse_assets.catalog import HISTORICAL_DATA, SCHEMAS
from pulse_assets.errors import StoreError
from pulse_assets.storage.tables import decode_table, encode_table, read_fingerprint
from pulse_assets_tests.storage.examples import history

ROWS = [("gdp", 10, 1.5), ("cpi", 11, float("nan")), ("cpi", 10, -2.0)]


def encode(table, **fingerprint):
    return encode_table(table, "historical_data", fingerprint=fingerprint)


def decode(data, **options):
    return decode_table(data, "historical_data", name="x.parquet", **options)


def test_rows_come_back_in_the_order_of_the_sort_keys():
    table = decode(encode(history(*ROWS)))
    assert table["variable"].to_pylist() == ["cpi", "cpi", "gdp"]
    assert [day.day for day in table["timestamp"].to_pylist()] == [11, 12, 11]
    np.testing.assert_array_equal(table["value"].to_numpy(), [-2.0, np.nan, 1.5])
    assert table["published_at"].to_pylist() == table["timestamp"].to_pylist()
    assert table["used"].to_pylist() == [True] * 3


@pytest.mark.parametrize("asset", SCHEMAS)
def test_every_schema_survives_without_rows_and_with_one_of_nulls(asset):
    schema = SCHEMAS[asset]
    for table in (
        schema.empty_table(),
        pa.Table.from_pylist([dict.fromkeys(schema.names)], schema=schema),
    ):
        found = decode_table(encode_table(table, asset, fingerprint={}), asset, name="x")
        assert found.equals(table)
        assert found.schema.equals(schema, check_metadata=True)


def test_equal_content_is_equal_bytes_whatever_its_way():
    straight = history(*ROWS)
    reversed_rows = history(*ROWS[::-1])
    longer = history(*ROWS, ("zzz", 1, 1.0)).slice(0, 3)  # its dictionary still holds zzz
    in_chunks = pa.concat_tables([history(*ROWS[:1]), history(*ROWS[1:])])
    data = encode(straight, b="2", a="1")
    assert encode(reversed_rows, a="1", b="2") == data
    assert encode(longer, a="1", b="2") == data
    assert encode(in_chunks, a="1", b="2") == data
    assert encode(decode(data), a="1", b="2") == data
    assert encode(history(*ROWS[:2]), a="1", b="2") != data


def test_the_fingerprint_is_kept_beside_the_table():
    made_of = {"configuration": "ab", "input": "çd"}
    assert read_fingerprint(encode(history(), **made_of), name="x") == made_of


def test_only_the_columns_asked_for_are_decoded():
    table = decode(encode(history(*ROWS)), columns=["variable", "value"])
    assert table.column_names == ["variable", "value"]
    assert table.schema.field("variable").type == HISTORICAL_DATA.field("variable").type


def test_every_difference_to_the_schema_is_listed_when_writing():
    table = history(*ROWS).drop_columns(["published_at"])
    table = table.append_column("more", pa.nulls(3)).set_column(2, "value", pa.array([1, 2, 3]))
    with pytest.raises(StoreError) as caught:
        encode(table)
    for part in (
        "historical_data",
        "value is int64 instead of double",
        "published_at is missing instead of date32[day]",
        "more is unknown",
    ):
        assert part in str(caught.value)


def test_columns_in_another_order_are_refused():
    with pytest.raises(StoreError, match="order value, variable"):
        table = history(*ROWS)
        encode(
            table.select(["value", "variable", *table.column_names[1:2], *table.column_names[3:]])
        )


def test_an_object_of_another_schema_is_refused_when_reading():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"variable": ["gdp"], "when": [1]}), sink)
    with pytest.raises(StoreError, match=r"x.parquet: .*timestamp is missing.*when is unknown"):
        decode(sink.getvalue().to_pybytes())
    with pytest.raises(StoreError, match="x: not a table of pulse_assets"):
        read_fingerprint(sink.getvalue().to_pybytes(), name="x")


@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: b"garbage", lambda d: d[:-20]])
def test_an_object_that_is_no_whole_table_is_named(damage):
    data = damage(encode(history(*ROWS)))
    for read in (decode, lambda d: read_fingerprint(d, name="x.parquet")):
        with pytest.raises(StoreError, match=r"^x.parquet: .*damaged.*materialize it again"):
            read(data)


def test_no_flipped_bit_changes_a_number_unnoticed():
    rng = random.Random(0)
    data = encode(history(*((f"v{i % 3}", i, i / 7) for i in range(60))))
    noticed = 0
    for _ in range(400):
        broken = bytearray(data)
        broken[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            assert decode(bytes(broken)).equals(decode(data))  # the bit was one of statistics
        except StoreError:
            noticed += 1
    assert noticed > 200
