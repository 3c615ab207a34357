"""What becomes of tracks' ids when a simulated inventory grows, changes or comes in another order.

Each test brings parts of one history into an embedded store, links, brings the rest, links again,
and holds what was before against what is after.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import shapely

from rts_track import grid
from rts_track.contract import CONTRACT
from rts_track.simulate.files import write_history
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.simulate.shape import draw
from rts_track.source.request import ImportRequest
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.store.base import open_store

PARAMS = HistoryParams(n_slumps=60, n_seasons=5, extent_m=(9_000.0, 6_000.0))
SEASONS = tuple(PARAMS.season_years)
MIDDLE = SEASONS[2]
LINKED_TABLES = ("outline", "link", "track", "track_state", "event", "scene_shift")
REDO_SHIFT_M, REDO_NOISE_M, REDO_LOST_FRAC = 3.0, 2.0, 0.05


@pytest.fixture(scope="module")
def history():
    return simulate_history(np.random.default_rng(8), PARAMS)


class Inventory:
    """A store, and a folder for the files that are imported into it."""

    def __init__(self, store, folder):
        self.store, self._folder, self._n = store, folder, 0

    def bring(self, history, source="survey"):
        """Import the history's footprints and looks, from files of its own."""
        self._n += 1
        files = write_history(history, self._folder / str(self._n))
        request = ImportRequest(
            source=source,
            season_field=files.season_field,
            date_field=files.date_field,
            scene_field=files.scene_field,
            id_field=files.id_field,
            gsd_field=files.gsd_field,
            looked_at=str(files.looks),
        )
        import_footprints(self.store, [files.footprints], request)
        return self

    def link(self):
        """Link, and tell what came of it."""
        link(self.store)
        return Snapshot.of(self.store)


@dataclass(frozen=True)
class Snapshot:
    """Every table but `run`, without `run_id`; and what tests ask of them."""

    tables: dict[str, list[dict]]

    @classmethod
    def of(cls, store):
        tables = {}
        for name in CONTRACT:
            if name != "run":
                columns = [each for each in CONTRACT[name].column_names if each != "run_id"]
                rows = store.read(name, columns).to_pylist()
                tables[name] = sorted(
                    rows, key=lambda row: [str(row[k]) for k in CONTRACT[name].key]
                )
        return cls(tables)

    def by(self, name, *key):
        return {tuple(row[column] for column in key): row for row in self.tables[name]}

    @property
    def track_of(self):
        """Outline -> track."""
        return {row["outline_id"]: row["track_id"] for row in self.tables["outline"]}

    @property
    def track_of_feature(self):
        """Feature -> track, by the footprint that is in an outline."""
        return {
            row["source_feature_id"]: self.track_of[row["outline_id"]]
            for row in self.tables["footprint"]
            if row["outline_id"] is not None
        }

    @property
    def tracks(self):
        return {row["track_id"] for row in self.tables["track"]}

    @property
    def provisional(self):
        return {row["track_id"] for row in self.tables["track"] if row["is_provisional"]}

    @property
    def alias(self):
        """Former id -> the one that stands for it now."""
        return {row["old_track_id"]: row["track_id"] for row in self.tables["track_alias"]}

    def only(self, source, name):
        """The table's rows that are of a source's outlines, tracks or scenes."""
        outlines = {r["outline_id"] for r in self.tables["outline"] if r["source"] == source}
        tracks = {self.track_of[outline] for outline in outlines}
        scenes = {row["scene_id"] for row in self.tables["scene"] if row["source"] == source}
        column, kept = {
            "outline": ("outline_id", outlines),
            "link": ("to_outline_id", outlines),
            "scene_shift": ("scene_b", scenes),
        }.get(name, ("track_id", tracks))
        return [row for row in self.tables[name] if row[column] in kept]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory):
    """Inventories, each with an embedded store of its own, open as long as the context."""
    template = tmp_path_factory.mktemp("template") / "store.duckdb"
    with open_store(f"duckdb:///{template}") as store:
        store.init()

    @contextmanager
    def begin():
        folder = tmp_path_factory.mktemp("inventory")
        file = shutil.copy(template, folder / "store.duckdb")
        with open_store(f"duckdb:///{file}") as store:
            yield Inventory(store, folder)

    return begin


def part(history, keep):
    """The footprints and looks for whose (season, scene) `keep` says so."""

    def kept(table):
        seasons, scenes = table["season_year"].to_pylist(), table["scene_id"].to_pylist()
        chosen = [keep(season, scene) for season, scene in zip(seasons, scenes, strict=True)]
        return table.filter(pa.array(chosen))

    return replace(history, footprints=kept(history.footprints), looks=kept(history.looks))


def season_of(history, season_year):
    return part(history, lambda season, _: season == season_year)


def check_no_id_is_lost(before, after):
    """Whatever id was in use is, or an alias says what became of it; no id comes back."""
    gone = before.tracks - after.tracks
    assert gone <= after.alias.keys()
    assert not after.alias.keys() & after.tracks
    known = after.tracks | {row["lineage_id"] for row in after.tables["track"]}
    assert {track for track in after.alias.values() if track is not None} <= known


def check_ids_go_with_outlines(before, after):
    """An outline that is of another track now left its former one to earlier outlines of that."""
    first_kept = {}
    for row in after.tables["outline"]:
        former = before.track_of.get(row["outline_id"])
        if former is not None and row["track_id"] == after.alias.get(former, former):
            year = row["season_year"]
            first_kept[former] = min(first_kept.get(former, year), year)
    moved = [
        (row["season_year"], before.track_of[row["outline_id"]])
        for row in after.tables["outline"]
        if row["outline_id"] in before.track_of
        and row["track_id"]
        not in (
            before.track_of[row["outline_id"]],
            after.alias.get(before.track_of[row["outline_id"]]),
        )
    ]
    assert all(first_kept[former] <= season for season, former in moved)
    check_no_id_is_lost(before, after)


def kept_frac(former, present, after):
    """The share of former ids that are still the same, or stand for it by their alias."""
    both = former.keys() & present.keys()
    assert len(both) > 100
    is_kept = [present[each] in (former[each], after.alias.get(former[each])) for each in both]
    return sum(is_kept) / len(both)


# Appending


@pytest.fixture(scope="module")
def appended(inventory, history):
    """What the store holds after each season."""
    with inventory() as one:
        return [one.bring(season_of(history, season)).link() for season in SEASONS]


@pytest.fixture(scope="module")
def at_once(inventory, history):
    with inventory() as one:
        return one.bring(history).link()


def steps(appended):
    return list(zip(appended, appended[1:], SEASONS[:-1], strict=False))


def test_appending_a_season_changes_no_endpoint_of_a_link(appended):
    for before, after, newest in steps(appended):
        ends = {(row["from_outline_id"], row["to_outline_id"]) for row in before.tables["link"]}
        assert ends == {
            (row["from_outline_id"], row["to_outline_id"])
            for row in after.tables["link"]
            if row["to_year"] <= newest
        }
    assert len(appended[-1].tables["link"]) > 150


def test_appending_a_season_changes_no_final_kind_of_a_link(appended):
    n_final = 0
    for before, after, _ in steps(appended):
        links = after.by("link", "from_outline_id", "to_outline_id")
        for row in before.tables["link"]:
            if not row["is_provisional"]:
                n_final += 1
                now = links[row["from_outline_id"], row["to_outline_id"]]
                same = ("link_id", "kind", "origin", "is_provisional")
                assert [now[each] for each in same] == [row[each] for each in same]
    assert n_final > 300


def test_appending_a_season_changes_no_outline_and_moves_only_provisional_tracks(appended):
    for before, after, newest in steps(appended):
        assert before.track_of.keys() == {
            row["outline_id"] for row in after.tables["outline"] if row["season_year"] <= newest
        }
        for outline, track in before.track_of.items():
            present = after.track_of[outline]
            assert present == track or (
                track in before.provisional and after.alias.get(track) == present
            )
        check_no_id_is_lost(before, after)


def test_appending_a_season_changes_no_final_event(appended):
    n_final = 0
    for before, after, _ in steps(appended):
        events = after.by("event", "event_id")
        for row in before.tables["event"]:
            if not row["is_provisional"]:
                n_final += 1
                assert events[row["event_id"],] == row
    assert n_final > 100


def test_what_was_provisional_is_settled_once_its_place_is_seen_again(appended):
    for before, after, newest in steps(appended):
        assert not after.provisional & (before.tracks - before.provisional)
        last_year = {row["track_id"]: row["last_year"] for row in after.tables["track"]}
        for row in after.tables["link"]:
            if row["is_provisional"]:
                ends = [after.track_of[row[end]] for end in ("from_outline_id", "to_outline_id")]
                assert min(last_year[track] for track in ends) <= row["to_year"]
        for row in after.tables["event"]:
            if row["is_provisional"] and row["season_year"] <= newest:
                assert last_year[row["track_id"]] <= newest


def test_season_by_season_ends_in_the_same_rows_as_all_at_once(appended, at_once):
    for name in LINKED_TABLES:
        assert appended[-1].tables[name] == at_once.tables[name], name


# Order


def test_files_rows_and_seasons_in_another_order_change_no_row(inventory, history, at_once):
    rng = np.random.default_rng(1)

    def shuffled(table):
        return table.take(rng.permutation(table.num_rows))

    with inventory() as other:
        for season in rng.permutation(SEASONS).tolist():
            one = season_of(history, season)
            other.bring(
                replace(one, footprints=shuffled(one.footprints), looks=shuffled(one.looks))
            )
        after = other.link()
    for name, rows in at_once.tables.items():
        assert after.tables[name] == rows, name


# Redo


def redrawn(history, rng):
    """The same features once more: every scene shifted anew, drawn with noise."""
    footprints, looks = history.footprints, history.looks
    angle = {scene: rng.uniform(0, 2 * np.pi) for scene in looks["scene_id"].to_pylist()}
    wkb = []
    for scene, former in zip(
        footprints["scene_id"].to_pylist(), footprints["geometry"].to_pylist(), strict=True
    ):
        metric = grid.to_metric(np.array([shapely.from_wkb(former)], dtype=object))[0]
        polygon = max(shapely.get_parts(metric), key=shapely.area)
        shift_m = REDO_SHIFT_M * np.array([np.cos(angle[scene]), np.sin(angle[scene])])
        drawn = draw(rng, polygon, shift_m, REDO_NOISE_M)
        lonlat = grid.to_lonlat(np.array([drawn], dtype=object))
        wkb.append(bytes(shapely.to_wkb(lonlat)[0]))
    column = footprints.schema.get_field_index("geometry")
    changed = footprints.set_column(column, "geometry", pa.array(wkb, pa.binary()))
    return replace(history, footprints=changed)


@pytest.mark.parametrize("season", [SEASONS[0], MIDDLE, SEASONS[-1]])
def test_a_season_drawn_anew_keeps_its_tracks(inventory, history, season):
    rng = np.random.default_rng(3)
    with inventory() as one:
        before = one.bring(history).link()
        one.bring(redrawn(season_of(history, season), rng))
        ids = one.store.read("footprint", ["footprint_id"], {"season_year": season})
        gone = set(one.store.read("superseded_footprint")["footprint_id"].to_pylist())
        drawn = sorted(set(ids["footprint_id"].to_pylist()) - gone)
        assert len(drawn) > 30
        lost = [each for each in drawn if rng.random() < REDO_LOST_FRAC]
        one.store.upsert(
            "superseded_footprint", pa.table({"footprint_id": lost, "run_id": ["redo"] * len(lost)})
        )
        after = one.link()
    assert kept_frac(before.track_of_feature, after.track_of_feature, after) >= 0.99
    of_season = {
        row["source_feature_id"]
        for row in after.tables["footprint"]
        if row["season_year"] == season and row["outline_id"] is not None
    }
    assert len(of_season) < len(drawn)
    former, present = before.track_of_feature, after.track_of_feature
    is_kept = [present[each] in (former[each], after.alias.get(former[each])) for each in of_season]
    assert sum(is_kept) >= 0.99 * len(is_kept)
    check_no_id_is_lost(before, after)


# Filling in


@pytest.mark.parametrize("missing", [SEASONS[0], MIDDLE])
def test_a_season_filled_in_keeps_all_tracks_but_where_it_parts_one(inventory, history, missing):
    with inventory() as one:
        before = one.bring(part(history, lambda season, _: season != missing)).link()
        after = one.bring(season_of(history, missing)).link()
    assert after.track_of.keys() > before.track_of.keys()
    assert kept_frac(before.track_of, after.track_of, after) >= 0.95
    check_ids_go_with_outlines(before, after)


def test_a_second_site_added_to_old_seasons_changes_no_row_of_the_first(inventory, history):
    there = replace(PARAMS, n_slumps=30, centre_lonlat=(-119.0, 73.2), extent_m=(6_000.0, 5_000.0))
    second = simulate_history(np.random.default_rng(9), there)
    second = replace(second, footprints=at_site(second.footprints), looks=at_site(second.looks))
    with inventory() as one:
        before = one.bring(history, "first").link()
        after = one.bring(second, "second").link()
    for name in LINKED_TABLES:
        assert after.only("first", name) == before.only("first", name), name
        assert len(after.tables[name]) > len(before.tables[name]), name
    assert after.alias == before.alias


def at_site(table):
    """The same with scenes named otherwise: an id is of one scene only."""
    column = table.schema.get_field_index("scene_id")
    return table.set_column(
        column, "scene_id", pc.binary_join_element_wise("second", table["scene_id"], "/")
    )


def test_a_late_scene_in_a_linked_season_keeps_all_tracks_but_where_it_parts_one(
    inventory, history
):
    drawn = defaultdict(int)
    for season, scene in zip(
        history.footprints["season_year"].to_pylist(),
        history.footprints["scene_id"].to_pylist(),
        strict=True,
    ):
        drawn[scene] += season == MIDDLE
    late = max(drawn, key=drawn.__getitem__)
    with inventory() as one:
        before = one.bring(part(history, lambda _, scene: scene != late)).link()
        after = one.bring(part(history, lambda _, scene: scene == late)).link()
    assert drawn[late] > 10
    assert len(after.tables["footprint"]) == len(before.tables["footprint"]) + drawn[late]
    assert kept_frac(before.track_of_feature, after.track_of_feature, after) >= 0.97
    check_ids_go_with_outlines(before, after)


def test_linking_again_after_any_of_it_changes_nothing(inventory, history):
    with inventory() as one:
        one.bring(part(history, lambda season, _: season != MIDDLE)).link()
        former = one.bring(season_of(history, MIDDLE)).link()
        again = one.link()
    assert again == former
