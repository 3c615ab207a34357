"""Bad input: one clear line and nothing stored, or the rest goes in and the fault is listed."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from rts_track.errors import InputError, RtsTrackError, UsageError
from rts_track.steps import importing
from rts_track.steps.importing import Fault, ImportReport, ImportRequest, import_footprints
from rts_track.store.base import Store

EAST, NORTH = 500_000.0, 7_500_000.0
SQUARE = shapely.to_wkb(shapely.box(EAST, NORTH, EAST + 100, NORTH + 100))
TABLES = ("source", "run", "scene", "look", "footprint")


def wkb(*xy: tuple[float, ...], closed: bool = True) -> bytes:
    """A ring of offsets from the origin; vertices may have a Z."""
    ring = [(EAST + v[0], NORTH + v[1], *v[2:]) for v in (*xy, *(xy[:1] if closed else ()))]
    numbers = [number for vertex in ring for number in vertex]
    kind = 3 if len(ring[0]) == 2 else 1003
    return struct.pack(f"<BIII{len(numbers)}d", 1, kind, 1, len(ring), *numbers)


def write(path: Path, wkbs: list[bytes | None], crs: str | None = "EPSG:32608", **fields) -> Path:
    """Raw WKB and fields, without anything that would mend them on the way."""
    columns = fields or {"year": [2019] * len(wkbs)}
    table = pa.table({**columns, "geometry": pa.array(wkbs, pa.binary())})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a CRS is missing is meant so
        pyogrio.raw.write_arrow(
            table,
            path,
            layer="slumps",
            driver="GPKG",
            geometry_name="geometry",
            geometry_type="Unknown",
            crs=crs,
        )
    return path


def imported(store: Store, path: Path, **changes: Any) -> ImportReport:
    asked = {"source": "mine", "season_field": "year", "gsd_m": 3.0, **changes}
    return import_footprints(store, [path], ImportRequest(**asked))


def refused(store: Store, path: Path, **changes: Any) -> str:
    """The one line of the fault, after which nothing is stored."""
    with pytest.raises(RtsTrackError) as error:
        imported(store, path, **changes)
    assert [store.count(table) for table in TABLES] == [0] * len(TABLES)
    assert "\n" not in str(error.value)
    return f"{error.value.exit_code} {error.value}"


@pytest.fixture
def store(duckdb_store: Store) -> Store:
    return duckdb_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "slumps.gpkg"


def test_a_missing_file_stores_nothing(store: Store, path: Path) -> None:
    assert refused(store, path) == f"1 {path}: no such file"


def test_an_unknown_reader_is_a_matter_of_usage(store: Store, path: Path) -> None:
    assert refused(store, write(path, [SQUARE]), reader="arcgis").startswith("2 reader 'arcgis'")


@pytest.mark.parametrize(
    "option", ["season_field", "date_field", "scene_field", "id_field", "gsd_field"]
)
def test_an_unknown_field_is_answered_with_the_fields(
    store: Store, path: Path, option: str
) -> None:
    line = refused(store, write(path, [SQUARE]), **{option: "jahr"})

    assert line == f"2 {path}: no field 'jahr'; its fields are year"


def test_neither_season_nor_date_is_answered_with_the_fields(store: Store, path: Path) -> None:
    line = refused(store, write(path, [SQUARE]), season_field=None)

    assert line.startswith(f"2 {path}: which field says when?")
    assert line.endswith("its fields are year")


def test_without_a_pixel_size_the_options_are_named(store: Store, path: Path) -> None:
    write(path, [SQUARE], year=[2019], res=pa.array([None], pa.float64()))

    for changes in ({}, {"gsd_field": "res"}):
        line = refused(store, path, gsd_m=None, **changes)
        assert line.startswith("2 source 'mine': how fine are its images? Give --gsd")


def test_a_delineation_sigma_does_instead_of_a_pixel_size(store: Store, path: Path) -> None:
    imported(store, write(path, [SQUARE]), gsd_m=None, delineation_sigma_m=2.0)

    (source,) = store.read("source", ["gsd_m", "delineation_sigma_m"]).to_pylist()
    assert source == {"gsd_m": None, "delineation_sigma_m": 2.0}


def test_a_scene_of_two_seasons_asks_for_another_field(store: Store, path: Path) -> None:
    write(path, [SQUARE, wkb((500, 0), (600, 0), (600, 99))], year=[2018, 2019], sensor=["S2"] * 2)

    line = refused(store, path, scene_field="sensor")

    assert line.startswith("2 scene 'mine:S2' has footprints of seasons 2018 and 2019")


def test_a_looked_at_file_that_is_missing_stores_nothing(store: Store, path: Path) -> None:
    line = refused(store, write(path, [SQUARE]), looked_at=str(path.with_name("aoi.gpkg")))

    assert line == f"1 {path.with_name('aoi.gpkg')}: no such file"


def test_files_without_a_word_on_their_place_store_nothing(store: Store, path: Path) -> None:
    assert refused(store, write(path, [SQUARE], crs=None)).startswith(f"1 {path}: no CRS")


def test_a_full_disk_is_told(
    store: Store, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "0.arrow").symlink_to("/dev/full")

    @contextmanager
    def full_folder(prefix: str) -> Iterator[str]:
        del prefix
        yield str(spool)

    monkeypatch.setattr(importing, "TemporaryDirectory", full_folder)

    assert refused(store, write(path, [SQUARE])).startswith("1 no space left for temporary files")


def test_a_fault_while_storing_leaves_nothing_half_stored(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise InputError("the run could not be recorded")

    monkeypatch.setattr(importing, "record_run", break_down)

    assert refused(store, write(path, [SQUARE]), looked_at="hull").startswith("1 the run")


SEASONS = [2019, 2019, 1899, 2101, 2019, None, 2019, 2019, 2019, 2019, 2019, 2019]
DATES = ["2019-08-01", None, None, None, "2018-08-01", None, "x", None, None, None, None, None]
IDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, None, 2, 12]
SHAPES = [
    wkb((0, 0), (100, 0), (100, 100), (0, 100)),
    wkb((200, 0), (300, 100), (300, 0), (200, 100)),  # a figure of eight
    SQUARE,
    SQUARE,
    SQUARE,
    SQUARE,
    wkb((400, 0, 5), (500, 0, 6), (500, 100, 7)),
    wkb((0, 0), (50, 0), (100, 0)),
    wkb((0, 0), (100, np.nan), (100, 100)),
    wkb((600, 0), (700, 0), (700, 100)),
    wkb((800, 0), (900, 0), (900, 100)),
    None,
]


@pytest.fixture
def faulty(path: Path) -> Path:
    return write(
        path,
        SHAPES,
        year=pa.array(SEASONS, pa.int64()),
        seen=pa.array(DATES, pa.string()),
        id=pa.array(IDS, pa.int64()),
    )


def test_features_with_faults_are_repaired_or_skipped_and_listed(
    store: Store, faulty: Path
) -> None:
    report = imported(store, faulty, date_field="seen", id_field="id")

    assert report.n_read == 12
    assert report.skipped == (
        Fault("slumps:3", "season 1899 outside 1900-2100"),
        Fault("slumps:4", "season 2101 outside 1900-2100"),
        Fault("slumps:5", "date 2018-08-01 contradicts season 2019"),
        Fault("slumps:6", "neither season nor date"),
        Fault("slumps:8", "zero area"),
        Fault("slumps:9", "NaN or infinite coordinate"),
        Fault("slumps:12", "no geometry"),
    )
    assert [fault[0] for fault in report.repaired] == [
        "slumps:2",
        "slumps:7",
        "slumps:#10",
        "slumps:2#11",
    ]
    assert report.repaired[1].reason == "'x' is no date: only the season is kept; Z dropped"
    assert report.repaired[2].reason == "no id"
    assert report.repaired[3].reason == "id 2 is repeated"
    stored = store.read("footprint", ["source_feature_id", "area_m2"]).to_pylist()
    assert {row["source_feature_id"] for row in stored} == {
        "slumps:1",
        "slumps:2",
        "slumps:7",
        "slumps:#10",
        "slumps:2#11",
    }
    assert report.added == 5


def test_a_repair_that_changes_an_area_beyond_its_sigma_tells_both_areas(
    store: Store, faulty: Path
) -> None:
    report = imported(store, faulty, date_field="seen", id_field="id")

    reason = report.repaired[0].reason
    assert reason.startswith("self-intersection repaired: 0.0 -> 5,00")
    assert "more than its sigma of" in reason


def test_strict_stores_nothing_and_names_the_first_faults(store: Store, faulty: Path) -> None:
    line = refused(store, faulty, date_field="seen", id_field="id", is_strict=True)

    assert line.startswith("1 11 features with faults, nothing stored: slumps:3: season 1899")
    assert line.endswith("; and 6 more")


def test_strict_takes_what_is_without_fault(store: Store, path: Path) -> None:
    assert imported(store, write(path, [SQUARE]), is_strict=True).added == 1


def test_an_open_ring_is_closed_and_told(store: Store, path: Path) -> None:
    ring = wkb((0, 0), (100, 0), (100, 100), (0, 100), closed=False)

    report = imported(store, write(path, [ring]))

    assert report.repaired == (Fault("slumps:1", "ring closed"),)


def test_the_same_outline_twice_in_one_look_is_one_footprint(store: Store, path: Path) -> None:
    report = imported(store, write(path, [SQUARE, SQUARE]))

    assert report.skipped == (Fault("slumps:2", "the same outline as slumps:1"),)
    assert report.added == 1


def test_the_same_outline_in_another_season_is_another_footprint(store: Store, path: Path) -> None:
    report = imported(store, write(path, [SQUARE, SQUARE], year=[2019, 2020]))

    assert (report.added, report.skipped) == (2, ())


def test_metres_in_a_file_that_says_degrees_are_skipped(store: Store, path: Path) -> None:
    report = imported(store, write(path, [SQUARE], crs="EPSG:4326"))

    assert report.skipped == (Fault("slumps:1", "lies outside its CRS (EPSG:4326)"),)


def test_another_kind_for_a_source_that_is_there_is_a_matter_of_usage(
    store: Store, path: Path
) -> None:
    imported(store, write(path, [SQUARE]))

    with pytest.raises(UsageError, match="'mine' is landform in this store, not active_zone"):
        imported(store, path, kind="active_zone")
