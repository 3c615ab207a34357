"""Puts what an import has read into the store, within a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from rts_track.source.looks import hull_looks, median_gsd_m, stated_looks
from rts_track.steps.import_rows import drop_unchanged, look_rows, scene_rows, source_row
from rts_track.steps.superseding import FORMER_COLUMNS, Superseding
from rts_track.store.base import Written

if TYPE_CHECKING:
    from rts_track.progress import Progress
    from rts_track.source.footprints import FootprintReading, LookedAt
    from rts_track.source.inventory import Inventory, LookArea
    from rts_track.store.base import Store

WRITE_BATCHES = 4
"""Batches that are written at a time: reading is heavier on memory than writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An inventory that was read: what it tells, and the file where its footprints wait.

    `stems` names the file that each spooled batch came from.
    """

    inventory: Inventory
    reading: FootprintReading
    spool: Path
    stems: tuple[str, ...]

    @property
    def n_groups(self) -> int:
        """How many items `groups` has."""
        return len(self._grouped())

    def groups(self) -> Iterator[tuple[str, pa.Table]]:
        """The footprints by some batches of one file at a time, and that file's name."""
        with pa.OSFile(str(self.spool)) as file, pa.ipc.open_file(file) as spooled:
            for numbers in self._grouped():
                batches = [spooled.get_batch(number) for number in numbers]
                yield self.stems[numbers[0]], pa.Table.from_batches(batches)

    def _grouped(self) -> list[range]:
        """The numbers of the batches that are written together."""
        groups: list[range] = []
        for number, stem in enumerate(self.stems):
            last = groups[-1] if groups else None
            if last and self.stems[last.start] == stem and len(last) < WRITE_BATCHES:
                groups[-1] = range(last.start, number + 1)
            else:
                groups.append(range(number, number + 1))
        return groups


@dataclass(slots=True, kw_only=True)
class Writing:
    """Puts one draft into the store, within a transaction, and counts."""

    store: Store
    draft: Draft
    is_known: bool
    run_id: str
    identities: dict[bytes, str]
    n_footprints: int = 0
    footprints: Written = field(default_factory=Written)
    scenes: Written = field(default_factory=Written)
    looks: Written = field(default_factory=Written)
    n_superseded: int = 0

    def write(self, looked_at: LookedAt, progress: Progress) -> Writing:
        """Source, scenes and looks, then the footprints that refer to them."""
        facts, reading = self.draft.inventory.facts, self.draft.reading
        self.store.upsert("source", source_row(facts, median_gsd_m(reading.gsd_m)))
        looks = [*self.draft.inventory.looks, *self._assumed_looks(looked_at)]
        scenes = scene_rows(self.store, self._source, reading.scenes, looks)
        self.scenes = self.store.upsert("scene", scenes)
        rows = drop_unchanged(self.store, "look", look_rows(looks, self.run_id), self.run_id)
        self.looks = self.store.upsert("look", rows)
        if self.is_known:
            self._supersede(progress)
        groups, n_groups = self.draft.groups(), self.draft.n_groups
        for stem, rows in progress(groups, label=f"storing {self._source}", total=n_groups):
            self._write_footprints(stem, rows)
        return self

    @property
    def _source(self) -> str:
        return self.draft.inventory.facts.source

    def _assumed_looks(self, looked_at: LookedAt) -> list[LookArea]:
        reading = self.draft.reading
        if looked_at.stated is not None:
            return stated_looks(self._source, looked_at.stated, reading.seasons)
        return hull_looks(self._source, reading.hulls)

    def _write_footprints(self, stem: str, rows: pa.Table) -> None:
        self.n_footprints += rows.num_rows
        column = pa.array([self.run_id] * rows.num_rows, pa.string())
        rows = rows.append_column("run_id", column)
        if self.is_known:
            rows = self._without_other_files(stem, rows)
            rows = drop_unchanged(self.store, "footprint", rows, self.run_id)
        if rows.num_rows:
            self.footprints += self.store.upsert("footprint", rows)

    def _without_other_files(self, stem: str, rows: pa.Table) -> pa.Table:
        """The rows less those that another file brought before: they keep that file's name."""
        ids = rows["footprint_id"].to_pylist()
        known = self.store.read(
            "footprint", ["footprint_id", "source_feature_id"], {"footprint_id": ids}
        )
        elsewhere = {
            row["footprint_id"]
            for row in known.to_pylist()
            if not str(row["source_feature_id"]).startswith(f"{stem}:")
        }
        return rows.filter(pa.array([one not in elsewhere for one in ids], pa.bool_()))

    def _supersede(self, progress: Progress) -> None:
        """Note which footprints give way to these, before these come in; none of these does."""
        seasons: dict[str, set[int]] = {}
        for (stem, season), _ in self.draft.reading.seasons:
            seasons.setdefault(stem, set()).add(season)
        superseding = Superseding(self.identities, seasons)
        groups, n_groups = self.draft.groups(), self.draft.n_groups
        for stem, rows in progress(groups, label=f"comparing {self._source}", total=n_groups):
            names = rows["source_feature_id"].to_pylist()
            scope = {"source": self._source, "source_feature_id": names}
            superseding.compare(stem, rows, self.store.read("footprint", FORMER_COLUMNS, scope))
            ids = rows["footprint_id"].to_pylist()
            self.store.delete("superseded_footprint", {"footprint_id": ids})
        former = superseding.superseded()
        known = self.store.read("superseded_footprint", ["footprint_id"], {"footprint_id": former})[
            "footprint_id"
        ].to_pylist()
        fresh = sorted(set(former) - set(known))
        self.n_superseded = len(fresh)
        if fresh:
            new = pa.table({"footprint_id": fresh, "run_id": [self.run_id] * len(fresh)})
            self.store.upsert("superseded_footprint", new)
