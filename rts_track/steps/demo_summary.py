"""What both demos say at their end of a store and of its truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.answer import table_lines
from rts_track.errors import UsageError
from rts_track.query import ask
from rts_track.report.plots import plot_tracks
from rts_track.steps.scoring import score

if TYPE_CHECKING:
    import pyarrow as pa

    from rts_track.store.base import Store

SHOWN_COLUMNS = [
    "rank",
    "track_id",
    "basis",
    "from_year",
    "area_m2",
    "area_rate_m2_yr",
    "area_rate_sigma_m2_yr",
    "lon",
    "lat",
]
"""Of the fastest growers, what fits a terminal."""


def summary_lines(store: Store, truth: Path) -> Iterator[str]:
    """Tracks, events, the fastest growers of the newest season, and the score."""
    newest = int(store.query("select max(season_year) as season from outline")["season"][0].as_py())
    (counted,) = store.query(
        "select count(*) as n, count(*) filter (where validity = 'confirmed') as n_confirmed"
        " from track"
    ).to_pylist()
    yield ""
    yield f"{counted['n']:,} tracks, {counted['n_confirmed']:,} of them seen in two seasons or more"
    yield "(more than there are slumps: some of what was outlined is none, and some came apart)"
    happened = store.query(
        "select kind, count(*) as n from event group by kind order by kind"
    ).to_pylist()
    yield "Events: " + ", ".join(f"{row['n']:,} {row['kind']}" for row in happened)
    yield ""
    yield f"Fastest growers of {newest}:"
    fastest = ask(store, "fastest-growers", {"season": str(newest), "limit": "5"})
    yield from (f"  {line}" for line in table_lines(fastest.select(SHOWN_COLUMNS)))
    yield ""
    yield "Scored against the truth:"
    yield from (f"  {line}" for line in table_lines(_in_all(score(store, truth).table())))


def _in_all(scored: pa.Table) -> pa.Table:
    """The rows of all seasons together, without the columns that say nothing of them."""
    import pyarrow.compute as pc

    if "season_year" in scored.column_names:
        scored = scored.filter(pc.is_null(scored["season_year"]))
    told = [name for name in scored.column_names if scored[name].null_count < len(scored)]
    return scored.select(told)


def tracks_picture(store: Store, folder: Path) -> str:
    """The line that tells of tracks.png, the fastest growers drawn; or why there is none."""
    file = folder / "tracks.png"
    try:
        plot_tracks(store, file)
    except UsageError as error:
        return f"(no picture: {error})"
    return f"{file}   the fastest growers through the seasons"
