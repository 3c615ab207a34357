"""Every promise of the Store protocol, kept by both stores."""

from __future__ import annotations

import datetime as dt
import math
import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
import shapely

from rts_track.contract import CONTRACT
from rts_track.errors import StoreError
from rts_track.store.base import BATCH_ROWS, Store, Written, open_reader, open_store
from rts_track.store.internal import INTERNAL, any_table
from rts_track.store.rows import picked_schema

BOW_TIE = "POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))"


def rows(table: str, *records: dict[str, object]) -> pa.Table:
    """The records as declared columns: those that the first one names."""
    schema = picked_schema(any_table(table), list(records[0]))
    return pa.Table.from_pylist(
        list(records), schema=pa.schema([f.remove_metadata() for f in schema])
    )


def wkb(x: float = 0.0, size: float = 1.0) -> bytes:
    return shapely.to_wkb(shapely.MultiPolygon([shapely.box(x, 60, x + size, 60 + size)]))


def source(name: str = "s", **other: object) -> pa.Table:
    record = {"source": name, "kind": "landform", "mapper": "person", "delineation_sigma_m": 1.5}
    return rows("source", record | other)


def run(run_id: str = "r", **other: object) -> pa.Table:
    record = {
        "run_id": run_id,
        "step": "import",
        "started_at": dt.datetime(2024, 7, 1, 12, 30, 15, 123456, dt.UTC),
        "code_version": "1",
        "params": "{}",
        "inputs_sha256": "0",
    }
    return rows("run", record | other)


def region(*codes: str, **other: object) -> pa.Table:
    return rows(
        "region",
        *(
            {
                "region_set": "world",
                "region_code": code,
                "name": code.upper(),
                "area_m2": 1.0,
                "geometry": wkb(),
            }
            | other
            for code in codes
        ),
    )


def footprint(footprint_id: str = "f", **other: object) -> dict[str, object]:
    record = {
        "footprint_id": footprint_id,
        "source": "s",
        "run_id": "r",
        "season_year": 2021,
        "observed_from": dt.date(2021, 7, 1),
        "observed_to": dt.date(2021, 7, 3),
        "date_basis": "exact",
        "area_m2": 100.0,
        "perimeter_m": 40.0,
        "is_clipped": False,
        "lon": 0.5,
        "lat": 60.5,
        "attributes": "{}",
        "geometry": wkb(),
    }
    return record | other


def inputs(n: int, digest: str = "d") -> pa.Table:
    """Light rows: n units of work."""
    return pa.table(
        {
            "step": pa.array(["link"] * n, pa.string()),
            "unit": pa.array([f"{number:06d}" for number in range(n)], pa.string()),
            "inputs_sha256": pa.array([digest] * n, pa.string()),
        }
    )


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with a source and a run, so that footprints may come."""
    store.upsert("source", source())
    store.upsert("run", run())
    return store


def test_a_second_init_applies_nothing(store: Store):
    assert store.init() == []


def test_every_table_is_there_and_reads_empty_with_its_types(store: Store):
    for name, table in (CONTRACT | INTERNAL).items():
        assert store.read(name).schema.equals(picked_schema(table, None))
        assert store.count(name) == 0
        assert list(store.scan(name)) == []


def test_an_upsert_counts_what_is_new_and_what_changed_and_leaves_the_rest(store: Store):
    assert store.upsert("region", region("a", "b")) == Written(added=2)
    assert store.upsert("region", region("a", "b")).is_empty
    assert store.upsert("region", region("b", "c", area_m2=2.0)) == Written(added=1, updated=1)
    assert store.read("region", ["region_code", "area_m2"]).to_pylist() == [
        {"region_code": "a", "area_m2": 1.0},
        {"region_code": "b", "area_m2": 2.0},
        {"region_code": "c", "area_m2": 2.0},
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"geometry": wkb(size=math.nextafter(1.0, 2))},
        {"attributes": '{"a": 1}'},
        {"attributes": "{ }"},
        {"prob_mean": 0.5},
        {"observed_to": dt.date(2021, 7, 4)},
        {"is_clipped": True},
    ],
    ids=["geometry", "json", "json's text", "from null", "date", "bool"],
)
def test_the_smallest_change_of_any_type_is_a_change(filled: Store, change: dict[str, object]):
    filled.upsert("footprint", rows("footprint", footprint(prob_mean=None)))
    changed = rows("footprint", footprint(prob_mean=None) | change)
    assert filled.upsert("footprint", changed) == Written(updated=1)
    assert filled.upsert("footprint", changed).is_empty
    (stored,) = filled.read("footprint", list(change)).to_pylist()
    assert stored == change


def test_a_column_left_out_is_null_in_a_new_row_and_unchanged_in_an_old_one(filled: Store):
    filled.upsert("footprint", rows("footprint", footprint(prob_mean=0.5)))
    filled.upsert("footprint", rows("footprint", footprint(area_m2=2.0), footprint("g")))
    read = filled.read("footprint", ["footprint_id", "prob_mean", "area_m2"]).to_pylist()
    assert read == [
        {"footprint_id": "f", "prob_mean": 0.5, "area_m2": 2.0},
        {"footprint_id": "g", "prob_mean": None, "area_m2": 100.0},
    ]


def test_no_rows_write_nothing(store: Store):
    assert store.upsert("region", region("a").slice(0, 0)).is_empty
    assert store.upsert("region", iter([])).is_empty
    assert store.update("region", region("a").slice(0, 0)) == 0


def test_rows_may_come_in_batches(store: Store):
    def stream() -> Iterator[pa.RecordBatch]:
        for code in "abc":
            yield from region(code).to_batches()

    assert store.upsert("region", stream()) == Written(added=3)


def test_columns_come_in_any_order_and_in_wider_types(store: Store):
    wide = pa.table(
        {
            "n_members": pa.array([1], pa.int64()),
            "lineage_id": pa.array(["l"], pa.large_string()).dictionary_encode(),
            "n_measured": pa.array([1], pa.int8()),
            "season_year": pa.array([2020], pa.int64()),
            "is_complete": [True],
            "area_m2": pa.array([None], pa.null()),
        }
    )
    assert store.upsert("lineage_state", wide) == Written(added=1)
    assert store.read("lineage_state", ["n_members", "area_m2"]).to_pylist() == [
        {"n_members": 1, "area_m2": None}
    ]


def test_a_null_moves_into_and_out_of_a_column(store: Store):
    store.upsert("source", source(sensor="PlanetScope"))
    assert store.upsert("source", source(sensor=None)) == Written(updated=1)
    assert store.upsert("source", source(sensor=None)).is_empty
    assert store.upsert("source", source(sensor="PlanetScope")) == Written(updated=1)


def test_not_a_number_equals_itself(store: Store):
    store.upsert("source", source(recall=math.nan))
    assert store.upsert("source", source(recall=math.nan)).is_empty
    assert math.isnan(store.read("source")["recall"][0].as_py())


def test_an_update_sets_the_given_columns_of_known_keys_only(filled: Store):
    filled.upsert("footprint", rows("footprint", footprint(), footprint("g")))
    change = rows(
        "footprint",
        {"footprint_id": "f", "prob_mean": 0.25, "attributes": "[]"},
        {"footprint_id": "unknown", "prob_mean": 0.25, "attributes": "[]"},
    )
    assert filled.update("footprint", change) == 1
    assert filled.update("footprint", change) == 0
    read = filled.read("footprint", ["footprint_id", "prob_mean", "area_m2"]).to_pylist()
    assert read == [
        {"footprint_id": "f", "prob_mean": 0.25, "area_m2": 100.0},
        {"footprint_id": "g", "prob_mean": None, "area_m2": 100.0},
    ]


def test_a_sync_makes_the_rows_in_scope_exactly_these(store: Store):
    store.upsert("region", region("a", "b", "c"))
    store.upsert("region", region("a", region_set="other"))
    synced = region("b", "d", area_m2=2.0)
    scope = {"region_set": "world"}
    assert store.sync("region", synced, scope) == Written(added=1, updated=1, removed=2)
    assert store.sync("region", synced, scope).is_empty
    assert store.query(
        "select region_set || '/' || region_code as id from region order by region_set, region_code"
    )["id"].to_pylist() == ["other/a", "world/b", "world/d"]


def test_a_sync_with_no_rows_empties_the_scope(store: Store):
    store.upsert("region", region("a", "b"))
    none = region("a").slice(0, 0)
    assert store.sync("region", none, {"region_code": ["a", "z"]}) == Written(removed=1)
    assert store.count("region") == 1


def test_a_delete_removes_what_matches(store: Store):
    store.upsert("region", region("a", "b", "c"))
    assert store.delete("region", {"region_code": ["a", "c", "z"]}) == 2
    assert store.delete("region", {"region_code": ["a", "c", "z"]}) == 0
    assert store.read("region")["region_code"].to_pylist() == ["b"]


def test_a_scan_comes_in_the_keys_order_and_in_bounded_batches(store: Store):
    n = BATCH_ROWS + 100
    shuffled = inputs(n).take(np.random.default_rng(1).permutation(n))
    store.upsert("step_input", shuffled)
    batches = list(store.scan("step_input", ["unit"]))
    assert max(batch.num_rows for batch in batches) <= BATCH_ROWS
    assert pa.Table.from_batches(batches)["unit"].to_pylist() == inputs(n)["unit"].to_pylist()


def test_keys_are_ordered_by_code_point_not_by_language(store: Store):
    codes = ["a", "B", "ä", "Z", "_", "é", "z", "b", "Ж"]
    store.upsert("region", region(*codes))
    assert store.read("region")["region_code"].to_pylist() == sorted(codes)
    assert (
        store.query("select name from region order by region_code desc")["name"][0].as_py() == "Ж"
    )


def test_a_scan_shows_what_was_there_when_it_began(store: Store):
    n = BATCH_ROWS + 100
    store.upsert("step_input", inputs(n))
    scan = store.scan("step_input", ["inputs_sha256"])
    seen = [next(scan)]
    store.upsert("step_input", inputs(n + 5, digest="changed"))
    seen += scan
    assert pa.Table.from_batches(seen)["inputs_sha256"].to_pylist() == ["d"] * n
    assert store.count("step_input") == n + 5


def test_a_scan_may_be_left_half_way(store: Store):
    store.upsert("step_input", inputs(BATCH_ROWS + 1))
    scan = store.scan("step_input")
    next(scan)
    scan.close()
    assert store.upsert("step_input", inputs(1, digest="changed")) == Written(updated=1)


def test_two_scans_run_side_by_side(store: Store):
    store.upsert("region", region("a", "b"))
    pairs = zip(store.scan("region", ["region_code"]), store.scan("region", ["name"]), strict=True)
    assert [(a.num_rows, b.num_rows) for a, b in pairs] == [(2, 2)]


def test_a_transaction_sees_its_own_writes(store: Store):
    with store.transaction():
        store.upsert("region", region("a", "b"))
        assert store.count("region") == 2
        assert store.read("region")["name"].to_pylist() == ["A", "B"]
        assert sum(batch.num_rows for batch in store.scan("region")) == 2
        assert store.query("select count(*) as n from region")["n"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("scope", "codes"),
    [
        (None, "abcd"),
        ({}, "abcd"),
        ({"parent_code": None}, "ad"),
        ({"parent_code": "p"}, "bc"),
        ({"parent_code": ["p", "q"]}, "bc"),
        ({"parent_code": []}, ""),
        ({"parent_code": "p", "region_code": "c"}, "c"),
        ({"area_m2": 3.0}, "c"),
        ({"area_m2": [1, 4]}, "ad"),
        ({"region_code": "' or true --"}, ""),
    ],
)
def test_a_scope_picks_equals_members_or_nulls(store: Store, scope: object, codes: str):
    for area_m2, (code, parent) in enumerate(zip("abcd", [None, "p", "p", None], strict=True), 1):
        store.upsert("region", region(code, parent_code=parent, area_m2=float(area_m2)))
    assert "".join(store.read("region", ["region_code"], scope)["region_code"].to_pylist()) == codes
    assert sum(batch.num_rows for batch in store.scan("region", None, scope)) == len(codes)


def test_a_scope_of_numbers_and_booleans(store: Store):
    store.upsert(
        "lineage_state",
        rows(
            "lineage_state",
            *(
                {
                    "lineage_id": "l",
                    "season_year": year,
                    "n_members": 1,
                    "n_measured": 1,
                    "is_complete": year > 2020,
                }
                for year in (2019, 2020, 2021)
            ),
        ),
    )
    read = store.read("lineage_state", ["season_year"], {"season_year": [2019, 2021]})
    assert read["season_year"].to_pylist() == [2019, 2021]
    read = store.read("lineage_state", ["season_year"], {"is_complete": False})
    assert read["season_year"].to_pylist() == [2019, 2020]


def test_columns_come_as_asked_for(store: Store):
    store.upsert("region", region("a"))
    assert store.read("region", ["name", "region_code"]).schema.names == ["name", "region_code"]
    assert next(store.scan("region", ["area_m2"])).schema.names == ["area_m2"]


def test_a_failed_transaction_leaves_nothing(store: Store):
    store.upsert("region", region("a"))
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.upsert("region", region("a", "b", area_m2=2.0))
        store.delete("region", {"region_code": "a"})
        raise ZeroDivisionError
    assert store.read("region")["area_m2"].to_pylist() == [1.0]
    assert store.upsert("region", region("b")) == Written(added=1)


def test_a_transaction_inside_another_is_harmless(store: Store):
    with pytest.raises(ZeroDivisionError), store.transaction():
        with store.transaction():
            store.upsert("region", region("a"))
        raise ZeroDivisionError
    assert store.count("region") == 0
    with store.transaction(), store.transaction():
        store.upsert("region", region("a"))
    assert store.count("region") == 1


def test_a_refused_write_undoes_its_whole_transaction(store: Store):
    with pytest.raises(StoreError), store.transaction():
        store.upsert("region", region("a"))
        store.upsert("region", region("b", area_m2=-1.0))
    assert store.count("region") == 0


def test_a_refused_batch_undoes_the_batches_before_it(store: Store):
    stream = [*region("a").to_batches(), *region("b", area_m2=-1.0).to_batches()]
    with pytest.raises(StoreError):
        store.upsert("region", stream)
    assert store.count("region") == 0


def test_references_are_checked_when_the_transaction_ends(store: Store):
    with store.transaction():
        store.upsert("footprint", rows("footprint", footprint()))
        store.upsert("source", source())
        store.upsert("run", run())
    assert store.count("footprint") == 1


def test_a_lost_reference_is_told_by_column_and_value(filled: Store):
    with pytest.raises(StoreError) as refused:
        filled.upsert("footprint", rows("footprint", footprint(source="nobody")))
    assert str(refused.value) == "footprint.source = 'nobody': no such source"
    assert filled.count("footprint") == 0


def test_a_referenced_row_is_not_removed(filled: Store):
    filled.upsert("footprint", rows("footprint", footprint()))
    with pytest.raises(StoreError) as refused:
        filled.delete("run", {"run_id": "r"})
    assert str(refused.value) == "footprint.run_id = 'r': no such run"
    with pytest.raises(StoreError):
        filled.sync("source", source("t"), {})
    with filled.transaction():
        filled.delete("run", {"run_id": "r"})
        filled.delete("footprint", {"footprint_id": "f"})
    assert filled.count("run") == 0


def test_an_update_to_a_lost_reference_is_refused(filled: Store):
    filled.upsert("footprint", rows("footprint", footprint()))
    with pytest.raises(StoreError, match=r"footprint.outline_id = 'o': no such outline"):
        filled.update("footprint", rows("footprint", {"footprint_id": "f", "outline_id": "o"}))


def collection(text: str) -> bytes:
    return shapely.to_wkb(shapely.MultiPolygon([shapely.from_wkt(text)]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"geometry": collection(BOW_TIE)}, "geometry is empty or not valid (Self-intersection"),
        ({"geometry": shapely.to_wkb(shapely.MultiPolygon())}, "geometry is empty or not valid"),
        ({"geometry": shapely.to_wkb(shapely.box(0, 0, 1, 1))}, "geometry is not a MultiPolygon"),
        (
            {"geometry": collection("POLYGON Z ((0 0 1, 1 0 1, 1 1 1, 0 0 1))")},
            "geometry is not a MultiPolygon of two dimensions",
        ),
        ({"geometry": b"\x01\x06"}, "geometry is no WKB"),
        ({"geometry": b""}, "geometry is no WKB"),
        ({"geometry": wkb()[:-8]}, "geometry is no WKB"),
        ({"geometry": None}, "geometry is null"),
        ({"area_m2": None}, "area_m2 is null"),
        ({"area_m2": -0.5}, "area_m2 is -0.5, less than nothing"),
        ({"date_basis": "guess"}, "date_basis is 'guess', not exact or range or season"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named_and_nothing_is_stored(
    filled: Store, change: dict[str, object], reason: str
):
    records = [footprint("first"), footprint("second") | change, footprint("third")]
    with pytest.raises(StoreError) as refused:
        filled.upsert("footprint", rows("footprint", *records))
    assert str(refused.value).startswith(f"footprint second: {reason}")
    assert "\n" not in str(refused.value)
    assert filled.count("footprint") == 0
    assert filled.upsert("footprint", rows("footprint", footprint())) == Written(added=1)


def test_an_update_that_breaks_a_rule_is_named_too(filled: Store):
    filled.upsert("footprint", rows("footprint", footprint()))
    with pytest.raises(StoreError, match="footprint f: geometry is empty or not valid"):
        filled.update(
            "footprint", rows("footprint", {"footprint_id": "f", "geometry": collection(BOW_TIE)})
        )


@pytest.mark.parametrize("text", ["{", "", "nothing"])
def test_json_that_is_none_is_refused(store: Store, text: str):
    with pytest.raises(StoreError) as refused:
        store.upsert("run", run(params=text))
    assert "\n" not in str(refused.value)
    assert store.count("run") == 0


def test_a_column_of_another_table_is_refused(store: Store):
    with pytest.raises(StoreError, match="region has no column colour"):
        store.upsert("region", region("a").append_column("colour", [["red"]]))


def test_rows_without_their_key_are_refused(store: Store):
    with pytest.raises(StoreError, match="region: rows come without their key region_set"):
        store.upsert("region", region("a").drop(["region_set"]))


def test_a_value_that_its_type_cannot_hold_is_refused(store: Store):
    strange = region("a").drop(["area_m2"]).append_column("area_m2", pa.array(["large"]))
    with pytest.raises(StoreError, match=r"region\.area_m2: "):
        store.upsert("region", strange)


def test_a_column_that_a_new_row_needs_is_missed(store: Store):
    with pytest.raises(StoreError, match="name"):
        store.upsert("region", region("a").drop(["name"]))
    assert store.count("region") == 0


def test_json_comes_back_letter_by_letter(store: Store):
    text = '{ "b":1.0,\n\t"a": [1e3, "ü\\u00fc", null],  "a": 2 }'
    store.upsert("run", run(params=text))
    assert store.read("run")["params"].to_pylist() == [text]
    assert next(store.scan("run"))["params"].to_pylist() == [text]
    assert store.query("select params from run")["params"].to_pylist() == [text]


def test_geometry_comes_back_byte_by_byte(store: Store):
    rng = np.random.default_rng(2)
    shell = shapely.Point(-150.123456789, 70.1).buffer(1 / 3, quad_segs=9)
    hole = shapely.Point(-150.1, 70.1).buffer(0.1)
    geometries = [
        shapely.MultiPolygon([shell.difference(hole), shapely.box(0.1, 0.2, 0.3, 0.7)]),
        *(
            shapely.MultiPolygon([shapely.MultiPoint(rng.normal(size=(9, 2))).convex_hull])
            for _ in range(5)
        ),
    ]
    encoded = [shapely.to_wkb(geometry) for geometry in geometries]
    for number, one in enumerate(encoded):
        store.upsert("region", region(f"{number}", geometry=one))
    assert store.read("region")["geometry"].to_pylist() == encoded
    assert next(store.scan("region"))["geometry"].to_pylist() == encoded
    queried = store.query("select geometry from region order by region_code")
    assert queried.schema.field("geometry").type == pa.binary()
    assert queried["geometry"].to_pylist() == encoded


def test_big_endian_geometry_is_the_same_geometry(store: Store):
    big = shapely.to_wkb(shapely.from_wkb(wkb()), byte_order=0)
    store.upsert("region", region("a", geometry=big))
    assert store.read("region")["geometry"].to_pylist() == [wkb()]
    assert store.upsert("region", region("a")).is_empty


def test_an_instant_is_utc_whatever_the_clock_it_was_told_by(store: Store):
    yakutsk = dt.timezone(dt.timedelta(hours=9))
    instant = dt.datetime(2024, 7, 1, 3, 4, 5, 678901, yakutsk)
    told = pa.table(
        run().to_pydict()
        | {"started_at": pa.array([instant], pa.timestamp("us", tz="Asia/Yakutsk"))}
    )
    store.upsert("run", told)
    for read in (store.read("run"), store.query("select started_at from run")):
        assert read.schema.field("started_at").type == pa.timestamp("us", tz="UTC")
        (value,) = read["started_at"].to_pylist()
        assert value == instant
        assert value.utcoffset() == dt.timedelta(0)


def test_a_date_is_that_day_everywhere(filled: Store):
    days = {"observed_from": dt.date(1900, 1, 1), "observed_to": dt.date(2100, 12, 31)}
    filled.upsert("footprint", rows("footprint", footprint(**days)))
    assert filled.read("footprint", list(days)).to_pylist() == [days]
    assert filled.query("select observed_from, observed_to from footprint").to_pylist() == [days]


def test_a_query_answers_with_the_types_of_its_result_even_without_rows(filled: Store):
    question = """
        select
          f.season_year, f.area_m2, f.footprint_id, f.is_clipped, f.observed_from, f.geometry,
          f.attributes, r.started_at, count(*) over () as n, cast(1.5 as numeric) as exact,
          avg(f.area_m2) over () as mean_m2, cast(f.area_m2 as bigint) as whole
        from footprint f
        join run r on r.run_id = f.run_id
        where f.season_year >= $year
    """
    expected = pa.schema(
        [
            ("season_year", pa.int32()),
            ("area_m2", pa.float64()),
            ("footprint_id", pa.string()),
            ("is_clipped", pa.bool_()),
            ("observed_from", pa.date32()),
            ("geometry", pa.binary()),
            ("attributes", pa.string()),
            ("started_at", pa.timestamp("us", tz="UTC")),
            ("n", pa.int64()),
            ("exact", pa.float64()),
            ("mean_m2", pa.float64()),
            ("whole", pa.int64()),
        ]
    )
    filled.upsert("footprint", rows("footprint", footprint()))
    one, none = (filled.query(question, {"year": year}) for year in (2021, 2022))
    assert (one.num_rows, none.num_rows) == (1, 0)
    assert one.schema.remove_metadata().equals(expected)
    assert none.schema.remove_metadata().equals(expected)
    assert one["exact"].to_pylist() == [1.5]


@pytest.mark.parametrize(
    ("sql", "params", "codes"),
    [
        ("region_code = $code", {"code": "a"}, "a"),
        ("region_code = $code", {"code": "it's $code -- %s"}, ""),
        ("($code is null or region_code = $code)", {"code": None}, "abc"),
        ("($code is null or region_code = $code)", {"code": "b"}, "b"),
        ("area_m2 > $least and area_m2 < $most", {"least": 1, "most": 2.5}, "b"),
        ("area_m2 > - $least", {"least": -1}, "bc"),
        ("(area_m2 > 2) = $large", {"large": True}, "c"),
        ("region_code like '%' and name <> '$code' -- $code %s\n", {}, "abc"),
        ("region_code like $form", {"form": "_%"}, "abc"),
        ("'%(code)s' <> $$ $code ' $$ and region_code = /* $x */ $code", {"code": "c"}, "c"),
        ("'it''s $code' = $code", {"code": "it's $code"}, "abc"),
        ('"region_code" in ($a, $b)', {"a": "a", "b": "c"}, "ac"),
        ("mod(cast(area_m2 as integer), 2) = 1 and 5 % 3 = 2", {}, "ac"),
    ],
)
def test_a_querys_parameters_are_values_and_nothing_else(
    store: Store, sql: str, params: dict[str, object], codes: str
):
    for area_m2, code in enumerate("abc", 1):
        store.upsert("region", region(code, area_m2=float(area_m2)))
    question = f"select region_code from region where {sql} order by region_code"
    assert "".join(store.query(question, params)["region_code"].to_pylist()) == codes


@pytest.mark.parametrize("params", [{}, {"code": "a", "colour": "red"}, {"colour": "red"}])
def test_a_parameter_too_few_or_too_many_is_refused(store: Store, params: dict[str, object]):
    with pytest.raises(StoreError):
        store.query("select 1 from region where region_code = $code", params)


@pytest.mark.parametrize("sql", ["selec 1", "select colour from region", "select * from volcano"])
def test_a_wrong_question_gets_one_line_and_harms_nothing(store: Store, sql: str):
    with pytest.raises(StoreError) as refused:
        store.query(sql)
    assert "\n" not in str(refused.value)
    assert "init" not in str(refused.value)
    assert store.count("region") == 0


def test_a_reader_reads_and_does_not_write(store_url: str):
    with open_store(store_url) as store:
        store.upsert("region", region("a"))
    with open_reader(store_url) as reader:
        assert reader.count("region") == 1
        assert sum(batch.num_rows for batch in reader.scan("region")) == 1
    with open_store(store_url, is_read_only=True) as store:
        for write in (
            lambda: store.upsert("region", region("b")),
            lambda: store.update("region", region("a", area_m2=3.0)),
            lambda: store.sync("region", region("b"), {}),
            lambda: store.delete("region", {}),
        ):
            with pytest.raises(StoreError, match="opened to be read only"):
                write()
        assert store.read("region")["area_m2"].to_pylist() == [1.0]


@pytest.fixture(params=["duckdb", "postgis"])
def bare_url(request: pytest.FixtureRequest, tmp_path) -> str:
    """Address of a store without structure."""
    if request.param == "duckdb":
        url = f"duckdb:///{tmp_path / 'bare.duckdb'}"
        open_store(url).close()
        return url
    return str(request.getfixturevalue("empty_postgis_url"))


def test_a_store_without_structure_says_how_to_get_one(bare_url: str):
    with pytest.raises(StoreError, match="run `rts-track init` on it"):
        open_reader(bare_url)
    with open_store(bare_url) as store:
        for use in (
            lambda: store.count("region"),
            lambda: store.read("step_input"),
            lambda: list(store.scan("region")),
            lambda: store.query("select name from region"),
            lambda: store.upsert("region", region("a")),
            lambda: store.delete("region", {}),
        ):
            with pytest.raises(StoreError, match="run `rts-track init` on it"):
                use()
        assert store.init() != []
        assert store.upsert("region", region("a")) == Written(added=1)


def test_what_is_written_is_there_for_the_next_to_open(store_url: str):
    with open_store(store_url) as store:
        store.upsert("region", region("a"))
    with open_store(store_url) as store:
        assert store.read("region")["name"].to_pylist() == ["A"]


_DIES = """
import os, sys, signal
import pyarrow as pa
from rts_track.store.base import open_store

store = open_store(sys.argv[1])
units = pa.array([str(n) for n in range(5000)])
same = pa.array(["link"] * 5000)
rows = pa.table({"step": same, "unit": units, "inputs_sha256": same})
store.upsert("step_input", rows.slice(0, 10))
with store.transaction():
    store.upsert("step_input", rows)
    store.delete("step_input", {"unit": "3"})
    os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2] == "killed" else os._exit(7)
"""


@pytest.mark.parametrize("how", ["killed", "exits"])
def test_a_process_that_dies_inside_a_transaction_leaves_what_was_before(store_url: str, how: str):
    dead = subprocess.run([sys.executable, "-c", _DIES, store_url, how], check=False)
    assert dead.returncode == (-signal.SIGKILL if how == "killed" else 7)
    with open_store(store_url) as store:
        assert store.read("step_input")["unit"].to_pylist() == [str(n) for n in range(10)]
        assert store.upsert("step_input", inputs(1)) == Written(added=1)


_HOLDS = """
import sys
from rts_track.store.base import open_store

with open_store(sys.argv[1]) as store, store.transaction():
    store.count("region")
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_of_a_file_is_refused_in_one_line(duckdb_url: str):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, duckdb_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"holding\n"
        with pytest.raises(StoreError, match="another process is using this file"):
            open_store(duckdb_url)
    with open_store(duckdb_url) as store:
        assert store.count("region") == 0
