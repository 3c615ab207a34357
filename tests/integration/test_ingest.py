"""`ingest`: scenes come in with what of them is clear, once, each whole or not at all."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.errors import UsageError
from rts_track.source.dates import period_of
from rts_track.source.scenes import open_scene
from rts_track.steps import ingesting
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.store.base import Store

PLANET = "planetscope:20210722_210957_92_2212"
TABLES = ("source", "scene", "run", "look")


def taken(store: Store, *paths: Path, **asked):
    report = ingest(store, paths, IngestRequest(**asked))
    assert report.faults == ()
    return report


def refused(store: Store, *paths: Path, **asked) -> str:
    """The one fault of an ingest that changed nothing."""
    before = contents(store)
    report = ingest(store, paths, IngestRequest(**asked))
    (fault,) = report.faults
    assert "\n" not in fault.reason
    assert contents(store) == before
    return fault.reason


def contents(store: Store) -> dict[str, list[dict]]:
    return {table: store.read(table).to_pylist() for table in TABLES}


def scene_of(store: Store, scene_id: str = PLANET) -> dict:
    (row,) = store.read("scene", scope={"scene_id": scene_id}).to_pylist()
    return row


def area_m2(wkb: bytes) -> float:
    return float(grid.to_metric(np.array([shapely.from_wkb(wkb)], dtype=object))[0].area)


def add_look(store: Store, scene_id: str) -> None:
    """A search of the scene, as `detect` would leave it."""
    scene = scene_of(store, scene_id)
    row = {
        "look_id": f"look of {scene_id}",
        "source": scene["source"],
        "scene_id": scene_id,
        "run_id": store.read("run", ["run_id"])["run_id"][0].as_py(),
        "season_year": scene["season_year"],
        "from_on": scene["observed_from"],
        "to_on": scene["observed_to"],
        "basis": "measured",
        "status": "done",
        "is_current": True,
        "looked_area_m2": 1.0,
        "geometry": scene["geometry"],
    }
    schema = arrow_schema("look")
    schema = pa.schema([schema.field(name) for name in row])
    store.upsert("look", pa.Table.from_pylist([row], schema=schema))


def is_looked_at(store: Store) -> bool:
    (row,) = store.read("look", ["is_current"]).to_pylist()
    return row["is_current"]


def half_clear(products, size=(40, 40)) -> np.ndarray:
    """A UDM2 whose western half is cloud."""
    mask = products.udm2(size)
    mask[0, :, : size[1] // 2] = 0
    mask[5, :, : size[1] // 2] = 1
    return mask


@pytest.fixture
def image(tmp_path: Path, products) -> Path:
    """A PSScene of 40 x 40 pixels of 10 m, half of it cloud."""
    return products.psscene(
        tmp_path / "scenes",
        values=products.image(size=(40, 40)),
        mask=half_clear(products),
        gsd_m=10.0,
    )


def test_a_scene_is_registered_with_its_facts(store: Store, image: Path) -> None:
    report = taken(store, image.parent)

    assert report.count("added") == 1
    row = scene_of(store)
    assert row["source"] == "planetscope"
    assert row["season_year"] == 2021
    assert row["observed_from"] == row["observed_to"] == dt.date(2021, 7, 22)
    assert row["acquired_at"] == dt.datetime(2021, 7, 22, 21, 9, 57, 921234, tzinfo=dt.UTC)
    assert row["gsd_m"] == 10.0
    assert row["cloud_frac"] == 0.5
    assert len(row["content_sha256"]) == 64
    assert open_scene(row["uri"]).product == image.name.removesuffix("_3B_AnalyticMS_SR.tif")
    assert area_m2(row["geometry"]) == pytest.approx(400**2 / 0.9996**2, rel=2e-3)
    assert area_m2(row["clear_geometry"]) == pytest.approx(400 * 200, rel=0.06)
    (source,) = store.read("source").to_pylist()
    assert {name: source[name] for name in ("source", "kind", "mapper", "sensor")} == {
        "source": "planetscope",
        "kind": "landform",
        "mapper": "model",
        "sensor": "planetscope",
    }
    assert (source["gsd_m"], source["delineation_sigma_m"]) == (10.0, 5.0)
    (run,) = store.read("run").to_pylist()
    assert run["step"] == "ingest"
    assert store.count("look") == 0


def test_the_same_again_changes_nothing(store: Store, image: Path) -> None:
    taken(store, image.parent)
    before = contents(store)

    report = taken(store, image.parent, image)

    assert report.count("unchanged") == 1
    assert contents(store) == before


def test_the_same_again_reads_no_pixels_and_no_content(
    store: Store, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(store, image.parent)

    def read(*args: object) -> str:
        raise AssertionError("was read")

    monkeypatch.setattr(ingesting, "survey", read)
    with monkeypatch.context() as patched:
        patched.setattr(ingesting, "content_sha256", read)
        assert taken(store, image.parent).count("unchanged") == 1
    image.touch()
    before = contents(store)
    assert taken(store, image.parent).count("unchanged") == 1
    assert contents(store) == before
    monkeypatch.setattr(ingesting, "content_sha256", read)
    assert taken(store, image.parent).count("unchanged") == 1


def test_a_scene_that_moved_keeps_its_look(store: Store, image: Path, tmp_path: Path) -> None:
    taken(store, image.parent)
    add_look(store, PLANET)
    moved = shutil.move(image.parent, tmp_path / "archive")

    report = taken(store, moved)

    assert report.count("updated") == 1
    assert scene_of(store)["uri"].startswith(Path(moved).as_uri())
    assert is_looked_at(store)


def test_a_scene_whose_content_changed_is_to_be_searched_again(
    store: Store, image: Path, products
) -> None:
    taken(store, image.parent)
    add_look(store, PLANET)
    products.write_tiff(image, products.image(size=(40, 40), first=1500))

    report = taken(store, image.parent)

    assert report.count("updated") == 1
    assert [each.n_superseded for each in report.registered] == [1]
    assert "1 former searches of these no longer count: detect again" in list(report.lines())
    assert not is_looked_at(store)


def test_a_scene_that_is_read_otherwise_is_to_be_searched_again(
    store: Store, tmp_path: Path, products
) -> None:
    path = products.write_tiff(tmp_path / "S2_20210821T210019_T08WMA.tif", products.image(1))
    taken(store, path, bands=("B2",))
    add_look(store, f"sentinel2:{path.stem}")

    report = taken(store, path, bands=("B2",), offset=-0.05)

    assert report.count("updated") == 1
    assert not is_looked_at(store)


def test_a_season_that_is_not_of_the_date_is_refused(store: Store, image: Path) -> None:
    taken(store, image.parent)
    assert taken(store, image.parent, season_year=2021).count("unchanged") == 1
    clash = refused(store, image.parent, season_year=2020)
    assert "date 2021-07-22 contradicts season 2020" in clash
    mosaic = period_of("2020-12-30..2021-07-22")
    assert "lie in several seasons" in refused(store, image.parent, period=mosaic)


def test_a_mosaic_that_is_put_into_another_season_is_to_be_searched_again(
    store: Store, image: Path
) -> None:
    mosaic = period_of("2020-12-30..2021-07-22")
    taken(store, image.parent, period=mosaic, season_year=2020)
    add_look(store, PLANET)

    report = taken(store, image.parent, period=mosaic, season_year=2021)

    assert report.count("updated") == 1
    assert scene_of(store)["season_year"] == 2021
    assert not is_looked_at(store)


def test_all_cloud_is_a_scene_without_clear_sky(store: Store, tmp_path: Path, products) -> None:
    mask = products.udm2()
    mask[0] = 0
    mask[5] = 1
    products.psscene(tmp_path, mask=mask)

    report = taken(store, tmp_path)

    row = scene_of(store)
    assert row["clear_geometry"] is None
    assert row["cloud_frac"] == 1.0
    assert f"nothing clear: {PLANET}" in list(report.lines())


def test_a_scene_without_a_mask_says_so(store: Store, tmp_path: Path, products) -> None:
    products.psscene(tmp_path, mask=False)

    assert "no UDM2 beside it" in refused(store, tmp_path)
    report = taken(store, tmp_path, is_mask_optional=True)

    assert f"no mask, all valid pixels count as clear: {PLANET}" in list(report.lines())
    row = scene_of(store)
    assert row["uri"].endswith("mask=none")
    assert row["cloud_frac"] == 0.03
    assert area_m2(row["clear_geometry"]) == pytest.approx(area_m2(row["geometry"]), rel=1e-3)


def test_several_sensors_are_several_sources(store: Store, tmp_path: Path, products) -> None:
    products.psscene(tmp_path)
    products.safe(tmp_path)
    products.landsat(tmp_path)

    taken(store, tmp_path)

    sources = store.read("source", ["source", "gsd_m"]).to_pylist()
    assert {row["source"]: row["gsd_m"] for row in sources} == {
        "landsat": 30.0,
        "planetscope": 3.0,
        "sentinel2": 10.0,
    }
    assert store.count("run") == 3


def test_a_source_is_of_one_sensor(store: Store, tmp_path: Path, products) -> None:
    products.psscene(tmp_path / "planet")
    products.landsat(tmp_path / "landsat")
    taken(store, tmp_path / "planet", source="ours")

    line = refused(store, tmp_path / "landsat", source="ours")

    assert "source 'ours' is on planetscope, not landsat; name another --source" in line


def test_a_source_of_people_searches_no_scenes(
    store: Store, tmp_path: Path, products, story
) -> None:
    del story  # has a source `survey`, of a person
    products.psscene(tmp_path)
    line = refused(store, tmp_path, source="survey")
    assert "source 'survey' is outlines that people drew; name another --source" in line


def test_two_products_of_one_id_that_differ_are_refused(
    store: Store, tmp_path: Path, products
) -> None:
    products.psscene(tmp_path)
    products.psscene(tmp_path, clipped=True, values=products.image(size=(4, 4)))

    line = refused(store, tmp_path)

    assert line.count("AnalyticMS_SR") == 2
    assert f"differ, but both would be scene {PLANET}: ingest the one you mean" in line


def test_copies_of_one_product_are_one_scene(store: Store, image: Path, tmp_path: Path) -> None:
    shutil.copytree(image.parent, tmp_path / "scenes" / "copy")
    assert taken(store, tmp_path / "scenes").count("added") == 1
    assert store.count("scene") == 1


def test_another_product_of_a_registered_id_is_refused_while_that_is_there(
    store: Store, image: Path, tmp_path: Path, products
) -> None:
    taken(store, image.parent)
    products.psscene(tmp_path / "other")

    line = refused(store, tmp_path / "other")
    assert f"is registered from {image}, which differs and is still there" in line

    shutil.rmtree(image.parent)
    assert taken(store, tmp_path / "other").count("updated") == 1


def test_an_ingest_killed_between_reading_and_registering_leaves_no_trace(
    store: Store, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(store)

    def killed(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ingesting, "record_run", killed)
        with pytest.raises(KeyboardInterrupt):
            taken(store, image.parent)
    assert contents(store) == before

    assert taken(store, image.parent).count("added") == 1


def test_a_wrong_request_stores_nothing(store: Store, image: Path) -> None:
    before = contents(store)
    with pytest.raises(UsageError, match="reader 'modis'"):
        ingest(store, [image], IngestRequest(reader="modis"))
    assert contents(store) == before
