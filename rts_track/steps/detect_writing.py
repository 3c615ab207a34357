"""Puts what a search came to into the store: all of one scene in one transaction."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from rts_track.domain import digest
from rts_track.steps.detect_rows import done_row, failed_row, footprint_rows, source_row
from rts_track.steps.import_rows import drop_unchanged
from rts_track.steps.runs import record_run, run_id_of

if TYPE_CHECKING:
    import shapely

    from rts_track.model.bundle import Ensemble
    from rts_track.polygon.extract import Extracted
    from rts_track.steps.detect_plan import Row, Search
    from rts_track.store.base import Store, Where

STEP = "detect"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord:
    """Writes down one search of a scene, whatever it comes to, under one run.

    `source` is the scene's source as it is stored; `recall`, its recall by such searches, if known.
    """

    store: Store
    search: Search
    source: Row
    ensemble: Ensemble
    recall: float | None
    started_at: dt.datetime

    @property
    def run_id(self) -> str:
        """The run of this search."""
        return run_id_of(STEP, self._run_params, self._inputs_sha256)

    def done(self, found: Extracted, looked_at: shapely.Geometry) -> None:
        """The search is done: it found these in that EPSG:6931 area; former looks give way."""
        rows = footprint_rows(self.search, self.run_id, found)
        with self.store.transaction():
            self._record_run()
            self.store.upsert("source", self._source_row())
            self._supersede_looks({})
            self.store.upsert("look", done_row(self.search, self.run_id, looked_at))
            self._supersede_footprints(rows["footprint_id"].to_pylist())
            self.store.upsert(
                "footprint", drop_unchanged(self.store, "footprint", rows, self.run_id)
            )

    def failed(self, failure: str) -> None:
        """The search failed; what an earlier one found still counts."""
        with self.store.transaction():
            self._record_run()
            self._supersede_looks({"status": "failed"})
            self.store.upsert("look", failed_row(self.search, self.run_id, failure))

    def _source_row(self) -> pa.Table:
        return source_row(self.source, self.ensemble, self.search.params, recall=self.recall)

    @property
    def _run_params(self) -> dict[str, object]:
        return {"scene": self.search.scene_id, **self.search.recorded}

    @property
    def _inputs_sha256(self) -> str:
        return digest(self.search.scene["content_sha256"], self.ensemble.sha256)

    def _record_run(self) -> None:
        record_run(
            self.store,
            STEP,
            self._run_params,
            self._inputs_sha256,
            started_at=self.started_at,
            bundle_sha256=self.ensemble.sha256,
        )

    def _supersede_looks(self, which: Where) -> None:
        """Let the scene's former looks of the source, or some of them, count no longer."""
        scene = self.search.scene
        scope: Where = {
            "scene_id": scene["scene_id"],
            "source": scene["source"],
            "is_current": True,
            **which,
        }
        former = self.store.read("look", ["look_id"], scope)["look_id"].to_pylist()
        if former:
            rows = {"look_id": former, "is_current": [False] * len(former)}
            self.store.update("look", pa.table(rows))

    def _supersede_footprints(self, found: list[str]) -> None:
        """Let what the same look found before, and did not now, count no longer; the rest again.

        The same search may come out otherwise with another version, device or elevation model.
        """
        scope: Where = {"look_id": self.search.look_id}
        before = self.store.read("footprint", ["footprint_id"], scope)["footprint_id"].to_pylist()
        if not before:
            return
        gone = sorted(set(before) - set(found))
        self.store.delete("superseded_footprint", {"footprint_id": before})
        if gone:
            rows = {"footprint_id": gone, "run_id": [self.run_id] * len(gone)}
            self.store.upsert("superseded_footprint", pa.table(rows))
