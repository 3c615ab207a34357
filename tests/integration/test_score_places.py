"""`score` against a truth of places: boxes of metres that truly lay there, and what was found."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from typer.testing import CliRunner

from rts_track import grid
from rts_track.cli import app
from rts_track.errors import InputError
from rts_track.steps.linking import link
from rts_track.steps.measuring import measure
from rts_track.steps.place_score import PlaceScore
from rts_track.steps.scoring import score

EVERYWHERE = (-1000, -1000, 1000, 1000)
HOME = (0, 0, 60, 60)
AWAY = (300, 0, 360, 60)


class World:
    """What is true, and a store of what searches found; both in one frame of metres."""

    def __init__(self, story, folder):
        self.story = story
        self.store = story.store
        self.folder = folder
        self.outlines, self.events, self.shifts = [], [], []
        self.look_of = {}

    def true(self, season, **slumps):
        """Where slumps lie in a season, by their names; several boxes are parts of one."""
        for name, box in slumps.items():
            for part in box if isinstance(box, list) else [box]:
                self.outlines.append((name, season, part))

    def happened(self, kind, slump, season, related=None):
        self.events.append((slump, related, season, kind))

    def search(self, season, found, *, looked=EVERYWHERE, scene=None, source="survey"):
        """A look of a scene, and the boxes that were found in it; their footprint ids."""
        scene = scene or f"{source}:{season}"
        self.story.scene(scene, season, source=source)
        self.story.look(season, looked, scene=scene, source=source)
        (look,) = self.store.read("look", ["look_id"], {"scene_id": scene}).to_pylist()
        ids = [
            self.story.slump(season, str(number), box, scene=scene, source=source)
            for number, box in enumerate(found)
        ]
        if ids:
            given = {"footprint_id": ids, "look_id": [look["look_id"]] * len(ids)}
            self.store.update("footprint", pa.table(given))
        return ids

    def truth(self):
        """The folder that truth was written to."""
        wkb = [self.story._wkb(shapely.box(*box)) for _, _, box in self.outlines]
        names, seasons = ([each[at] for each in self.outlines] for at in (0, 1))
        write(self.folder, "truth_outline", object_id=names, season_year=seasons, geometry=wkb)
        columns = ("object_id", "related_object_id", "season_year", "kind")
        of = {name: [each[at] for each in self.events] for at, name in enumerate(columns)}
        typed = {
            name: pa.array(of[name], pa.int32() if name == "season_year" else pa.string())
            for name in columns
        }
        write(self.folder, "truth_event", **typed)
        if self.shifts:
            scenes, east_m, north_m = zip(*self.shifts, strict=True)
            shift = {"shift_east_m": east_m, "shift_north_m": north_m}
            write(self.folder, "truth_scene", scene_id=scenes, **shift)
        return self.folder

    def score(self):
        found = score(self.store, self.truth())
        assert isinstance(found, PlaceScore)
        return found


def write(folder, name, **columns):
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


@pytest.fixture
def store(request):
    """The embedded store, unless a test asks for the other one."""
    return request.getfixturevalue(f"{getattr(request, 'param', 'duckdb')}_store")


@pytest.fixture
def world(story, tmp_path):
    return World(story, tmp_path)


def numbers(tally):
    return tally.n_true, tally.n_found, tally.n_right


def grown(box, by_m):
    return (box[0], box[1], box[2], box[3] + by_m)


@pytest.mark.parametrize("store", ["duckdb", "postgis"], indirect=True)
def test_searches_are_scored_by_source_and_season(world):
    world.true(2020, a=HOME, b=AWAY)
    world.true(2021, a=grown(HOME, 6), b=AWAY)
    world.search(2020, [HOME, (600, 0, 640, 40)])
    world.search(2021, [grown(HOME, 6), AWAY])
    world.story.source("satellite", gsd_m=10.0)
    world.search(2021, [AWAY], source="satellite")
    found = world.score()
    tallies = {at: numbers(each.tallies["IoU 0.5"]) for at, each in found.objects.items()}
    assert tallies == {
        ("survey", 2020): (2, 2, 1),
        ("survey", 2021): (2, 2, 2),
        ("satellite", 2021): (2, 1, 1),
    }
    assert numbers(found.by_source["survey"].tallies["IoU 0.5"]) == (4, 4, 3)
    assert found.by_source["survey"].area_ratio_median == pytest.approx(1.0)
    assert found.tracking is None, "nothing is linked yet"


def test_two_searches_of_a_season_both_count(world):
    world.true(2020, a=HOME)
    world.search(2020, [HOME], scene="survey:one")
    world.search(2020, [], scene="survey:other")
    assert numbers(world.score().objects["survey", 2020].tallies["overlap"]) == (2, 1, 1)


def test_a_slump_under_cloud_is_not_missed(world):
    world.true(2020, a=HOME, b=AWAY)
    world.search(2020, [HOME], looked=(-100, -100, 320, 200))
    assert numbers(world.score().objects["survey", 2020].tallies["IoU 0.5"]) == (1, 1, 1)


def test_a_scene_that_lies_off_is_no_fault_of_the_detector(world):
    world.true(2020, a=HOME)
    lying_off = (0, 30, 60, 90)
    world.search(2020, [lying_off], scene="survey:strip")
    assert world.score().objects["survey", 2020].tallies["IoU 0.5"].n_right == 0
    corner = world.story._wkb(shapely.box(0, 0, 1, 1))
    (x, y), *_ = shapely.get_coordinates(grid.to_metric(np.array([shapely.from_wkb(corner)])))
    east_m, north_m = grid.to_ground(np.zeros(1), np.array([30.0]), np.array([x]), np.array([y]))
    world.shifts.append(("strip", float(east_m[0]), float(north_m[0])))
    found = world.score().objects["survey", 2020]
    assert found.tallies["IoU 0.5"].n_right == 1
    assert found.area_ratio_median == pytest.approx(1.0, abs=1e-4)


def test_parts_of_a_slump_are_one_slump(world):
    world.true(2020, a=[(0, 0, 60, 30), (0, 30, 60, 60)])
    world.search(2020, [HOME])
    assert numbers(world.score().objects["survey", 2020].tallies["IoU 0.5"]) == (1, 1, 1)


def test_searches_that_a_rerun_superseded_do_not_count(world):
    world.true(2020, a=HOME)
    world.search(2020, [AWAY], scene="survey:one")
    (look,) = world.store.read("look", ["look_id"]).to_pylist()
    world.store.update("look", pa.table({"look_id": [look["look_id"]], "is_current": [False]}))
    world.search(2020, [HOME], scene="survey:again")
    assert numbers(world.score().objects["survey", 2020].tallies["IoU 0.5"]) == (1, 1, 1)


def test_slumps_below_what_a_source_maps_do_not_count(world):
    world.true(2020, a=HOME, b=(300, 0, 310, 10))
    world.store.update("source", pa.table({"source": ["survey"], "min_area_m2": [500.0]}))
    world.search(2020, [HOME])
    assert numbers(world.score().objects["survey", 2020].tallies["overlap"]) == (1, 1, 1)


def test_false_alarms_are_told_by_look_alike(world):
    world.true(2020, a=HOME)
    world.search(2020, [HOME, AWAY])
    burn = world.story._wkb(shapely.box(290, -10, 400, 100))
    write(world.folder, "truth_lookalike", kind=["burn"], geometry=[burn])
    found = world.score()
    assert found.objects["survey", 2020].wrong_on == {"burn": 1}
    (row,) = [row for row in found.rows() if row["measure"] == "objects, wrong on burn"][:1]
    assert row["n_found"] == 1


def test_active_zones_are_no_scars(world):
    world.true(2020, a=HOME)
    world.story.source("zones", kind="active_zone")
    world.search(2020, [HOME], source="zones")
    assert world.score().objects == {}


def test_tracks_of_what_was_found_are_scored_by_place(world):
    world.true(2019, a=HOME, b=AWAY)
    for season in (2020, 2021):
        world.true(season, a=grown(HOME, 6 * (season - 2019)), b=AWAY)
    world.search(2019, [HOME, AWAY])
    world.search(2020, [grown(HOME, 6), AWAY, (600, 600, 640, 640)])
    world.search(2021, [grown(HOME, 12), AWAY])
    link(world.store)
    measure(world.store)
    found = world.score()
    assert numbers(found.tracking.footprints) == (7, 7, 7)
    assert numbers(found.tracking.links) == (4, 4, 4)
    assert found.tracking.n_id_switches == 0
    assert found.rates.n == 4
    assert found.rates.ratio_median == pytest.approx(1.0, abs=1e-3)
    assert found.rates.difference_median_m2_yr == pytest.approx(0.0, abs=0.5)
    assert found.rates.within_frac == 1.0


def test_slumps_drawn_too_large_bias_the_rates(world):
    world.true(2019, a=HOME)
    world.true(2020, a=grown(HOME, 6))
    world.search(2019, [HOME])
    world.search(2020, [grown(HOME, 12)])
    link(world.store)
    measure(world.store)
    rates = world.score().rates
    assert rates.n == 1
    assert rates.ratio_median == rates.ratio_total == pytest.approx(2.0, abs=0.02)


def test_a_season_in_which_a_slump_was_missed_is_a_true_gap(world):
    for season in (2019, 2020, 2021):
        world.true(season, a=HOME)
    world.search(2019, [HOME])
    world.search(2020, [])
    world.search(2021, [HOME])
    link(world.store)
    tracking = world.score().tracking
    assert numbers(tracking.gap) == (1, 1, 1)
    assert numbers(tracking.consecutive) == (0, 0, 0)


def test_a_true_merge_is_told_of_what_was_found(world):
    left, right, both = (0, 0, 60, 60), (70, 0, 120, 60), (0, 0, 120, 70)
    world.true(2019, a=left, b=right)
    world.true(2020, a=both)
    world.true(2021, a=both)
    world.happened("merge", "b", 2020, related="a")
    world.search(2019, [left, right])
    world.search(2020, [both])
    world.search(2021, [both])
    link(world.store)
    tracking = world.score().tracking
    assert numbers(tracking.links) == (3, 3, 3)
    assert numbers(tracking.merges) == (1, 1, 1)
    assert numbers(tracking.events["merge"]) == (1, 1, 1)


def test_a_merge_whose_parent_was_never_found_cannot_be_known(world):
    left, right, both = (0, 0, 60, 60), (70, 0, 120, 60), (0, 0, 120, 70)
    world.true(2019, a=left, b=right)
    world.true(2020, a=both)
    world.happened("merge", "b", 2020, related="a")
    world.search(2019, [left])
    world.search(2020, [both])
    link(world.store)
    tracking = world.score().tracking
    assert tracking.events["merge"].n_true == 0
    assert tracking.links.n_true == 1


def test_what_befell_slumps_that_lie_nowhere_is_passed_over(world):
    world.true(2019, a=HOME)
    world.true(2020, a=HOME, b=AWAY)
    world.happened("reactivate", "a", 2020)
    world.happened("reinitiate", "b", 2020, related="a")
    world.happened("initiate", "b", 2019)
    world.happened("merge", "nobody", 2020, related="a")
    world.search(2019, [HOME])
    world.search(2020, [HOME, AWAY])
    link(world.store)
    events = world.score().tracking.events
    assert {kind for kind, tally in events.items() if tally.n_true} == {"first_seen"}


def test_a_slump_that_stopped_and_went_on_is_told_so(world):
    for season in range(2017, 2022):
        world.true(season, a=HOME)
    world.happened("stabilise", "a", 2018)
    world.happened("reactivate", "a", 2021)
    for season in range(2017, 2022):
        world.search(season, [HOME] if season in (2017, 2021) else [])
    link(world.store)
    events = world.score().tracking.events
    assert events["stabilise"].n_true == events["reactivate"].n_true == 1


def test_the_command_tells_it_in_one_table(world, duckdb_url):
    world.true(2019, a=HOME)
    world.true(2020, a=grown(HOME, 6))
    world.search(2019, [HOME])
    world.search(2020, [grown(HOME, 6)])
    link(world.store)
    measure(world.store)
    truth = world.truth()
    world.store.close()
    run = CliRunner().invoke(
        app, ["score", "--truth", str(truth), "--format", "json", "--store", duckdb_url]
    )
    assert run.exit_code == 0, run.output
    rows = json.loads(run.output)
    of_all = {row["measure"]: row for row in rows if row["season_year"] is None}
    assert of_all["objects, IoU 0.5"]["f1"] == of_all["links"]["f1"] == 1.0
    assert of_all["objects, area"]["ratio_median"] == pytest.approx(1.0)
    assert of_all["growth rates"]["n_found"] == 1
    assert {row["season_year"] for row in rows} == {None, 2019, 2020}


@pytest.mark.parametrize(
    ("name", "columns", "complaint"),
    [
        ("truth_outline", {"object_id": ["a"], "season_year": [2020]}, "no column 'geometry'"),
        (
            "truth_outline",
            {"object_id": ["a"], "season_year": [2020], "geometry": [b"polygon"]},
            "geometry is no WKB",
        ),
        (
            "truth_outline",
            {
                "object_id": ["a"],
                "season_year": [2020],
                "geometry": [shapely.to_wkb(shapely.Point(0, 70))],
            },
            "geometry is no polygon",
        ),
        (
            "truth_outline",
            {"object_id": [None], "season_year": [2020], "geometry": [b""]},
            "object_id is missing in a row",
        ),
        (
            "truth_outline",
            {
                "object_id": pa.array([], pa.string()),
                "season_year": pa.array([], pa.int32()),
                "geometry": pa.array([], pa.binary()),
            },
            "holds no outline",
        ),
        (
            "truth_event",
            {
                "object_id": ["a"],
                "related_object_id": ["b"],
                "season_year": [2020],
                "kind": ["wedding"],
            },
            "kind 'wedding': expected initiate",
        ),
        ("truth_scene", {"scene_id": ["s"], "shift_east_m": [1.0]}, "no column 'shift_north_m'"),
    ],
)
def test_truth_of_places_that_cannot_be_is_one_clear_line(world, name, columns, complaint):
    world.true(2020, a=HOME)
    folder = world.truth()
    write(folder, name, **columns)
    with pytest.raises(InputError, match=complaint) as raised:
        score(world.store, folder)
    assert "\n" not in str(raised.value)


def test_the_truth_of_a_simulated_landscape_is_one_of_places(tmp_path):
    from rts_track.simulate.landscape.landscape import simulate_landscape
    from rts_track.simulate.landscape.params import LandscapeParams
    from rts_track.simulate.landscape.truth import truth_tables
    from rts_track.steps.place_truth import read_place_truth, tells_places

    params = LandscapeParams(
        extent_m=(1_500.0, 1_500.0),
        n_seasons=3,
        sensors=("sentinel2",),
        slumps_per_km2=4.0,
        stabilised_frac=0.3,
    )
    tables = truth_tables(simulate_landscape(2, params), {})
    for name, table in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    assert tells_places(tmp_path)
    truth = read_place_truth(tmp_path)
    assert sorted(truth.seasons) == list(params.season_years)
    last = truth.seasons[2021]
    assert not last.is_active.all()
    assert last.is_active.any()
    assert len(last.beside) > 0
    states = tables["truth_state"].to_pylist()
    area_m2 = {row["object_id"]: row["area_m2"] for row in states if row["season_year"] == 2021}
    of_outlines = dict(zip(last.object_id, shapely.area(last.polygon), strict=True))
    active = last.object_id[last.is_active]
    assert {each: of_outlines[each] for each in active} == pytest.approx(
        {each: area_m2[each] for each in active}, rel=1e-3
    )
    assert {
        truth.shift_of(f"sentinel2:{row['scene_id']}") for row in tables["truth_scene"].to_pylist()
    } == {(row["shift_east_m"], row["shift_north_m"]) for row in tables["truth_scene"].to_pylist()}
