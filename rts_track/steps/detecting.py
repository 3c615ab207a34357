"""`detect`: scenes are searched by an ensemble; what it finds becomes footprints and a look."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rts_track.errors import InputError, RtsTrackError, StoreError
from rts_track.polygon.extract import extract, mask_polygons
from rts_track.progress import Progress, silent
from rts_track.raster.probability import NOT_LOOKED_AT, STEPS
from rts_track.release.cog import write_cog
from rts_track.source.scenes import open_scene
from rts_track.source.stack import open_stack
from rts_track.steps.detect_plan import DetectRequest, Plan, plan_searches
from rts_track.steps.detect_writing import SearchRecord
from rts_track.steps.ingest_rows import content_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from rts_track.model.bundle import Ensemble
    from rts_track.model.predict import Prediction, Predictor
    from rts_track.polygon.extract import ExtractParams
    from rts_track.raster.grid import Grid
    from rts_track.source.scene import Scene
    from rts_track.steps.detect_plan import Search
    from rts_track.store.base import Store

__all__ = ["DetectReport", "DetectRequest", "Failure", "Searched", "detect"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What the search of one scene came to.

    `raster` is the file of its probabilities, if one is kept.
    """

    scene_id: str
    n_footprints: int
    n_clipped: int
    looked_area_m2: float
    raster: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A scene that could not be searched, and why, in one line."""

    scene_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectReport:
    """What a detection did.

    Attributes:
        searched: scenes that were searched.
        failures: scenes that could not be; the store says so, too.
        n_done: scenes that had been searched just so.
        n_failed_before: scenes whose search had failed just so, and that were left alone.
        n_unfit: scenes of sensors or pixel sizes that the model is not for.
    """

    searched: tuple[Searched, ...]
    failures: tuple[Failure, ...]
    n_done: int = 0
    n_failed_before: int = 0
    n_unfit: int = 0

    def lines(self) -> Iterator[str]:
        """What came of it; failures are told by `failures`."""
        n_footprints = sum(each.n_footprints for each in self.searched)
        n_clipped = sum(each.n_clipped for each in self.searched)
        area_km2 = sum(each.looked_area_m2 for each in self.searched) / 1e6
        yield (
            f"{len(self.searched):,} scenes searched, {area_km2:,.1f} km2 in all:"
            f" {n_footprints:,} footprints, {n_clipped:,} of them clipped"
            if self.searched
            else "no scene searched"
        )
        clouded = [each.scene_id for each in self.searched if each.looked_area_m2 == 0.0]
        if clouded:
            yield f"nothing clear, so nothing looked at: {', '.join(clouded)}"
        if self.n_done:
            yield f"{self.n_done:,} scenes had been searched just so"
        if self.n_failed_before:
            yield (
                f"{self.n_failed_before:,} scenes failed before and were left alone:"
                " --retry-failed searches them again"
            )
        if self.n_unfit:
            yield f"{self.n_unfit:,} scenes are of sensors or pixel sizes the model is not for"


def detect(
    store: Store,
    ensemble: Ensemble,
    request: DetectRequest,
    *,
    predictor: Predictor | None = None,
    progress: Progress = silent,
) -> DetectReport:
    """Search the scenes that the ensemble has not searched just so, one transaction each.

    A scene that cannot be searched is a failed look with its reason, and the next one goes on;
    a plain rerun leaves it alone, and those that are done. Killed at any moment and started again,
    it ends as if never killed: a raster without its look is written again.

    Args:
        store: an initialised store.
        ensemble: the model bundles.
        request: which scenes, and how.
        predictor: the ensemble's networks, where they are loaded already.
        progress: shown the scenes, and the windows of each, as they go by.

    Raises:
        UsageError: the request fits no scene, or the model lacks a layer; nothing was stored.
        InputError: the bundles' weights cannot be used; nothing was stored.
        StoreError: the store cannot be written; the scenes before are in it.
    """
    params = request.extract_params(ensemble)
    plan = plan_searches(store, ensemble, params, request)
    if not plan.searches:
        return _report(plan, [], [])
    searching = _Searching(
        store=store,
        ensemble=ensemble,
        predictor=predictor or _predictor(ensemble, request),
        params=params,
        request=request,
        progress=progress,
    )
    searched: list[Searched] = []
    failures: list[Failure] = []
    shown = progress(plan.searches, label="searching", total=len(plan.searches))
    for search in shown:
        record = SearchRecord(
            store=store,
            search=search,
            source=plan.sources[search.scene["source"]],
            ensemble=ensemble,
            params=params,
            started_at=dt.datetime.now(dt.UTC),
        )
        try:
            searched.append(searching.search(record))
        except StoreError:
            raise
        except (RtsTrackError, OSError, MemoryError, RuntimeError) as error:  # torch's, the last
            failure = Failure(scene_id=search.scene_id, reason=_one_line(error))
            record.failed(failure.reason)
            failures.append(failure)
            _log.info("detect: scene %s failed: %s", search.scene_id, failure.reason)
    return _report(plan, searched, failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Searching:
    """Searches one scene after the other with the same networks."""

    store: Store
    ensemble: Ensemble
    predictor: Predictor
    params: ExtractParams
    request: DetectRequest
    progress: Progress

    def search(self, record: SearchRecord) -> Searched:
        """What one scene came to, stored; InputError where it cannot be searched."""
        scene = _opened(record.search)
        with open_stack(scene, self.ensemble.layers, self.request.auxiliary) as stack:
            prediction = self.predictor.predict(stack, self.progress)
        found = extract(prediction.probability, prediction.spread, scene.grid, self.params)
        looked_at = mask_polygons(prediction.probability != NOT_LOOKED_AT, scene.grid)
        raster = self._write_raster(record, prediction, scene.grid)
        record.done(found, looked_at)
        searched = Searched(
            scene_id=record.search.scene_id,
            n_footprints=len(found),
            n_clipped=int(found.is_clipped.sum()),
            looked_area_m2=float(looked_at.area),
            raster=raster,
        )
        _log.info("detect: scene %s: %d footprints", searched.scene_id, searched.n_footprints)
        return searched

    def _write_raster(
        self, record: SearchRecord, prediction: Prediction, grid: Grid
    ) -> Path | None:
        """The file with the scene's probabilities, written whole before its look is stored."""
        if self.request.out is None:
            return None
        path = raster_path(self.request.out, record.search.scene_id, record.run_id)
        bands = {"probability": prediction.probability, "spread": prediction.spread}
        tags = {
            "RTS_TRACK_SCENE": record.search.scene_id,
            "RTS_TRACK_LOOK": record.search.look_id,
            "RTS_TRACK_RUN": record.run_id,
            "RTS_TRACK_MODEL": self.ensemble.sha256,
        }
        write_cog(path, bands, grid, nodata=NOT_LOOKED_AT, scale=1 / STEPS, tags=tags)
        return path


def raster_path(out: Path, scene_id: str, run_id: str) -> Path:
    """Where the probabilities of a scene's search lie: a folder a scene, a file a run.

    Ids may hold what no file name should, such as a colon or a slash.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", scene_id)
    return out / f"scene_{safe}" / f"{run_id}.tif"


def _predictor(ensemble: Ensemble, request: DetectRequest) -> Predictor:
    from rts_track.model.predict import Predictor

    return Predictor(ensemble, device=request.device)


def _opened(search: Search) -> Scene:
    """The scene as it was registered; InputError where it is gone or has changed since."""
    scene = open_scene(search.scene["uri"])
    if content_sha256(scene) != search.scene["content_sha256"]:
        raise InputError(
            f"{scene.files[0]}: not the content that was registered; ingest the scene again"
        )
    return scene


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "memory does not suffice; search it on a larger machine"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _report(plan: Plan, searched: list[Searched], failures: list[Failure]) -> DetectReport:
    return DetectReport(
        searched=tuple(searched),
        failures=tuple(failures),
        n_done=plan.n_done,
        n_failed_before=plan.n_failed_before,
        n_unfit=plan.n_unfit,
    )
