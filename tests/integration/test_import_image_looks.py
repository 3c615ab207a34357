"""A file of image footprints that names the scenes is a measurement of what was looked at."""

import numpy as np
import pyogrio.raw
import pytest
import shapely

from rts_track.errors import InputError
from rts_track.source.request import ImportRequest
from rts_track.steps.importing import import_footprints

REQUEST = {"source": "survey", "season_field": "year", "scene_field": "image", "gsd_m": 3.0}


def write(path, boxes, **fields):
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array([shapely.box(*box) for box in boxes], dtype=object)),
        field_data=[np.array(values) for values in fields.values()],
        fields=list(fields),
        driver="GPKG",
        geometry_type="Polygon",
        crs="EPSG:4326",
    )
    return path


@pytest.fixture
def slumps(tmp_path):
    boxes = [(10, 70, 10.01, 70.01), (10.2, 70, 10.21, 70.01)]
    return write(tmp_path / "slumps.gpkg", boxes, year=[2020, 2021], image=["a", "b"])


def test_each_image_is_a_measured_look_even_one_without_slumps(store, slumps, tmp_path):
    everywhere = [(9.9, 69.9, 10.5, 70.1)] * 3
    looks = write(
        tmp_path / "looks.gpkg", everywhere, year=[2020, 2021, 2021], image=["a", "b", "empty"]
    )
    import_footprints(store, [slumps], ImportRequest(**REQUEST, looked_at=str(looks)))
    found = {row["scene_id"]: row for row in store.read("look").to_pylist()}
    assert sorted(found) == ["survey:a", "survey:b", "survey:empty"]
    assert {row["basis"] for row in found.values()} == {"measured"}
    for row in store.read("footprint").to_pylist():
        assert row["look_id"] == found[row["scene_id"]]["look_id"]
        assert not row["is_clipped"]


def test_a_slump_at_the_edge_of_its_image_is_clipped(store, slumps, tmp_path):
    images = [(9.9, 69.9, 10.005, 70.1), (9.9, 69.9, 10.5, 70.1)]
    looks = write(tmp_path / "looks.gpkg", images, year=[2020, 2021], image=["a", "b"])
    import_footprints(store, [slumps], ImportRequest(**REQUEST, looked_at=str(looks)))
    clipped = {row["scene_id"]: row["is_clipped"] for row in store.read("footprint").to_pylist()}
    assert clipped == {"survey:a": True, "survey:b": False}


def test_a_file_that_names_no_images_is_merely_a_statement(store, slumps, tmp_path):
    looks = write(tmp_path / "area.gpkg", [(9.9, 69.9, 10.5, 70.1)], year=[2020])
    import_footprints(store, [slumps], ImportRequest(**REQUEST, looked_at=str(looks)))
    assert {row["basis"] for row in store.read("look").to_pylist()} == {"assumed"}


def test_an_image_footprint_without_a_name_is_refused_and_nothing_stored(store, slumps, tmp_path):
    looks = write(tmp_path / "looks.gpkg", [(9.9, 69.9, 10.5, 70.1)], year=[2020], image=[""])
    with pytest.raises(InputError, match="looks:1: no image"):
        import_footprints(store, [slumps], ImportRequest(**REQUEST, looked_at=str(looks)))
    assert store.count("footprint") == 0
