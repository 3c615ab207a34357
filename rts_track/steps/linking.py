"""`link`: footprints into outlines, outlines into tracks with states and events.

What changes is worked off again from the earliest season whose footprints, looks or verdicts
changed, or from one before it that the change may settle: what is provisional, and beginnings of
the season before. Identity comes from the registry (`track.identity`), so a season that comes out
the same keeps its ids, and appending a season changes nothing before it that was final.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rts_track.domain import KINDS, canonical_json, digest
from rts_track.errors import UsageError
from rts_track.progress import Progress, silent
from rts_track.steps.carrying import carry_over
from rts_track.steps.chains import ChainHistory
from rts_track.steps.covering import refresh_coverage
from rts_track.steps.history import KindHistory
from rts_track.steps.regions import assign_regions
from rts_track.steps.registry import name_chains
from rts_track.steps.runs import (
    forget_units,
    input_digests,
    keep_input_digest,
    record_run,
    run_id_of,
)
from rts_track.steps.season_links import read_shifts, shift_rows
from rts_track.steps.spool import Spool, open_spool
from rts_track.steps.tiles import Serial, Workers
from rts_track.steps.track_rows import (
    release_superseded,
    write_events,
    write_links,
    write_outlines,
    write_states,
    write_tracks,
)
from rts_track.steps.verdicts import read_rulings
from rts_track.store.statements import statement
from rts_track.track.params import LinkParams

if TYPE_CHECKING:
    from rts_track.store.base import Store

STEP = "link"
Unit = tuple[str, int]
"""A kind and a season."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReport:
    """What linking did; `first_season` is None where nothing had changed.

    Outlines, links and events are all that were worked off: from the first changed season on, or
    from an earlier one that held something provisional or that the changed one settles.
    """

    first_season: int | None = None
    last_season: int | None = None
    outlines: int = 0
    links: int = 0
    tracks_founded: int = 0
    events: int = 0


def link(
    store: Store,
    params: LinkParams | None = None,
    *,
    redo: int | None = None,
    workers: Workers | None = None,
    progress: Progress = silent,
) -> LinkReport:
    """Bring outlines, links, tracks, states and events up to date with footprints and looks.

    What persons said of footprints, links and tracks goes before what is computed. One
    transaction: killed at any moment, the store is as it was before. Unchanged input leaves
    everything as it is. `redo`: links that season and all later ones again, though nothing
    changed; tracks keep their ids, scenes their shifts.

    Raises:
        UsageError: nothing was found or looked at in the season to redo, or later.
    """
    params, started_at = params or LinkParams(), dt.datetime.now(dt.UTC)
    with open_spool() as spool, store.transaction():
        refresh_coverage(store, progress=progress)
        carry_over(store)
        known, units = _known_units(store), _units(store, params)
        changed = sorted(
            {unit for unit in known.keys() | units.keys() if known.get(unit) != units.get(unit)}
            | _redone(units, redo)
        )
        if not changed:
            return LinkReport()
        first_changed = min(_after_the_season_before(unit, units) for unit in changed)
        first = min(
            first_changed,
            _provisional_since(store, first_changed),
            *_settled_by(store, changed, known),
        )
        last = max(season for _, season in known.keys() | units.keys())
        inputs = digest(
            *(f"{kind} {season} {units.get((kind, season))}" for kind, season in changed)
        )
        run_id = run_id_of(STEP, params.as_dict(), inputs)
        team = workers or Serial()
        ever = known | units
        histories = _histories(store, params, run_id, ever, units, first, team, spool, progress)
        report = _write(store, histories, run_id, first, last, spool)
        report = replace(report, first_season=first_changed)
        for kind, season in changed:
            if (kind, season) in units:
                keep_input_digest(store, STEP, f"{kind} {season}", units[kind, season])
        forget_units(store, STEP, [f"{k} {season}" for k, season in known.keys() - units.keys()])
        assign_regions(store)
        record_run(store, STEP, params.as_dict(), inputs, started_at=started_at)
    return report


def _units(store: Store, params: LinkParams) -> dict[Unit, str]:
    """A digest of what linking reads, per kind and season."""
    rows = store.query(statement("season_units")).to_pylist()
    return {
        (row["kind"], row["season_year"]): digest(row["inputs"], canonical_json(params.as_dict()))
        for row in rows
    }


def _known_units(store: Store) -> dict[Unit, str]:
    """The digests of the last time."""
    known = {}
    for unit, inputs in input_digests(store, STEP).items():
        kind, season = unit.rsplit(" ", 1)
        known[kind, int(season)] = inputs
    return known


def _redone(units: dict[Unit, str], redo: int | None) -> set[Unit]:
    """The units from the season on that is to be linked again."""
    if redo is None:
        return set()
    redone = {unit for unit in units if unit[1] >= redo}
    if not redone:
        newest = max((season for _, season in units), default=None)
        known = "the store is empty" if newest is None else f"the last season is {newest}"
        raise UsageError(f"season {redo}: nothing to link again from then on; {known}")
    return redone


def _after_the_season_before(unit: Unit, units: dict[Unit, str]) -> int:
    """The earliest season whose states the unit decides.

    States go on to a kind's newest unit: one that follows seasons without any fills these, too.
    """
    kind, season = unit
    before = [other for of, other in units if of == kind and other < season]
    return max(before, default=season - 1) + 1


def _settled_by(store: Store, changed: list[Unit], known: dict[Unit, str]) -> list[int]:
    """The seasons that the changed ones settled, or seasons after these did.

    What began or split in a season is settled by the next with outlines: where that is redone or
    filled in, it is to be settled anew.
    """
    rows = store.query(statement("outline_seasons")).to_pylist()
    newest = dict(sorted(known))
    settled = []
    for kind, season in changed:
        if season <= newest.get(kind, season - 1):
            own = (row["season_year"] for row in rows if row["kind"] == kind)
            settled += [max((other for other in own if other < season), default=season)]
    return settled


def _provisional_since(store: Store, otherwise: int) -> int:
    """The first season with something that another season may settle."""
    (since,) = store.query(statement("provisional_since"))["season_year"].to_pylist()
    return otherwise if since is None else int(since)


def _histories(
    store: Store,
    params: LinkParams,
    run_id: str,
    ever: dict[Unit, str],
    units: dict[Unit, str],
    first: int,
    team: Workers,
    spool: Spool,
    progress: Progress,
) -> list[ChainHistory]:
    """Every kind that has units, or had: then what it had must go."""
    shifts = read_shifts(store)
    workers, todo = [], []
    for kind in KINDS:
        seasons = [season for of, season in units if of == kind]
        gone = [season for of, season in ever if of == kind and season not in seasons]
        if seasons or gone:
            rulings = read_rulings(store, kind)
            worker = KindHistory(store, rulings, params, run_id, shifts, team, spool)
            worker.begin(first, seasons)
            workers.append(worker)
            newest = max(seasons, default=first - 1)
            todo += [(worker, season) for season in range(first, newest + 1)]
            worker.history.emptied = [season for season in gone if season > newest]
    for worker, season in progress(todo, label="linking", total=len(todo)):
        worker.advance(season)
        spool.let_go()
    return [worker.finish() for worker in workers]


def _write(
    store: Store,
    histories: list[ChainHistory],
    run_id: str,
    first: int,
    last: int,
    spool: Spool,
) -> LinkReport:
    names = [name_chains(store, history, first) for history in histories]
    shifts = {scenes: shift for history in histories for scenes, shift in history.shifts.items()}
    store.upsert("scene_shift", shift_rows(shifts))
    founded = n_outlines = 0
    for history, named in zip(histories, names, strict=True):
        founded += write_tracks(store, history, named, run_id, spool)
        n_outlines += write_outlines(store, history, named, spool)
    release_superseded(store)
    seasons = range(first, last + 1)
    n_links = write_links(store, histories, seasons)
    write_states(store, histories, names, seasons)
    n_events = write_events(store, histories, names, first, spool)
    return LinkReport(
        first_season=first,
        last_season=last,
        outlines=n_outlines,
        links=n_links,
        tracks_founded=founded,
        events=n_events,
    )
