"""`measure` on histories written down by hand: boxes of metres, season by season."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.domain import mint
from rts_track.growth.params import GrowthParams
from rts_track.growth.sigma import area_sigma_m2
from rts_track.steps import units as measured_units
from rts_track.steps.measuring import measure

ORIGIN = np.array([-1_500_000.0, 1_200_000.0])


def _wkb(box):
    moved = shapely.transform(shapely.box(*box), lambda xy: xy + ORIGIN)
    return shapely.to_wkb(grid.to_lonlat(np.array([moved], dtype=object)))[0]


def _stored(wkb):
    return grid.to_metric(np.array([shapely.from_wkb(wkb)], dtype=object))


@dataclass
class Told:
    """Collects what linking would have written; `write` puts it into the store."""

    store: object
    lineage_of: dict = field(default_factory=dict)
    outlines: list = field(default_factory=list)
    states: list = field(default_factory=list)
    links: list = field(default_factory=list)
    events: list = field(default_factory=list)
    footprints: list = field(default_factory=list)
    shifts: list = field(default_factory=list)
    sources: dict = field(default_factory=dict)
    retracted: set = field(default_factory=set)

    def source(self, name, *, sigma_m=0.5):
        self.sources[name] = sigma_m

    def seen(
        self,
        track,
        season,
        box,
        *,
        source="survey",
        day=None,
        state="observed",
        is_companion=False,
        sigma_d=0.0,
        scene=None,
        lineage="family",
    ):
        """An outline of the track in that season; its id."""
        self.lineage_of.setdefault(track, lineage)
        self.sources.setdefault(source, 0.5)
        wkb = _wkb(box)
        polygon = _stored(wkb)
        area, perimeter = float(polygon[0].area), float(grid.perimeter_m(polygon)[0])
        sigma = float(area_sigma_m2(perimeter, 3.0, self.sources[source]))
        lon, lat = grid.point_lonlat(polygon)
        row = {
            "outline_id": f"{track}-{season}-{source}-{len(self.outlines)}",
            "track_id": track,
            "source": source,
            "kind": "landform",
            "season_year": season,
            "observed_on": day or dt.date(season, 8, 1),
            "observed_sigma_d": sigma_d,
            "n_hits": 1,
            "area_m2": area,
            "area_sigma_m2": sigma,
            "area_min_m2": area,
            "area_max_m2": area,
            "perimeter_m": perimeter,
            "gsd_m": 3.0,
            "is_clipped": state == "partial",
            "lon": float(lon[0]),
            "lat": float(lat[0]),
            "geometry": wkb,
        }
        self.outlines.append(row)
        if scene:
            self.footprints.append((row, scene))
        if not is_companion:
            self.states.append(
                {
                    "track_id": track,
                    "season_year": season,
                    "state": state,
                    "source": source,
                    "area_m2": area,
                    "area_sigma_m2": sigma,
                    "n_outlines": 1,
                    "is_clipped": state == "partial",
                }
            )
        return row["outline_id"]

    def hidden(self, track, season, state="unobserved"):
        self.states.append(
            {
                "track_id": track,
                "season_year": season,
                "state": state,
                "source": None,
                "area_m2": None,
                "area_sigma_m2": None,
                "n_outlines": 0,
                "is_clipped": False,
            }
        )

    def link(self, start, end, kind="main", overlap_m2=None):
        by_id = {row["outline_id"]: row for row in self.outlines}
        one, other = by_id[start], by_id[end]
        if overlap_m2 is None:
            overlap_m2 = float(
                _stored(one["geometry"])[0].intersection(_stored(other["geometry"])[0]).area
            )
        self.links.append(
            {
                "link_id": mint("link", start, end),
                "from_outline_id": start,
                "to_outline_id": end,
                "from_year": one["season_year"],
                "to_year": other["season_year"],
                "kind": kind,
                "origin": "computed",
                "overlap_m2": overlap_m2,
                "iou": 0.5,
                "cover_from": 0.5,
                "cover_to": 0.5,
                "distance_m": 0.0,
                "confidence": 1.0,
                "is_ambiguous": False,
                "is_provisional": False,
                "run_id": "told",
            }
        )

    def chain(self, *outlines):
        for start, end in pairwise(outlines):
            self.link(start, end)

    def event(self, track, season, kind):
        self.events.append(
            {
                "event_id": mint("event", track, season, kind),
                "track_id": track,
                "season_year": season,
                "kind": kind,
                "before_on": dt.date(season, 9, 1),
                "confidence": 1.0,
                "is_provisional": False,
                "evidence": "{}",
            }
        )

    def shift(self, scene_a, scene_b, dx_m, dy_m, *, is_applied=True):
        self.shifts.append(
            {
                "scene_a": scene_a,
                "scene_b": scene_b,
                "dx_m": dx_m,
                "dy_m": dy_m,
                "se_m": 0.5,
                "n": 20,
                "method": "mutual_best",
                "is_applied": is_applied,
            }
        )

    def write(self):
        with self.store.transaction():
            self._put(
                "run",
                [
                    {
                        "run_id": "told",
                        "step": "link",
                        "started_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
                        "code_version": "0",
                        "params": "{}",
                        "inputs_sha256": "0",
                    }
                ],
            )
            self._put("source", [self._source_row(*item) for item in self.sources.items()])
            scenes = {scene: row for row, scene in self.footprints}
            self._put("scene", [self._scene_row(row, scene) for scene, row in scenes.items()])
            self._put("scene_shift", self.shifts)
            self._put("track", [self._track_row(track) for track in self.lineage_of])
            self._put("outline", self.outlines)
            self._put(
                "footprint", [self._footprint_row(row, scene) for row, scene in self.footprints]
            )
            self._put("track_state", self.states)
            self._put("link", self.links)
            self._put("event", self.events)

    def _put(self, table, rows):
        if rows:
            schema = arrow_schema(table)
            schema = pa.schema([schema.field(name) for name in rows[0]])
            self.store.upsert(table, pa.Table.from_pylist(rows, schema=schema))

    def _source_row(self, name, sigma_m):
        return {
            "source": name,
            "kind": "landform",
            "mapper": "person",
            "gsd_m": 3.0,
            "delineation_sigma_m": sigma_m,
        }

    def _scene_row(self, outline, scene):
        return {
            "scene_id": scene,
            "source": outline["source"],
            "season_year": outline["season_year"],
            "observed_from": outline["observed_on"],
            "observed_to": outline["observed_on"],
            "geometry": _wkb((-900, -900, 900, 900)),
        }

    def _footprint_row(self, outline, scene):
        shared = ("season_year", "source", "area_m2", "perimeter_m", "is_clipped", "lon", "lat")
        return {
            "footprint_id": mint("footprint", outline["outline_id"]),
            "scene_id": scene,
            "run_id": "told",
            "outline_id": outline["outline_id"],
            "observed_from": outline["observed_on"],
            "observed_to": outline["observed_on"],
            "date_basis": "exact",
            "attributes": "{}",
            "geometry": outline["geometry"],
            **{name: outline[name] for name in shared},
        }

    def _track_row(self, track):
        own = [row for row in self.outlines if row["track_id"] == track]
        seasons = sorted({row["season_year"] for row in own})
        last = own[-1]
        return {
            "track_id": track,
            "kind": "landform",
            "lineage_id": self.lineage_of[track],
            "activity": "active",
            "activity_year": seasons[-1],
            "validity": "retracted" if track in self.retracted else "confirmed",
            "first_year": seasons[0],
            "last_year": seasons[-1],
            "n_seasons_observed": len(seasons),
            "area_m2": last["area_m2"],
            "lon": last["lon"],
            "lat": last["lat"],
            "is_provisional": False,
            "geometry": last["geometry"],
        }

    def growth(self, track=None):
        """(track, basis, from, to) -> row."""
        rows = self.store.read("growth", scope={"track_id": track} if track else None)
        return {
            (row["track_id"], row["basis"], row["from_year"], row["to_year"]): row
            for row in rows.to_pylist()
        }

    def lineages(self, lineage="family"):
        rows = self.store.read("lineage_state", scope={"lineage_id": lineage}).to_pylist()
        return {row["season_year"]: row for row in rows}

    def trends(self, track):
        rows = self.store.read("trend", scope={"track_id": track}).to_pylist()
        return {(row["method"], row["time_basis"]): row for row in rows}


@pytest.fixture
def told(store):
    return Told(store)


def tell_the_four_season_story(told):
    """Old grows, is hidden, swallows Young, and calves Late; nothing else changes."""
    a1 = told.seen("old", 2018, (0, 0, 100, 100))
    a2 = told.seen("old", 2019, (0, 0, 120, 100))
    told.hidden("old", 2020)
    a4 = told.seen("old", 2021, (0, 0, 200, 100))
    a5 = told.seen("old", 2022, (0, 0, 90, 100))
    b1 = told.seen("young", 2018, (130, 0, 180, 100))
    b2 = told.seen("young", 2019, (130, 0, 190, 100))
    told.hidden("young", 2020)
    c5 = told.seen("late", 2022, (110, 0, 200, 100))
    told.chain(a1, a2)
    told.chain(b1, b2)
    told.link(a2, a4)
    told.link(b2, a4, "merge")
    told.link(a4, a5)
    told.link(a4, c5, "split")
    told.event("old", 2018, "first_seen")
    told.event("young", 2018, "first_seen")
    told.event("young", 2021, "merge")
    told.event("late", 2022, "split")
    told.write()


def test_a_season_hidden_by_cloud_is_bridged_and_a_merge_is_measured_on_the_whole_group(told):
    tell_the_four_season_story(told)
    measure(told.store)
    growth = told.growth()
    own = {key for key in growth if key[1] == "track"}
    assert own == {("old", "track", 2018, 2019), ("young", "track", 2018, 2019)}
    for track in ("old", "young"):
        row = growth[track, "group", 2019, 2021]
        assert row["area_change_m2"] == pytest.approx(20_000 - 18_000, rel=1e-6)
        assert row["gained_m2"] == pytest.approx(2_000, rel=1e-3)
        assert row["lost_m2"] == pytest.approx(0, abs=1)
        assert row["from_on"] == dt.date(2019, 8, 1)
        assert row["to_on"] == dt.date(2021, 8, 1)
    assert (
        growth["old", "group", 2019, 2021]["group_id"]
        == growth["young", "group", 2019, 2021]["group_id"]
    )


def test_nobody_grows_by_swallowing_a_neighbour_nor_shrinks_by_calving(told):
    tell_the_four_season_story(told)
    measure(told.store)
    growth = told.growth()
    split = growth["late", "group", 2021, 2022]
    assert split["area_change_m2"] == pytest.approx(18_000 - 20_000, rel=1e-6)
    assert split["group_id"] == growth["old", "group", 2021, 2022]["group_id"]
    whole = growth["old", "group", 2018, 2022]
    assert whole["area_change_m2"] == pytest.approx(18_000 - 15_000, rel=1e-6)
    assert whole["gained_m2"] - whole["lost_m2"] == pytest.approx(whole["area_change_m2"])
    assert ("young", "group", 2018, 2022) in growth
    assert ("late", "group", 2018, 2022) in growth


def test_a_trend_begins_after_the_last_merge_or_split(told):
    tell_the_four_season_story(told)
    measure(told.store)
    assert told.trends("old") == {}, "one season is left after the split"
    of_young = told.trends("young")
    assert set(of_young) == {("interval", "calendar"), ("interval", "thaw")}
    assert of_young["interval", "calendar"]["area_rate_m2_yr"] == pytest.approx(
        told.growth()["young", "track", 2018, 2019]["area_rate_m2_yr"]
    )


def test_a_lineage_counts_each_living_member_once(told):
    tell_the_four_season_story(told)
    measure(told.store)
    series = told.lineages()
    assert [series[season]["n_members"] for season in range(2018, 2023)] == [2, 2, 2, 1, 2]
    assert [series[season]["n_measured"] for season in range(2018, 2023)] == [2, 2, 0, 1, 2]
    assert [series[season]["is_complete"] for season in range(2018, 2023)] == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert series[2020]["area_m2"] is None
    assert series[2018]["area_m2"] == pytest.approx(15_000, rel=1e-6)
    assert series[2022]["area_m2"] == pytest.approx(18_000, rel=1e-6)


def test_measuring_twice_changes_nothing(told):
    tell_the_four_season_story(told)
    first = measure(told.store)
    before = {name: told.store.read(name) for name in ("growth", "trend", "lineage_state", "run")}
    second = measure(told.store)
    assert first.run_id is not None
    assert second.run_id is None
    assert second.units_measured == 0
    assert second.written.is_empty
    assert (second.intervals, second.trends) == (first.intervals, first.trends)
    for name, table in before.items():
        assert told.store.read(name).equals(table), name


def test_a_run_keeps_the_parameters_whole(told):
    tell_the_four_season_story(told)
    report = measure(told.store, GrowthParams(epoch_correlation=0.25))
    (run,) = told.store.read("run", scope={"run_id": report.run_id}).to_pylist()
    assert run["step"] == "measure"
    assert '"epoch_correlation": 0.25' in run["params"]
    assert run["finished_at"] is not None


def test_other_parameters_measure_anew(told):
    tell_the_four_season_story(told)
    measure(told.store)
    sigma = told.growth()["old", "track", 2018, 2019]["area_rate_sigma_m2_yr"]
    report = measure(told.store, GrowthParams(epoch_correlation=0.0))
    assert report.units_measured == 1
    assert told.growth()["old", "track", 2018, 2019]["area_rate_sigma_m2_yr"] > sigma


def test_rows_that_no_longer_hold_are_removed(told):
    tell_the_four_season_story(told)
    measure(told.store)
    (state,) = told.store.read(
        "track_state", scope={"track_id": "old", "season_year": 2019}
    ).to_pylist()
    told.store.upsert(
        "track_state",
        pa.Table.from_pylist([{**state, "state": "partial"}], schema=arrow_schema("track_state")),
    )
    report = measure(told.store)
    assert report.written.removed > 0
    growth = told.growth()
    assert ("old", "track", 2018, 2019) not in growth
    assert ("old", "group", 2019, 2021) not in growth
    assert ("old", "group", 2018, 2021) in growth, "the interval between the nearest whole ones"


def test_a_partial_outline_makes_no_rate(told):
    a = told.seen("one", 2018, (0, 0, 100, 100))
    b = told.seen("one", 2019, (0, 0, 50, 100), state="partial")
    c = told.seen("one", 2020, (0, 0, 120, 100))
    told.chain(a, b, c)
    told.write()
    measure(told.store)
    assert set(told.growth()) == {("one", "track", 2018, 2020)}
    assert not told.lineages()[2019]["is_complete"]


def test_a_group_with_a_member_out_of_sight_has_no_rate(told):
    a = told.seen("one", 2018, (0, 0, 100, 100))
    b = told.seen("two", 2018, (120, 0, 200, 100), state="partial")
    c = told.seen("one", 2019, (0, 0, 200, 100))
    told.link(a, c)
    told.link(b, c, "merge")
    told.write()
    measure(told.store)
    assert told.growth() == {}


@pytest.mark.parametrize(("kind", "is_measured"), [("initiate", True), ("first_seen", False)])
def test_what_joins_later_counts_from_nothing_only_where_a_look_had_found_nothing(
    told, kind, is_measured
):
    a = told.seen("one", 2018, (0, 0, 100, 100))
    b = told.seen("one", 2019, (0, 0, 110, 100))
    c = told.seen("one", 2020, (0, 0, 200, 100))
    d = told.seen("two", 2019, (120, 0, 190, 100))
    told.chain(a, b, c)
    told.link(d, c, "merge")
    told.event("two", 2019, kind)
    told.write()
    measure(told.store)
    growth = told.growth()
    assert (("one", "group", 2018, 2020) in growth) is is_measured
    assert growth["one", "group", 2019, 2020]["area_change_m2"] == pytest.approx(2_000, rel=1e-6)
    if is_measured:
        assert growth["one", "group", 2018, 2020]["area_change_m2"] == pytest.approx(
            10_000, rel=1e-6
        )


def test_an_outline_of_another_source_that_rides_along_is_not_counted(told):
    told.source("other", sigma_m=5.0)
    a = told.seen("one", 2018, (0, 0, 100, 100))
    told.seen("one", 2018, (0, 0, 160, 100), source="other", is_companion=True)
    b = told.seen("one", 2019, (0, 0, 110, 100))
    told.chain(a, b)
    told.write()
    measure(told.store)
    row = told.growth()["one", "track", 2018, 2019]
    assert row["area_change_m2"] == pytest.approx(1_000, rel=1e-6)
    assert not row["is_cross_source"]
    assert told.lineages()[2018]["area_m2"] == pytest.approx(10_000, rel=1e-6)


def test_a_change_of_source_is_flagged_and_less_certain(told):
    for track, source in (("same", "survey"), ("mixed", "other")):
        a = told.seen(track, 2018, (0, 0, 100, 100), lineage=track)
        b = told.seen(track, 2019, (0, 0, 110, 100), source=source, lineage=track)
        told.chain(a, b)
    told.write()
    measure(told.store)
    growth = told.growth()
    same, mixed = growth["same", "track", 2018, 2019], growth["mixed", "track", 2018, 2019]
    assert same["is_significant"]
    assert not same["is_cross_source"]
    assert mixed["is_cross_source"]
    assert not mixed["is_significant"]
    assert mixed["area_rate_sigma_m2_yr"] > 10 * same["area_rate_sigma_m2_yr"]


def test_ground_that_two_members_of_other_sources_cover_counts_once(told):
    told.source("other")
    a = told.seen("one", 2018, (0, 0, 100, 100))
    b = told.seen("two", 2018, (80, 0, 180, 100), source="other")
    c = told.seen("one", 2019, (0, 0, 180, 100))
    told.link(a, c)
    told.link(b, c, "merge", overlap_m2=8_000.0)
    told.write()
    measure(told.store)
    row = told.growth()["one", "group", 2018, 2019]
    assert row["area_change_m2"] == pytest.approx(0, abs=1)
    assert told.lineages()[2018]["area_m2"] == pytest.approx(18_000, rel=1e-6)


def test_area_gained_and_lost_over_several_seasons_is_taken_after_the_scenes_shift(told):
    """The slump stands still; each scene lies 10 m further east, on the ground, than the last."""
    step = grid.from_ground(10.0, 0.0, *(ORIGIN[:, None] + 50.0))
    dx, dy = float(step[0][0]), float(step[1][0])
    names = []
    for number, season in enumerate((2018, 2019, 2020)):
        box = np.array([0, 0, 100, 100]) + number * np.array([dx, dy, dx, dy])
        names.append(told.seen("one", season, tuple(box), scene=f"scene {season}"))
    told.link(names[0], names[1], overlap_m2=10_000.0)
    told.link(names[1], names[2], overlap_m2=10_000.0)
    told.shift("scene 2018", "scene 2019", 10.0, 0.0)
    told.shift("scene 2019", "scene 2020", 10.0, 0.0)
    told.write()
    measure(told.store)
    row = told.growth()["one", "track", 2018, 2020]
    assert row["gained_m2"] == pytest.approx(0, abs=20)
    assert row["lost_m2"] == pytest.approx(0, abs=20)
    assert row["area_change_m2"] == pytest.approx(0, abs=1e-3)


def test_a_shift_that_is_not_applied_moves_nothing(told):
    a = told.seen("one", 2018, (0, 0, 100, 100), scene="s18")
    b = told.seen("one", 2019, (0, 0, 100, 100), scene="s19")
    c = told.seen("one", 2020, (0, 0, 100, 100), scene="s20")
    told.chain(a, b, c)
    told.shift("s18", "s19", 30.0, 0.0, is_applied=False)
    told.write()
    measure(told.store)
    assert told.growth()["one", "track", 2018, 2020]["gained_m2"] == pytest.approx(0, abs=1)


def test_two_dates_in_one_winter_have_no_rate_per_thaw_season(told):
    a = told.seen("one", 2018, (0, 0, 100, 100), day=dt.date(2018, 10, 1))
    b = told.seen("one", 2019, (0, 0, 110, 100), day=dt.date(2019, 5, 1))
    told.chain(a, b)
    told.write()
    measure(told.store)
    row = told.growth()["one", "track", 2018, 2019]
    assert row["thaw_years"] == 0.0
    assert row["area_rate_m2_thaw_yr"] is None
    assert row["area_rate_m2_yr"] == pytest.approx(1_000 / (212 / 365.25), rel=1e-6)
    assert set(told.trends("one")) == {("interval", "calendar")}


def test_five_seasons_have_both_trends_on_both_clocks(told):
    names = [
        told.seen("one", season, (0, 0, 100 + 10 * number, 100))
        for number, season in enumerate(range(2016, 2021))
    ]
    told.chain(*names)
    told.write()
    measure(told.store)
    trends = told.trends("one")
    assert set(trends) == {
        (method, clock) for method in ("wls", "theil_sen") for clock in ("calendar", "thaw")
    }
    for row in trends.values():
        assert row["n_seasons"] == 5
        assert row["area_rate_m2_yr"] == pytest.approx(1_000, rel=2e-3)
        assert row["area_rate_low_m2_yr"] <= row["area_rate_m2_yr"] <= row["area_rate_high_m2_yr"]
        assert row["growth_pct_yr"] == pytest.approx(100 * np.log(1.4) / 4, rel=0.05)


def test_pieces_of_one_fragmented_slump_are_summed(told):
    a = told.seen("one", 2018, (0, 0, 100, 100))
    b1 = told.seen("one", 2019, (0, 0, 60, 100))
    b2 = told.seen("one", 2019, (70, 0, 110, 100), is_companion=True)
    told.link(a, b1)
    told.link(a, b2, "fragment")
    told.write()
    measure(told.store)
    (row,) = told.growth().values()
    assert row["basis"] == "track"
    assert row["area_change_m2"] == pytest.approx(0, abs=1e-2)
    assert told.lineages()[2019]["area_m2"] == pytest.approx(10_000, rel=1e-6)


def test_a_slump_that_stabilised_is_no_longer_a_living_member(told):
    told.seen("one", 2018, (0, 0, 100, 100))
    told.hidden("one", 2019, "absent")
    told.hidden("one", 2020, "absent")
    told.seen("two", 2018, (120, 0, 200, 100))
    two = told.seen("two", 2019, (120, 0, 200, 100))
    told.link("two-2018-survey-1", two)
    told.hidden("two", 2020, "absent")
    told.event("one", 2019, "stabilise")
    told.write()
    measure(told.store)
    series = told.lineages()
    assert [series[season]["n_members"] for season in (2018, 2019, 2020)] == [2, 1, 1]
    assert series[2019]["is_complete"]
    assert not series[2020]["is_complete"], "absence alone is not the end"


def test_a_retracted_track_has_no_growth(told):
    told.chain(*(told.seen("one", season, (0, 0, 100, 100)) for season in (2018, 2019)))
    told.write()
    measure(told.store)
    assert len(told.growth()) == 1
    told.retracted.add("one")
    told.store.upsert(
        "track",
        pa.Table.from_pylist([told._track_row("one")], schema=arrow_schema("track")),
    )
    measure(told.store)
    assert told.growth() == {}
    assert told.trends("one") == {}


def test_an_absorbed_lineage_leaves_no_series_behind(told):
    told.chain(
        *(told.seen("one", season, (0, 0, 100, 100), lineage="own") for season in (2018, 2019))
    )
    told.write()
    measure(told.store)
    assert len(told.lineages("own")) == 2
    told.store.update("track", pa.table({"track_id": ["one"], "lineage_id": ["elder"]}))
    measure(told.store)
    assert told.lineages("own") == {}
    assert len(told.lineages("elder")) == 2


def test_an_empty_store_is_measured_to_nothing(store):
    report = measure(store)
    assert report.run_id is None
    assert (report.units, report.intervals) == (0, 0)


def test_working_in_parts_gives_the_same_rows(told, monkeypatch):
    tell_the_four_season_story(told)
    for number in range(5):
        east = 1_000 * (number + 1)
        names = [
            told.seen(
                f"track {number}",
                season,
                (east, 0, east + 100 + season - 2018, 100),
                lineage=f"lineage {number}",
            )
            for season in (2018, 2019, 2020)
        ]
        told.chain(*names)
    told.write()
    measure(told.store)
    tables = ("growth", "trend", "lineage_state")
    whole = {name: told.store.read(name) for name in tables}
    monkeypatch.setattr(measured_units, "UNIT_TRACKS", 2)
    report = measure(told.store)
    assert report.units > 1
    assert report.units_measured == report.units
    assert report.written.is_empty
    for name in tables:
        assert told.store.read(name).equals(whole[name]), name
    units = set(told.store.read("step_input", ["unit"])["unit"].to_pylist())
    assert len(units) == report.units, "the former unit is forgotten"


def test_both_stores_hold_the_same_rows(duckdb_store, postgis_store):
    held = []
    for store in (duckdb_store, postgis_store):
        tell_the_four_season_story(Told(store))
        measure(store)
        tables = (store.read(name) for name in ("growth", "trend", "lineage_state"))
        held.append([sorted(table.to_pylist(), key=str) for table in tables])
    assert held[0] == held[1]
