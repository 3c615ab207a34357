import builtins
import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
import shapely

from rts_track import grid
from rts_track.errors import InputError, UsageError
from rts_track.report.plots import TrackTables, fastest_tracks, plot_tracks, track_figure

SEASONS = (2018, 2019, 2020)


def trend(track, rate, *, low=None, n_seasons=3, method="wls", time_basis="calendar"):
    return {
        "track_id": track,
        "n_seasons": n_seasons,
        "method": method,
        "time_basis": time_basis,
        "area_rate_m2_yr": rate,
        "area_rate_low_m2_yr": rate - 10.0 if low is None else low,
        "area_rate_high_m2_yr": rate + 10.0,
        "growth_pct_yr": None,
    }


def lonlat_box(width_m, height_m):
    x, y = grid.transformer("EPSG:4326", "EPSG:6931").transform([-122.0], [72.0])
    x, y = np.array(x), np.array(y)
    corners = [(0, 0), (width_m, 0), (width_m, height_m), (0, height_m)]
    steps = [grid.from_ground(float(east), float(north), x, y) for east, north in corners]
    metric = shapely.Polygon([(x[0] + dx[0], y[0] + dy[0]) for dx, dy in steps])
    return shapely.to_wkb(grid.to_lonlat(np.array([metric], dtype=object)))[0]


def tables(tracks=("one", "two"), events=()):
    outlines = [
        {"track_id": track, "season_year": season, "geometry": lonlat_box(80 + 10 * n, 60)}
        for track in tracks
        for n, season in enumerate(SEASONS)
    ]
    states = [
        {
            "track_id": track,
            "season_year": season,
            "area_m2": None if season == 2019 and track == "two" else 4_800.0 + 600.0 * n,
            "area_sigma_m2": 90.0,
            "observed_from": dt.date(season, 8, 1),
            "observed_to": dt.date(season, 8, 3),
            "is_clipped": season == 2020,
        }
        for track in tracks
        for n, season in enumerate(SEASONS)
    ]
    schema = pa.schema(
        [("related_track_id", pa.string()), ("season_year", pa.int32()), ("kind", pa.string())]
    )
    return TrackTables(
        outline=pa.Table.from_pylist(outlines),
        track_state=pa.Table.from_pylist(states),
        trend=pa.Table.from_pylist([trend(track, 600.0) for track in tracks]),
        event=pa.Table.from_pylist(list(events), schema=schema),
    )


class FakeReader:
    url = "duckdb:///fake.duckdb"

    def __init__(self, given):
        self.given = given

    def read(self, table, columns=None, scope=None):
        del scope
        rows = getattr(self.given, table)
        return rows.select(columns) if columns else rows


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_fastest_are_told_by_the_sure_end_of_their_rate():
    rows = [trend("sure", 300.0, low=250.0), trend("wild", 900.0, low=-400.0), trend("slow", 20.0)]
    assert fastest_tracks(pa.Table.from_pylist(rows), 1) == ["sure"]
    assert fastest_tracks(pa.Table.from_pylist(rows), 9) == ["wild", "sure", "slow"]


def test_two_seasons_make_no_trend_and_shrinking_is_no_growth():
    rows = [
        trend("twice", 900.0, n_seasons=2, method="interval"),
        trend("often", 100.0),
        trend("shrinks", -50.0),
    ]
    assert fastest_tracks(pa.Table.from_pylist(rows), 1) == ["often"]
    assert "shrinks" not in fastest_tracks(pa.Table.from_pylist(rows), 9)


def test_the_rate_told_is_the_most_robust_one_by_the_calendar():
    rows = [
        trend("a", 900.0),
        trend("a", 100.0, method="theil_sen"),
        trend("a", 5_000.0, method="theil_sen", time_basis="thaw"),
        trend("b", 400.0),
    ]
    assert fastest_tracks(pa.Table.from_pylist(rows), 2) == ["b", "a"]


def test_each_track_has_a_map_and_a_curve():
    figure = track_figure(tables(), ["one", "two"])
    first_map, first_curve, second_map, second_curve = figure.axes
    assert len(first_map.patches) == len(second_map.patches) == len(SEASONS)
    assert first_map.get_title(loc="left") == "1. one"
    assert first_curve.get_title(loc="left") == "+600 m² per year  (590 to 610)"
    assert len(first_curve.containers) == 3
    assert len(second_curve.containers) == 2


def test_maps_are_in_metres_on_the_ground():
    figure = track_figure(tables(("one",)), ["one"])
    extent = figure.axes[0].patches[-1].get_path().get_extents()
    assert extent.width == pytest.approx(100.0, abs=0.1)
    assert extent.height == pytest.approx(60.0, abs=0.1)
    assert texts(figure.axes[0]) == ["20 m"]


def test_a_merge_is_marked_and_breaks_the_curve():
    merge = {"related_track_id": "one", "season_year": 2019, "kind": "merge"}
    figure = track_figure(tables(("one",), [merge]), ["one"])
    curve = figure.axes[1]
    assert texts(curve) == ["merged with neighbour"]
    assert [line.get_linestyle() for line in curve.lines[:2]] == [":", "-"]


def test_the_picture_appears_whole_and_alone(tmp_path):
    path = plot_tracks(FakeReader(tables()), tmp_path / "tracks.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [each.name for each in tmp_path.iterdir()] == ["tracks.png"]


def test_a_store_without_rates_is_one_clear_line(tmp_path):
    given = tables()
    empty = TrackTables(
        outline=given.outline,
        track_state=given.track_state,
        trend=given.trend.slice(0, 0),
        event=given.event,
    )
    with pytest.raises(InputError, match="rts-track measure"):
        plot_tracks(FakeReader(empty), tmp_path / "tracks.png")


@pytest.mark.parametrize(
    ("name", "error"), [("tracks.nonsense", UsageError), ("nowhere/tracks.png", InputError)]
)
def test_a_picture_that_cannot_be_written_is_one_clear_line(tmp_path, name, error):
    with pytest.raises(error, match="tracks"):
        plot_tracks(FakeReader(tables()), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'rts-track\[report\]'"):
        plot_tracks(FakeReader(tables()), tmp_path / "tracks.png")
