"""ARTS in and out: what its rows say of one another is a person's word, and comes out again."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import pytest
import shapely

from rts_track.steps.arts_exporting import export_arts
from rts_track.steps.exporting import export
from rts_track.steps.import_report import import_lines
from rts_track.steps.importing import ImportRequest, import_footprints
from rts_track.steps.linking import link
from rts_track.steps.verdicts import read_rulings
from rts_track.store.base import Store, open_reader, open_store

ORIGIN = (500_000.0, 7_500_000.0)  # in UTC zone 8
RELATIONS = ("RepeatRTS", "MergedRTS", "SplitRTS", "NewRTS", "StabilizedRTS", "UnknownRelationship")


def row(uid: str, year: int, box: tuple[int, int, int, int], **more: object) -> dict[str, object]:
    west, south, east, north = box
    x, y = ORIGIN
    return {
        "CentroidLat": 67.0,
        "CentroidLon": -135.0,
        "RegionName": "Peel",
        "CreatorLab": "Lab of Ada",
        "BaseMapDate": f"{year}-07-20",
        "BaseMapSource": "PlanetScope",
        "BaseMapResolution": 3.0,
        "TrainClass": "Positive",
        "LabelType": "Polygon",
        "ContributionDate": "2024-02-01",
        "UID": uid,
        **dict.fromkeys(RELATIONS),
        **more,
        "geometry": shapely.box(x + west, y + south, x + east, y + north),
    }


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    geopandas.GeoDataFrame(rows, crs="EPSG:32608").to_file(path)
    return path


def taken(store: Store, path: Path):
    return import_footprints(store, [path], ImportRequest(reader="arts"))


def pairs(store: Store) -> dict[tuple[str, str], tuple[str, str | None]]:
    """UIDs of each judged link -> ruling and kind."""
    rows = store.read("footprint", ["footprint_id", "source_feature_id"]).to_pylist()
    uid = {row["footprint_id"]: row["source_feature_id"].partition(":")[2] for row in rows}
    return {
        (uid[pair.from_footprint], uid[pair.to_footprint]): (pair.ruling, pair.link_kind)
        for pair in read_rulings(store, "landform").pairs
    }


def test_the_same_slump_is_linked_through_its_successive_seasons(store: Store, tmp_path: Path):
    rows = [
        row("a18", 2018, (0, 0, 60, 50)),
        row("a19", 2019, (200, 0, 260, 50), RepeatRTS="a18"),
        row("a21", 2021, (400, 0, 460, 50), RepeatRTS="a18, a19"),
    ]
    report = taken(store, write(tmp_path / "arts.geojson", rows))
    assert (report.verdicts, report.unrelated) == (2, ())
    main = ("relink", "main")
    assert pairs(store) == {("a18", "a19"): main, ("a19", "a21"): main}
    (verdict, *_) = store.read("verdict").to_pylist()
    assert verdict["decided_by"] == "Lab of Ada"
    assert f"{verdict['decided_at']:%Y-%m-%d}" == "2024-02-01"
    assert verdict["reason"] in ("RepeatRTS of a19", "RepeatRTS of a21")


def test_of_what_merged_or_split_the_one_that_shares_most_goes_on(store: Store, tmp_path: Path):
    rows = [
        row("big", 2018, (0, 0, 100, 60)),
        row("small", 2018, (110, 0, 160, 60)),
        row("both", 2019, (0, 0, 165, 60), MergedRTS="big;small"),
        row("whole", 2018, (0, 500, 160, 560)),
        row("most", 2019, (0, 500, 100, 560), SplitRTS="whole"),
        row("rest", 2019, (110, 500, 160, 560), SplitRTS="whole"),
    ]
    taken(store, write(tmp_path / "arts.geojson", rows))
    assert pairs(store) == {
        ("big", "both"): ("relink", "main"),
        ("small", "both"): ("relink", "merge"),
        ("whole", "most"): ("relink", "main"),
        ("whole", "rest"): ("relink", "split"),
    }


def test_what_is_called_the_same_goes_on_whatever_shares_most(store: Store, tmp_path: Path):
    rows = [
        row("big", 2018, (0, 0, 100, 60)),
        row("small", 2018, (110, 0, 160, 60)),
        row("both", 2019, (0, 0, 165, 60), MergedRTS="big,small", RepeatRTS="small"),
    ]
    taken(store, write(tmp_path / "arts.geojson", rows))
    assert pairs(store) == {
        ("big", "both"): ("relink", "merge"),
        ("small", "both"): ("relink", "main"),
    }


def test_a_relation_may_be_told_in_the_earlier_polygons_row(store: Store, tmp_path: Path):
    rows = [
        row("one", 2018, (0, 0, 60, 50), MergedRTS="both"),
        row("two", 2018, (70, 0, 130, 50), MergedRTS="both"),
        row("both", 2019, (0, 0, 130, 50)),
    ]
    taken(store, write(tmp_path / "arts.geojson", rows))
    assert set(pairs(store)) == {("one", "both"), ("two", "both")}


@pytest.mark.parametrize("told_by", ["scar", "slump", "both"])
def test_a_new_slump_on_a_scar_is_not_the_same_slump(store: Store, tmp_path: Path, told_by: str):
    rows = [
        row("old", 2018, (0, 0, 60, 50), NewRTS="new" if told_by != "slump" else None),
        row("new", 2022, (10, 10, 40, 40), StabilizedRTS="old" if told_by != "scar" else None),
    ]
    taken(store, write(tmp_path / "arts.geojson", rows))
    assert pairs(store) == {("old", "new"): ("reject", None)}


def test_what_cannot_be_related_is_told_and_comes_in_all_the_same(store: Store, tmp_path: Path):
    rows = [
        row("a", 2018, (0, 0, 60, 50), MergedRTS="nobody", RepeatRTS="None", SplitRTS="b"),
        row("b", 2018, (100, 0, 160, 50)),
        row("c", 2018, (200, 0, 260, 50), RepeatRTS="a"),
    ]
    report = taken(store, write(tmp_path / "arts.geojson", rows))
    assert report.added == 3
    assert dict.fromkeys(report.unrelated) == {
        ("a", "MergedRTS names nobody, which is not here"): None,
        ("a", "SplitRTS names b of its own season"): None,
    }
    assert "2 relations passed over:" in list(import_lines(report))
    assert store.count("verdict") == 0


def test_the_same_import_again_adds_no_verdict(store: Store, tmp_path: Path):
    rows = [row("a18", 2018, (0, 0, 60, 50)), row("a19", 2019, (0, 0, 70, 50), RepeatRTS="a18")]
    path = write(tmp_path / "arts.geojson", rows)
    assert taken(store, path).verdicts == 1
    runs = store.count("run")
    assert taken(store, path).verdicts == 0
    assert (store.count("verdict"), store.count("run")) == (1, runs)


def test_without_a_lab_or_a_date_a_relation_is_arts_own_of_the_later_image(
    store: Store, tmp_path: Path
):
    rows = [
        row("a18", 2018, (0, 0, 60, 50), CreatorLab=None, ContributionDate=None),
        row("a19", 2019, (0, 0, 70, 50), RepeatRTS="a18", CreatorLab=None, ContributionDate=None),
    ]
    taken(store, write(tmp_path / "arts.geojson", rows))
    (verdict,) = store.read("verdict").to_pylist()
    assert verdict["decided_by"] == "ARTS"
    assert f"{verdict['decided_at']:%Y-%m-%d}" == "2019-07-20"


def exported(store: Store, path: Path) -> dict[str, dict[str, object]]:
    """The features written to the path, by UID."""
    export_arts(store, path)
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    return {feature["properties"]["UID"]: feature["properties"] for feature in features}


def relations_of(features: dict[str, dict[str, object]]) -> dict[tuple[str, str], set[str]]:
    return {
        (uid, column): set(str(feature[column]).split(","))
        for uid, feature in features.items()
        for column in RELATIONS
        if feature[column] is not None
    }


FAMILY = [
    row("a18", 2018, (0, 0, 60, 50)),
    row("a19", 2019, (0, 0, 70, 50)),
    row("a20", 2020, (0, 0, 80, 50)),
    row("big17", 2017, (0, 500, 128, 560)),
    row("small17", 2017, (142, 500, 165, 560)),
    row("big", 2018, (0, 500, 130, 560)),
    row("small", 2018, (140, 500, 165, 560)),
    row("both", 2019, (0, 500, 165, 560)),
    row("whole", 2018, (0, 900, 165, 960)),
    row("most", 2019, (0, 900, 130, 960)),
    row("rest", 2019, (140, 900, 165, 960)),
    row("most20", 2020, (0, 900, 130, 965)),
    row("rest20", 2020, (140, 900, 165, 965)),
    row("old", 2018, (0, 1400, 60, 1450), NewRTS="new"),
    row("new", 2020, (300, 1400, 330, 1430), StabilizedRTS="old"),
]
"""Slumps that go on, merge after two seasons apart, split for two seasons, and begin on a scar."""


def test_links_come_out_in_the_columns_of_arts(store: Store, tmp_path: Path):
    taken(store, write(tmp_path / "arts.geojson", FAMILY))
    link(store)
    features = exported(store, tmp_path / "out.geojson")
    assert relations_of(features) == {
        ("a18", "RepeatRTS"): {"a19"},
        ("a19", "RepeatRTS"): {"a18", "a20"},
        ("a20", "RepeatRTS"): {"a19"},
        ("big17", "RepeatRTS"): {"big"},
        ("small17", "RepeatRTS"): {"small"},
        ("big", "RepeatRTS"): {"big17", "both"},
        ("small", "RepeatRTS"): {"small17"},
        ("both", "RepeatRTS"): {"big"},
        ("both", "MergedRTS"): {"big", "small"},
        ("whole", "RepeatRTS"): {"most"},
        ("most", "RepeatRTS"): {"whole", "most20"},
        ("most", "SplitRTS"): {"whole"},
        ("rest", "RepeatRTS"): {"rest20"},
        ("rest", "SplitRTS"): {"whole"},
        ("most20", "RepeatRTS"): {"most"},
        ("rest20", "RepeatRTS"): {"rest"},
        ("old", "NewRTS"): {"new"},
        ("new", "StabilizedRTS"): {"old"},
    }
    assert features["a18"]["BaseMapDate"] == "2018-07-20"
    assert features["a18"]["CreatorLab"] == "Lab of Ada"
    assert "computed" in str(features["a18"]["RelationshipBy"])
    assert features["new"]["RelationshipBy"] == "Lab of Ada"


def test_what_goes_out_and_comes_in_again_is_related_as_before(store: Store, tmp_path: Path):
    taken(store, write(tmp_path / "arts.geojson", FAMILY))
    link(store)
    first = exported(store, tmp_path / "out.geojson")
    with open_store(f"duckdb:///{tmp_path / 'again.duckdb'}") as again:
        again.init()
        report = taken(again, tmp_path / "out.geojson")
        assert (report.added, report.unrelated) == (len(FAMILY), ())
        assert ("a18", "a19") in pairs(again)
        assert pairs(again)["small", "both"] == ("relink", "merge")
        assert pairs(again)["big", "both"] == ("relink", "main")
        assert pairs(again)["whole", "rest"] == ("relink", "split")
        link(again)
        second = exported(again, tmp_path / "again.geojson")
    assert relations_of(second) == relations_of(first)
    assert second.keys() == first.keys()


def test_an_ambiguous_link_is_an_unknown_relationship(store: Store, tmp_path: Path):
    taken(store, write(tmp_path / "arts.geojson", FAMILY[:2]))
    link(store)
    table = store.read("link")
    column = table.schema.get_field_index("is_ambiguous")
    store.upsert("link", table.set_column(column, table.schema.field(column), [[True]]))
    assert relations_of(exported(store, tmp_path / "out.geojson")) == {
        ("a18", "UnknownRelationship"): {"a19"},
        ("a19", "UnknownRelationship"): {"a18"},
    }


def test_footprints_of_other_sources_get_their_id_for_a_uid(story, tmp_path: Path):
    story.scene("s", 2018)
    story.scene("t", 2018)
    one = story.slump(2018, "1", (0, 0, 60, 50), scene="s")
    other = story.slump(2018, "1", (1, 0, 61, 50), scene="t")
    later = story.slump(2019, "1", (0, 0, 70, 50))
    link(story.store)
    features = exported(story.store, tmp_path / "out.geojson")
    assert set(features) == {one, other, later}
    speaker = min(one, other)
    assert relations_of(features)[later, "RepeatRTS"] == {speaker}
    assert relations_of(features)[one, "RepeatRTS"] == {other, later}
    assert features[one]["BaseMapID"] == "s"


def test_export_writes_arts_beside_the_tables_and_from_an_export(store: Store, tmp_path: Path):
    taken(store, write(tmp_path / "arts.geojson", FAMILY))
    link(store)
    report = export(store, tmp_path / "out", arts=True)
    assert (report.tables[-1].name, report.tables[-1].n_rows) == ("arts", len(FAMILY))
    written = (tmp_path / "out" / "arts.geojson").read_text(encoding="utf-8")
    with open_reader(f"parquet:///{tmp_path / 'out'}") as reader:
        export_arts(reader, tmp_path / "from_parquet.geojson")
    assert (tmp_path / "from_parquet.geojson").read_text(encoding="utf-8") == written
    assert len(geopandas.read_file(tmp_path / "out" / "arts.geojson")) == len(FAMILY)


def test_nothing_linked_makes_an_empty_file_that_can_be_read(store: Store, tmp_path: Path):
    assert export_arts(store, tmp_path / "out.geojson") == 0
    assert json.loads((tmp_path / "out.geojson").read_text(encoding="utf-8"))["features"] == []


def test_relations_that_arts_tells_are_links_by_a_person(store: Store, tmp_path: Path):
    rows = [
        row("a18", 2018, (0, 0, 60, 50)),
        row("a21", 2021, (400, 0, 460, 50), RepeatRTS="a18"),
        row("big", 2018, (0, 500, 100, 560)),
        row("small", 2018, (110, 500, 160, 560)),
        row("both", 2019, (0, 500, 165, 560), MergedRTS="big;small"),
        row("old", 2018, (0, 900, 60, 950), NewRTS="new"),
        row("new", 2019, (10, 910, 40, 940), StabilizedRTS="old"),
    ]
    taken(store, write(tmp_path / "arts.geojson", rows))
    link(store)
    outline_of = {
        one["outline_id"]: one["source_feature_id"].partition(":")[2]
        for one in store.read("footprint", ["outline_id", "source_feature_id"]).to_pylist()
    }
    assert {
        (outline_of[one["from_outline_id"]], outline_of[one["to_outline_id"]]): (
            one["kind"],
            one["origin"],
            one["confidence"],
        )
        for one in store.read("link").to_pylist()
    } == {
        ("a18", "a21"): ("main", "person", 1.0),
        ("big", "both"): ("main", "person", 1.0),
        ("small", "both"): ("merge", "person", 1.0),
    }
    track_of = {
        outline_of[one["outline_id"]]: one["track_id"]
        for one in store.read("outline", ["outline_id", "track_id"]).to_pylist()
    }
    assert track_of["a18"] == track_of["a21"]
    assert track_of["old"] != track_of["new"]
    (event,) = store.read("event", scope={"kind": "merge"}).to_pylist()
    assert (event["track_id"], event["related_track_id"]) == (track_of["small"], track_of["both"])
