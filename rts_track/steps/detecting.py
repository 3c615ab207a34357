"""`detect`: scenes are searched by an ensemble; what it finds becomes footprints and a look."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rts_track.errors import DeviceError, RtsTrackError, StoreError, UsageError
from rts_track.polygon.extract import extract, mask_polygons
from rts_track.progress import Item, Progress, silent
from rts_track.raster.probability import NOT_LOOKED_AT
from rts_track.steps.detect_plan import plan_searches
from rts_track.steps.detect_raster import write_raster
from rts_track.steps.detect_reading import open_ahead
from rts_track.steps.detect_report import DetectReport, Failure, Pace, Searched
from rts_track.steps.detect_request import DetectRequest
from rts_track.steps.detect_stages import overlapped
from rts_track.steps.detect_writing import SearchRecord
from rts_track.steps.recall import validated_recalls

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.model.predict import Prediction, Predictor
    from rts_track.raster.grid import Grid
    from rts_track.steps.detect_plan import Plan, Search
    from rts_track.steps.detect_reading import AheadScene
    from rts_track.steps.detect_stages import Check, Compute, Outcome, Workers
    from rts_track.store.base import Store

__all__ = ["DetectReport", "DetectRequest", "Failure", "Searched", "detect"]

_log = logging.getLogger(__name__)


def detect(
    store: Store,
    ensemble: Ensemble,
    request: DetectRequest,
    *,
    predictor: Predictor | None = None,
    progress: Progress = silent,
) -> DetectReport:
    """Search the scenes that the ensemble has not searched just so, one transaction each.

    Scenes are read ahead, searched on every device, and written by the calling thread, side by
    side; at most two of them wait for a device, and two to be written. What is found does not
    depend on it.

    A scene that cannot be searched is a failed look with its reason, and the next one goes on;
    a plain rerun leaves it alone, and those that are done. Killed at any moment and started again,
    it ends as if never killed: a raster without its look is written again.

    Args:
        store: an initialised store; used by the calling thread alone.
        ensemble: the model bundles.
        request: which scenes, and how.
        predictor: the ensemble's networks, where they are loaded already, on the one device that
            is to be used and with the test-time augmentation that is asked for.
        progress: shown the scenes as they are done, and the windows of each where one device
            searches.

    Raises:
        UsageError: the request cannot be or fits no scene, or the model lacks a layer; nothing
            was stored.
        InputError: the bundles' weights cannot be used; nothing was stored.
        StoreError: the store cannot be written; the scenes that were done before are in it.
        DeviceError: a device has failed; likewise.
    """
    plan = plan_searches(store, ensemble, request)
    detection = _Detection(store, ensemble, request, plan, predictor, progress)
    if plan.searches:
        detection.run()
    return detection.report()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the networks made of a scene."""

    prediction: Prediction
    grid: Grid


class _Detection:
    """One run over the scenes of a plan, and what came of it so far."""

    def __init__(
        self,
        store: Store,
        ensemble: Ensemble,
        request: DetectRequest,
        plan: Plan,
        predictor: Predictor | None,
        progress: Progress,
    ) -> None:
        """As `detect`, which see."""
        self._store, self._ensemble, self._request, self._plan = store, ensemble, request, plan
        self._predictor, self._progress = predictor, progress
        self._validated_recalls = validated_recalls(store, ensemble.sha256)
        self._is_raw = False
        self._is_alone = True
        self._uploading: Predictor | None = None
        self._loading = threading.Lock()
        self._searched: dict[str, Searched] = {}
        self._failures: dict[str, Failure] = {}
        self._seconds = {"read": 0.0, "compute": 0.0, "write": 0.0}
        self._paces: dict[str, Pace] = {}
        self._wall_s = 0.0

    def run(self) -> None:
        """Search all scenes and store what comes of each, as soon as it is known."""
        started = time.monotonic()
        searches = self._plan.searches
        stages = overlapped(searches, self._open, self._workers())
        with _quiet_in_all_threads(), closing(stages) as outcomes:
            for outcome in self._progress(outcomes, label="searching", total=len(searches)):
                began = time.monotonic()
                self._write(outcome)
                self._count(outcome, time.monotonic() - began)
                del outcome  # the next one would be waited for with this one in memory
        self._wall_s = time.monotonic() - started
        _log.info("detect: %s", self.report().pace_line())

    def report(self) -> DetectReport:
        """What came of it so far, in the order of the plan."""
        order = [search.scene_id for search in self._plan.searches]
        return DetectReport(
            searched=tuple(self._searched[each] for each in order if each in self._searched),
            failures=tuple(self._failures[each] for each in order if each in self._failures),
            n_done=self._plan.n_done,
            n_failed_before=self._plan.n_failed_before,
            n_unfit=self._plan.n_unfit,
            seconds=self._seconds,
            wall_s=self._wall_s,
            paces=self._paces,
        )

    def _workers(self) -> Workers[AheadScene, _Seen]:
        """What makes the networks of each device ready to search."""
        if self._predictor is not None:
            name = str(getattr(self._predictor, "device", "the given networks"))
            return {name: partial(self._computing, self._predictor, self._progress)}
        from rts_track.model.network import torch_devices
        from rts_track.model.processor import settle

        devices = torch_devices(self._request.devices)[: len(self._plan.searches)]
        if "cpu" in devices:
            settle()  # before there are threads
        self._is_alone = len(devices) == 1
        shown = self._progress if self._is_alone else silent
        return {name: partial(self._loaded, name, shown) for name in devices}

    def _loaded(self, device: str, progress: Progress) -> Compute[AheadScene, _Seen]:
        with self._loading:  # what ignores warnings meanwhile does so in all threads
            predictor = _predictor(self._ensemble, self._request, device)
        return self._computing(predictor, progress)

    def _computing(self, predictor: Predictor, progress: Progress) -> Compute[AheadScene, _Seen]:
        """What searches a scene with these networks."""
        if getattr(predictor, "is_resident", False):
            self._is_raw = True
            self._uploading = predictor if self._is_alone else None

        def compute(ahead: AheadScene, check: Check) -> _Seen:
            prediction = predictor.predict(ahead, _checking(progress, check))
            return _Seen(prediction=prediction, grid=ahead.grid)

        return compute

    def _open(self, search: Search) -> AheadScene:
        """The scene, read ahead; on its way to the device, too, where there is but one."""
        auxiliary = self._request.auxiliary
        ahead = open_ahead(search, self._ensemble.layers, auxiliary, is_raw=self._is_raw)
        if self._uploading is not None:
            try:
                self._uploading.load(ahead)
            except BaseException:
                ahead.close()
                raise
        return ahead

    def _write(self, outcome: Outcome[Search, _Seen]) -> None:
        """Store what came of a scene; a fault that is none of a scene's is raised."""
        search = outcome.item
        record = SearchRecord(
            store=self._store,
            search=search,
            source=self._plan.sources[search.scene["source"]],
            ensemble=self._ensemble,
            recall=self._recall(search),
            started_at=outcome.started_at,
        )
        try:
            if outcome.error is not None or outcome.made is None:
                raise outcome.error or AssertionError("neither made nor failed")
            self._searched[search.scene_id] = self._stored(record, outcome.made)
        except (DeviceError, StoreError):
            raise
        except (RtsTrackError, OSError, MemoryError, RuntimeError) as error:  # torch's, the last
            failure = Failure(scene_id=search.scene_id, reason=_one_line(error))
            error.__traceback__ = None  # it holds on to the scene
            record.failed(failure.reason)
            self._failures[search.scene_id] = failure
            _log.info("detect: scene %s failed: %s", search.scene_id, failure.reason)

    def _recall(self, search: Search) -> float | None:
        """The recall of such searches for their source.

        As it was validated, if it was; else as the bundles say, which holds for searches as they
        mean them; of any other it is unknown.
        """
        validated = self._validated_recalls.get(search.scene["source"])
        if validated is not None and validated.holds_for(search.recorded):
            return validated.recall
        return self._ensemble.recall if self._request.is_as_meant(self._ensemble) else None

    def _stored(self, record: SearchRecord, seen: _Seen) -> Searched:
        """What a scene came to: its raster written, its look and footprints stored."""
        prediction, search = seen.prediction, record.search
        found = extract(prediction.probability, prediction.spread, seen.grid, search.params)
        looked_at = mask_polygons(prediction.probability != NOT_LOOKED_AT, seen.grid)
        raster = None
        if self._request.out is not None:
            raster = write_raster(self._request.out, record, prediction, seen.grid)
        record.done(found, looked_at)
        searched = Searched(
            scene_id=search.scene_id,
            n_footprints=len(found),
            n_clipped=int(found.is_clipped.sum()),
            looked_area_m2=float(looked_at.area),
            raster=raster,
        )
        _log.info("detect: scene %s: %d footprints", searched.scene_id, searched.n_footprints)
        return searched

    def _count(self, outcome: Outcome[Search, _Seen], write_s: float) -> None:
        self._seconds["read"] += outcome.read_s
        self._seconds["compute"] += outcome.compute_s
        self._seconds["write"] += write_s
        if outcome.made is not None:
            height, width = outcome.made.grid.shape
            pace = self._paces.get(outcome.worker, Pace())
            self._paces[outcome.worker] = pace.plus(height * width, outcome.compute_s)


def _predictor(ensemble: Ensemble, request: DetectRequest, device: str) -> Predictor:
    """The networks on that device; UsageError where torch cannot have them there."""
    from rts_track.model.predict import Predictor

    try:
        return Predictor(ensemble, device=device, tta=request.tta)
    except RuntimeError as error:
        raise UsageError(
            f"device {device}: the networks cannot be loaded there ({_one_line(error):.200})"
        ) from error


@contextmanager
def _quiet_in_all_threads() -> Iterator[None]:
    """Lets what rasterio ignores in one thread not be told in another.

    What `warnings` ignores for a while, it ignores in all threads, until any of them ends its own
    while: rasters in memory then warn that they lie nowhere.
    """
    with warnings.catch_warnings():
        for message in ("Dataset has no geotransform", "The given matrix is equal to"):
            warnings.filterwarnings("ignore", message=message)
        yield


def _checking(progress: Progress, check: Check) -> Progress:
    """The same, which ends with what `check` raises: windows are where a search can be stopped."""

    def shown(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterator[Item]:
        for item in progress(items, label=label, total=total):
            check()
            yield item

    return shown


def _one_line(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "memory does not suffice; search it on a larger machine"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
