"""Coverage in the store: which looks count, and what is worked off again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely

from rts_track import grid
from rts_track.contract import arrow_schema
from rts_track.steps.covering import refresh_coverage

ROUGHLY = 1e-3
"""The stories' looks have long edges, which lon/lat bends a little."""
TABLES = ("coverage", "coverage_cell", "region_coverage")


def areas(store):
    """(season, kind, basis, n_looks) -> area in hectares."""
    return {
        (row["season_year"], row["kind"], row["basis"], row["n_looks"]): row["area_m2"] / 1e4
        for row in store.read("coverage").to_pylist()
    }


def change_looks(store, **values):
    """Set these values in every look."""
    looks = store.read("look", ["look_id"])
    names = list(values)
    columns = {name: [values[name]] * len(looks) for name in names}
    schema = pa.schema([arrow_schema("look").field(name) for name in ("look_id", *names)])
    store.update("look", pa.table({"look_id": looks["look_id"], **columns}, schema=schema))


def test_looks_of_each_season_kind_and_basis_are_counted_apart(story):
    story.source("changes", kind="active_zone")
    story.look(2018, (0, 0, 1000, 1000))
    story.look(2018, (500, 0, 1500, 1000))
    story.look(2018, (500, 0, 2500, 1000), basis="assumed")
    story.look(2018, (0, 0, 100, 1000), source="changes")
    story.look(2019, (0, 0, 1000, 500))
    refresh_coverage(story.store)
    assert areas(story.store) == pytest.approx(
        {
            (2018, "landform", "measured", 1): 100.0,
            (2018, "landform", "measured", 2): 50.0,
            (2018, "landform", "assumed", 1): 100.0,
            (2018, "active_zone", "measured", 1): 10.0,
            (2019, "landform", "measured", 1): 50.0,
        },
        rel=ROUGHLY,
    )


def test_the_cells_sum_to_the_coverage_of_their_season(story):
    story.look(2018, (-30_000, -30_000, 30_000, 30_000))
    story.look(2018, (0, 0, 50_000, 50_000), basis="assumed")
    refresh_coverage(story.store)
    cells = story.store.read("coverage_cell").to_pylist()
    assert len(cells) > 4
    looked_m2 = sum(cell["looked_area_m2"] for cell in cells)
    assert looked_m2 == pytest.approx(sum(areas(story.store).values()) * 1e4, rel=1e-6)
    assert looked_m2 == pytest.approx(60_000**2 + 50_000**2 - 30_000**2, rel=ROUGHLY)
    assert all(cell["looked_area_m2"] <= cell["cell_area_m2"] for cell in cells)


def test_refreshing_twice_changes_nothing(story):
    story.look(2018, (0, 0, 1000, 1000))
    assert not refresh_coverage(story.store).is_empty
    before = [story.store.read(name) for name in TABLES]
    assert refresh_coverage(story.store).is_empty
    assert all(story.store.read(n).equals(t) for n, t in zip(TABLES, before, strict=True))


def test_only_seasons_whose_looks_changed_are_worked_off_again(story):
    story.look(2018, (0, 0, 1000, 1000))
    refresh_coverage(story.store)
    story.look(2019, (0, 0, 1000, 1000))
    seen = []

    def watching(items, *, label, total=None):
        del label, total
        for item in items:
            seen.append(item)
            yield item

    refresh_coverage(story.store, progress=watching)
    assert seen == [("landform", 2019)]
    assert {key[0] for key in areas(story.store)} == {2018, 2019}


@pytest.mark.parametrize("values", [{"is_current": False}, {"status": "failed"}])
def test_a_failed_or_superseded_look_covers_nothing(story, values):
    story.look(2018, (0, 0, 1000, 1000))
    refresh_coverage(story.store)
    assert len(areas(story.store)) == 1
    change_looks(story.store, **values)
    assert refresh_coverage(story.store).removed > 0
    assert [story.store.count(name) for name in TABLES] == [0, 0, 0]
    assert refresh_coverage(story.store).is_empty


def test_a_look_across_the_date_line_is_one_area_in_two_halves(story):
    corner = grid.transformer(grid.LONLAT_CRS, grid.METRIC_CRS).transform(180.0, 67.0)
    x, y = np.array(corner) - (-1_500_000.0, 1_200_000.0)
    story.look(2018, (x - 5000, y - 5000, x + 5000, y + 5000))
    refresh_coverage(story.store)
    (row,) = story.store.read("coverage").to_pylist()
    assert row["area_m2"] == pytest.approx(1e8, rel=ROUGHLY)
    assert shapely.from_wkb(row["geometry"]).bounds[::2] == (-180.0, 180.0)
    cells = story.store.read("coverage_cell").to_pylist()
    assert {cell["cell_lon"] for cell in cells} == {-180.0, 179.5}
