"""`align`: how far scenes lie from each other, told by their images, for linking to correct.

Each scene is compared with a reference of its place; the shift between any two of a place follows
from theirs, so that a season more costs one comparison a scene. What is known stays: a shift is
frozen once estimated, be it by images or by outlines, until a scene's content changes or it is
asked for anew.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from rts_track.contract import arrow_schema
from rts_track.domain import canonical_json, digest
from rts_track.errors import InputError
from rts_track.progress import Progress, silent
from rts_track.raster.coregister import CoregisterParams, between
from rts_track.source.scenes import open_scene
from rts_track.steps.align_pair import Untold, told_shift
from rts_track.steps.align_plan import Plan, ScenePair, plan, read_scenes
from rts_track.steps.runs import input_digests, keep_input_digest, record_run, run_id_of
from rts_track.steps.season_links import read_shifts

if TYPE_CHECKING:
    from rts_track.source.scene import Scene
    from rts_track.store.base import Store
    from rts_track.track.shift import Shift

STEP = "align"
METHOD = "coregistration"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignReport:
    """What aligning did.

    Attributes:
        run_id: the run under which it is recorded; None where nothing was new.
        n_told: pairs of scenes whose images were compared and told a shift.
        n_derived: pairs whose shift follows from those of both against a reference.
        n_applied: how many of these are large enough to be corrected for.
        n_kept: pairs that were known before.
        untold: pairs whose images do not tell, and why.
        faults: scenes or pairs that could not be read, in one line each.
        linked_seasons: seasons linked before these shifts were known.
    """

    run_id: str | None = None
    n_told: int = 0
    n_derived: int = 0
    n_applied: int = 0
    n_kept: int = 0
    untold: tuple[tuple[ScenePair, str], ...] = ()
    faults: tuple[str, ...] = ()
    linked_seasons: tuple[int, ...] = ()

    def lines(self) -> Iterator[str]:
        """What came of it; faults are told by `faults`."""
        n = self.n_told + self.n_derived
        yield (
            f"shifts of {n:,} pairs of scenes told ({self.n_derived:,} of them by a reference),"
            f" {self.n_applied:,} large enough to be corrected for; {self.n_kept:,} known before"
        )
        for (scene_a, scene_b), reason in self.untold[:_SHOWN]:
            yield f"no shift between {scene_a} and {scene_b}: {reason}"
        if len(self.untold) > _SHOWN:
            yield f"no shift between {len(self.untold) - _SHOWN:,} more pairs"
        if n and self.linked_seasons:
            yield (
                f"season {self.linked_seasons[0]} and later were linked without these shifts:"
                f" `rts-track link --redo {self.linked_seasons[0]}` links them anew"
            )


_SHOWN = 5


def align(
    store: Store,
    *,
    reference: str | None = None,
    redo: bool = False,
    params: CoregisterParams | None = None,
    progress: Progress = silent,
) -> AlignReport:
    """What came of telling the shifts between all scenes of the store that linking may ask for.

    Each comparison is a transaction of its own: killed at any moment, the next call goes on where
    this one was. A second call changes nothing. Pairs whose images do not tell are not compared
    again until one of them changes.

    Args:
        store: an initialised store.
        reference: id of the scene that all overlapping ones are compared with; None: for each
            the clearest of the earliest season of its place.
        redo: tell all shifts anew, those too that outlines had told.
        params: when images tell a shift.
        progress: shown the comparisons as they go by.

    Raises:
        UsageError: there is no such reference.
        StoreError: the store cannot be written.
    """
    params = params or CoregisterParams()
    work = Aligning(store, plan(read_scenes(store), reference), params, redo)
    references = work.unknown(work.plan.with_references())
    for pair in progress(references, label="aligning", total=len(references)):
        work.compare(pair)
    wanted = work.unknown(work.plan.wanted)
    work.derive(wanted)
    others = work.unknown(wanted)
    for pair in progress(others, label="aligning", total=len(others)):
        work.compare(pair)
    return work.report()


@dataclass(slots=True)
class Aligning:
    """Tells shifts by the plan, and keeps count."""

    store: Store
    plan: Plan
    params: CoregisterParams
    redo: bool
    _started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    _known: dict[ScenePair, Shift] = field(default_factory=dict)
    _imaged: set[ScenePair] = field(default_factory=set)
    _tried: dict[str, str] = field(default_factory=dict)
    _unreadable: set[str] = field(default_factory=set)
    _fresh: dict[ScenePair, Shift] = field(default_factory=dict)
    _untold: dict[ScenePair, str] = field(default_factory=dict)
    _faults: list[str] = field(default_factory=list)
    _n_derived: int = 0

    def __post_init__(self) -> None:
        """See what is known; of a scene whose content changed, nothing is."""
        self._tried = {} if self.redo else input_digests(self.store, STEP)
        changed = {
            scene.scene_id
            for scene in self.plan.scenes.values()
            if self._tried.get(f"scene {scene.scene_id}", scene.content_sha256)
            != scene.content_sha256
        }
        if not self.redo:
            known = read_shifts(self.store)
            self._known = {pair: known[pair] for pair in known if not changed & set(pair)}
            self._imaged = _told_by_images(self.store)

    def unknown(self, pairs: Iterable[ScenePair]) -> list[ScenePair]:
        """The pairs that no shift is known of, and that were not tried in vain."""
        return [
            pair
            for pair in dict.fromkeys(pairs)
            if pair not in self._known
            and pair not in self._fresh
            and pair not in self._untold
            and self._tried.get(_unit(pair)) != self._inputs(pair)
        ]

    def compare(self, pair: ScenePair) -> None:
        """Let the two images tell their shift, and store it."""
        if self._unreadable & set(pair):
            return
        try:
            before, after = (self._open(scene_id) for scene_id in pair)
            told = told_shift(before, after, self.params)
        except InputError as error:
            self._faults.append(f"{pair[0]} and {pair[1]}: {error}")
            return
        with self.store.transaction():
            if isinstance(told, Untold):
                self._untold[pair] = told.reason
                keep_input_digest(self.store, STEP, _unit(pair), self._inputs(pair))
                return
            self._fresh[pair] = told
            self._write([pair])
        offset = f"{told.dx_m:+.2f} m east, {told.dy_m:+.2f} m north"
        _log.info("%s lies %s of %s, ± %.2f m", pair[1], offset, pair[0], told.se_m)

    def derive(self, pairs: list[ScenePair]) -> None:
        """Tell the shifts that follow from those against a common reference, and store them."""
        derived = []
        for pair in pairs:
            reference = self.plan.common_reference(pair)
            if reference is None:
                continue
            to_a, to_b = (self._against(reference, scene) for scene in pair)
            if to_a is not None and to_b is not None:
                self._fresh[pair] = between(to_a, to_b, self.params)
                derived.append(pair)
        self._n_derived += len(derived)
        if derived:
            with self.store.transaction():
                self._write(derived)

    def report(self) -> AlignReport:
        """What has been done."""
        seasons = {self.plan.scenes[later].season_year for _, later in self._fresh}
        linked = {int(unit.rsplit(" ", 1)[1]) for unit in input_digests(self.store, "link")}
        return AlignReport(
            run_id=self._run_id() if self._fresh else None,
            n_told=len(self._fresh) - self._n_derived,
            n_derived=self._n_derived,
            n_applied=sum(shift.is_applied for shift in self._fresh.values()),
            n_kept=len(self._known),
            untold=tuple(sorted(self._untold.items())),
            faults=tuple(self._faults),
            linked_seasons=tuple(sorted(seasons & linked)),
        )

    def _open(self, scene_id: str) -> Scene:
        try:
            return open_scene(self.plan.scenes[scene_id].uri)
        except InputError:
            self._unreadable.add(scene_id)
            raise

    def _against(self, reference: str, scene: str) -> Shift | None:
        """How far the scene lies from the reference, as far as their images told it."""
        pair = self.plan.pair(reference, scene)
        known = self._known.get(pair) if pair in self._imaged else None
        shift = self._fresh.get(pair) or known
        if shift is None or pair[0] == reference:
            return shift
        return replace(shift, dx_m=-shift.dx_m, dy_m=-shift.dy_m)

    def _write(self, pairs: list[ScenePair]) -> None:
        """Store the fresh shifts of these pairs, what they were told of, and the run."""
        shifts = {pair: self._fresh[pair] for pair in pairs}
        self.store.upsert("scene_shift", _shift_rows(shifts))
        for scene_id in sorted({scene_id for pair in pairs for scene_id in pair}):
            content = self.plan.scenes[scene_id].content_sha256
            keep_input_digest(self.store, STEP, f"scene {scene_id}", content)
        record_run(
            self.store,
            STEP,
            self.params.as_dict(),
            self.plan.digest(),
            started_at=self._started_at,
        )

    def _run_id(self) -> str:
        return run_id_of(STEP, self.params.as_dict(), self.plan.digest())

    def _inputs(self, pair: ScenePair) -> str:
        """A digest of what comparing the pair reads."""
        contents = [self.plan.scenes[scene_id].content_sha256 for scene_id in pair]
        return digest(*contents, canonical_json(self.params.as_dict()))


def _unit(pair: ScenePair) -> str:
    return f"pair {pair[0]} {pair[1]}"


def _told_by_images(store: Store) -> set[ScenePair]:
    rows = store.read("scene_shift", ["scene_a", "scene_b"], {"method": METHOD}).to_pylist()
    return {(row["scene_a"], row["scene_b"]) for row in rows}


def _shift_rows(shifts: dict[ScenePair, Shift]) -> pa.Table:
    """The shifts as rows of the contract."""
    rows = [
        {"scene_a": scene_a, "scene_b": scene_b, "method": METHOD, **asdict(shift)}
        for (scene_a, scene_b), shift in shifts.items()
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("scene_shift"))
