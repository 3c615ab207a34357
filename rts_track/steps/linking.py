"""`link`: footprints into outlines, outlines into tracks with states and events.

What changes is worked off again from the earliest season whose footprints or looks changed;
earlier seasons are only read. Identity comes from the registry (`track.identity`), so a season
that comes out the same keeps its ids, and appending a season touches nothing before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rts_track.domain import KINDS, canonical_json, digest
from rts_track.steps.covering import refresh_coverage
from rts_track.steps.history import ChainHistory, KindHistory
from rts_track.steps.progress import Progress, silent
from rts_track.steps.regions import assign_regions
from rts_track.steps.registry import name_chains
from rts_track.steps.runs import begin_run, end_run, input_digest, keep_input_digest
from rts_track.steps.season_links import read_shifts, shift_rows
from rts_track.steps.track_rows import (
    release_superseded,
    settle,
    write_events,
    write_links,
    write_outlines,
    write_states,
    write_tracks,
)
from rts_track.store.statements import statement
from rts_track.track.params import LinkParams

if TYPE_CHECKING:
    from rts_track.store.base import Store

STEP = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReport:
    """What linking did; `first_season` is None where nothing had changed."""

    first_season: int | None = None
    last_season: int | None = None
    outlines: int = 0
    links: int = 0
    tracks_founded: int = 0
    events: int = 0


def link(
    store: Store, params: LinkParams | None = None, *, progress: Progress = silent
) -> LinkReport:
    """Bring outlines, links, tracks, states and events up to date with footprints and looks.

    One transaction: killed at any moment, the store is as it was before. Unchanged input leaves
    everything as it is.
    """
    params = params or LinkParams()
    with store.transaction():
        refresh_coverage(store, progress=progress)
        units = _units(store, params)
        changed = [
            (kind, season)
            for (kind, season), inputs in units.items()
            if input_digest(store, STEP, f"{kind} {season}") != inputs
        ]
        if not changed:
            return LinkReport()
        first = min(season for _, season in changed)
        last = max(season for _, season in units)
        inputs = digest(*(f"{kind} {season} {units[kind, season]}" for kind, season in changed))
        run_id = begin_run(store, STEP, params.as_dict(), inputs)
        histories = _histories(store, params, run_id, units, first, last, progress)
        report = _write(store, histories, run_id, first, last)
        for kind, season in changed:
            keep_input_digest(store, STEP, f"{kind} {season}", units[kind, season])
        assign_regions(store)
        end_run(store, run_id, STEP, params.as_dict(), inputs)
    return report


def _units(store: Store, params: LinkParams) -> dict[tuple[str, int], str]:
    """A digest of what linking reads, per kind and season."""
    rows = store.query(statement("season_units")).to_pylist()
    return {
        (row["kind"], row["season_year"]): digest(row["inputs"], canonical_json(params.as_dict()))
        for row in rows
    }


def _histories(
    store: Store,
    params: LinkParams,
    run_id: str,
    units: dict[tuple[str, int], str],
    first: int,
    last: int,
    progress: Progress,
) -> list[ChainHistory]:
    shifts = read_shifts(store)
    workers = []
    for kind in KINDS:
        seasons = [season for of, season in units if of == kind]
        if seasons:
            worker = KindHistory(store, kind, params, run_id, shifts)
            worker.begin(first, seasons)
            workers.append((worker, max(seasons)))
    todo = [
        (worker, season)
        for worker, newest in workers
        for season in range(first, min(last, newest) + 1)
    ]
    for worker, season in progress(todo, label="linking", total=len(todo)):
        worker.advance(season)
    return [worker.finish() for worker, _ in workers]


def _write(
    store: Store, histories: list[ChainHistory], run_id: str, first: int, last: int
) -> LinkReport:
    names = [name_chains(store, history, first) for history in histories]
    newest = {history.kind: _newest_season(store, history, first) for history in histories}
    shifts = {scenes: shift for history in histories for scenes, shift in history.shifts.items()}
    store.upsert("scene_shift", shift_rows(shifts))
    founded = n_outlines = 0
    for history, named in zip(histories, names, strict=True):
        founded += write_tracks(store, history, named, newest[history.kind], run_id)
        n_outlines += write_outlines(store, history, named)
    release_superseded(store)
    seasons = range(first, last + 1)
    n_links = write_links(store, histories, newest, seasons)
    write_states(store, histories, names, seasons)
    n_events = write_events(store, histories, names, newest, first)
    settle(store, newest)
    return LinkReport(
        first_season=first,
        last_season=last,
        outlines=n_outlines,
        links=n_links,
        tracks_founded=founded,
        events=n_events,
    )


def _newest_season(store: Store, history: ChainHistory, first: int) -> int:
    """The newest season of the kind with an outline; 0 where there is none."""
    worked_off = [season for season, found in history.seasons.items() if len(found.outlines)]
    if worked_off:
        return max(worked_off)
    years = store.read("outline", ["season_year"], {"kind": history.kind})["season_year"]
    return max((year for year in years.to_pylist() if year < first), default=0)
