"""Questions to a STAC API: where, across 180 degrees, too, and within what files show."""

import json

import pytest
import shapely

from rts_track.errors import UsageError
from rts_track.source.stac_query import bboxes_in, stac_query


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("-136.5,67.9,-135,68.6", [(-136.5, 67.9, -135.0, 68.6)]),
        ("178,70,-178,72", [(178.0, 70.0, 180.0, 72.0), (-180.0, 70.0, -178.0, 72.0)]),
        ("178,70,182,72", [(178.0, 70.0, 180.0, 72.0), (-180.0, 70.0, -178.0, 72.0)]),
        ("-182,70,-178,72", [(178.0, 70.0, 180.0, 72.0), (-180.0, 70.0, -178.0, 72.0)]),
        ("190,70,200,72", [(-170.0, 70.0, -160.0, 72.0)]),
        ("-180,60,180,90", [(-180.0, 60.0, 180.0, 90.0)]),
        ("178,70,180,72", [(178.0, 70.0, 180.0, 72.0)]),
        ("180,70,-178,72", [(-180.0, 70.0, -178.0, 72.0)]),
        (" 1, 2, 3, 4 ", [(1.0, 2.0, 3.0, 4.0)]),
    ],
)
def test_a_box_across_180_degrees_is_two(text, boxes):
    assert list(bboxes_in(text)) == boxes


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,70,0,71", "0,71,1,70", "0,-91,1,0", "0,0,inf,1"],
)
def test_what_is_no_box_is_told_with_an_example(text):
    with pytest.raises(UsageError, match="expected west,south,east,north in degrees, such as"):
        bboxes_in(text)


def asked(folder, *polygons):
    """The geometry that is asked for where a file holds these polygons in degrees."""
    file = folder / "area.geojson"
    features = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(polygon)}
        for polygon in polygons
    ]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    query = stac_query("https://host", ["c"], area=file)
    return shapely.geometry.shape(query.intersects)


@pytest.mark.parametrize(
    "polygons",
    [
        [shapely.box(-136.0, 68.0, -135.0, 68.5)],
        [shapely.box(-136.0, 68.0, -135.0, 68.5), shapely.box(100.0, 70.0, 101.0, 71.0)],
        [shapely.box(178.0, 70.0, 180.0, 71.0), shapely.box(-180.0, 70.0, -178.0, 71.0)],
        [shapely.Point(-135.0, 68.0).buffer(1.0, quad_segs=200)],
    ],
)
def test_an_area_is_asked_for_wholly_and_with_little_around_it(tmp_path, polygons):
    meant = shapely.union_all(polygons)
    geometry = asked(tmp_path, *polygons)
    assert geometry.is_valid
    assert geometry.buffer(1e-3).covers(meant)
    assert geometry.area < meant.area * 1.25
    assert shapely.get_num_coordinates(geometry) < 300
    assert -180.0 <= geometry.bounds[0] <= geometry.bounds[2] <= 180.0


def test_an_area_of_many_parts_is_asked_for_as_its_hull(tmp_path):
    polygons = [shapely.box(x, 68.0, x + 0.1, 68.05) for x in range(-160, -60)]
    geometry = asked(tmp_path, *polygons)
    assert geometry.geom_type == "Polygon"
    assert shapely.get_num_coordinates(geometry) < 300
    assert geometry.buffer(1e-3).covers(shapely.union_all(polygons))


def test_an_area_that_holds_the_pole_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds the North Pole"):
        asked(tmp_path, *[shapely.box(x, 80.0, x + 90.0, 90.0) for x in range(-180, 180, 90)])
