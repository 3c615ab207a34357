"""A season as a Prefect flow: its scenes taken in, aligned, searched, linked and measured.

Wiring only: every task calls one step of rts_track, which runs as well without Prefect. What is
done stands in the store, so a run that is started again goes on where the last one ended.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from rts_track.commands.options import open_store_at
from rts_track.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task

    from rts_track.model.bundle import Ensemble
    from rts_track.model.predict import Predictor
    from rts_track.steps.detecting import DetectRequest

SCENES_AT_A_TIME = int(os.environ.get("RTS_TRACK_SCENES_AT_A_TIME", "1"))
"""Searches that run side by side, each with the networks in memory. One keeps a GPU or all cores
busy; and an embedded store has one writer."""

RETRY_DELAYS_S = (10.0, 60.0)
NAMED_FAULTS = 10
"""Faults that the flow's last word names; the log and the store tell all."""


def retrying_can_mend(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a task failed of what may pass: a store that is busy or away, a file system."""
    del task, task_run
    return isinstance(state.data, StoreError | OSError)


OF_A_STEP: dict[str, Any] = {
    "cache_policy": NO_CACHE,  # the store knows what is done
    "retries": len(RETRY_DELAYS_S),
    "retry_delay_seconds": list(RETRY_DELAYS_S),
    "retry_condition_fn": retrying_can_mend,
}
"""How a task that calls a step is run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """How a season's scenes are searched; see `season` for what each means."""

    season_year: int
    models: tuple[Path, ...]
    source: str | None = None
    dem: Path | None = None
    trend: Path | None = None
    cache: Path | None = None
    out: Path | None = None
    device: str | None = None
    retry_failed: bool = False

    def request(self, *scene_ids: str) -> DetectRequest:
        """The same for the step, of these scenes; of all without any."""
        from rts_track.source.auxiliary import Auxiliary
        from rts_track.steps.detecting import DetectRequest

        return DetectRequest(
            season_year=self.season_year,
            scene_ids=scene_ids,
            source=self.source,
            is_retrying=self.retry_failed,
            auxiliary=Auxiliary(dem=self.dem, trend=self.trend, cache=self.cache),
            out=self.out,
            devices=(self.device,) if self.device else (),
        )


@task(name="ingest", **OF_A_STEP)
def ingest_scenes(
    scenes: list[Path], store: str | None, source: str | None, reader: str | None, bands: list[str]
) -> list[str]:
    """What is wrong with the products that could not be taken in, a line each."""
    from rts_track.steps.ingesting import IngestRequest, ingest

    request = IngestRequest(source=source, reader=reader, bands=tuple(bands) or None)
    with open_store_at(store, may_create=True) as opened:
        report = ingest(opened, scenes, request)
    _tell(report.lines())
    return [fault.reason for fault in report.faults]


@task(name="align", **OF_A_STEP)
def align_scenes(store: str | None) -> None:
    """Tell the scenes' shifts; where a scene cannot be read, its search will say so."""
    from rts_track.steps.aligning import align

    with open_store_at(store) as opened:
        report = align(opened)
    _tell([*report.lines(), *report.faults])


@task(name="plan", **OF_A_STEP)
def scenes_to_search(store: str | None, searching: Searching) -> list[str]:
    """The ids of the season's scenes that the models have not searched just so."""
    from rts_track.steps.detect_plan import plan_searches

    ensemble = _ensemble(searching.models)
    request = searching.request()
    with open_store_at(store) as opened:
        plan = plan_searches(opened, ensemble, request)
    _tell([f"{len(plan.searches):,} scenes to search, {plan.n_done:,} had been searched just so"])
    if plan.n_failed_before:
        _tell([f"{plan.n_failed_before:,} failed before and are left alone without retry_failed"])
    return [search.scene_id for search in plan.searches]


@task(name="detect", task_run_name="detect {scene_id}", **OF_A_STEP)
def search_scene(scene_id: str, store: str | None, searching: Searching) -> State[Any]:
    """Completed, or Failed with the reason; the store holds it either way."""
    from rts_track.steps.detecting import detect

    predictor = _predictor(searching.models, searching.device, threading.get_ident())
    with open_store_at(store) as opened:
        report = detect(
            opened, predictor.ensemble, searching.request(scene_id), predictor=predictor
        )
    reasons = [f"{failure.scene_id}: {failure.reason}" for failure in report.failures]
    return Failed(message="; ".join(reasons)) if reasons else Completed(message="searched")


@task(name="link", **OF_A_STEP)
def link_seasons(store: str | None) -> None:
    """Link what is new or has changed."""
    from rts_track.steps.linking import link

    with open_store_at(store) as opened:
        report = link(opened)
    _tell([f"linked: {report.outlines:,} outlines, {report.tracks_founded:,} new tracks"])


@task(name="measure", **OF_A_STEP)
def measure_growth(store: str | None) -> None:
    """Measure what is new or has changed."""
    from rts_track.steps.measuring import measure

    with open_store_at(store) as opened:
        report = measure(opened)
    _tell([f"measured: {report.intervals:,} intervals"])


@flow(name="season", task_runner=ThreadPoolTaskRunner(max_workers=SCENES_AT_A_TIME))
def season(
    scenes: list[Path],
    models: list[Path],
    season_year: int | None = None,
    store: str | None = None,
    source: str | None = None,
    reader: str | None = None,
    bands: list[str] | None = None,
    dem: Path | None = None,
    trend: Path | None = None,
    cache: Path | None = None,
    out: Path | None = None,
    device: str | None = None,
    retry_failed: bool = False,
) -> State[Any]:
    """Take in a season's scenes, align and search them, link what was found and measure its growth.

    Completed, or Failed where a product or a scene failed, once all else is done.

    Args:
        scenes: Products, or folders that hold some.
        models: Bundles of the ensemble, or a folder of them.
        season_year: The thaw season to search; by default the year for which the run is scheduled.
        store: Address of the store; by default RTS_TRACK_STORE, else rts-track.duckdb in the
            working directory.
        source: Name of the source that searches; by default the scenes' sensor.
        reader: Adapter for the products: planet, sentinel2, landsat or raster; by default names
            tell.
        bands: What the bands of plain GeoTIFFs are, in their order.
        dem: ArcticDEM strips or mosaic tiles, a file or folder.
        trend: Landsat trend rasters, a file or folder.
        cache: Folder that keeps layers computed from these.
        out: Folder for rasters of probability and spread.
        device: Where the networks run, such as cpu or cuda:0; by default a GPU if there is one.
        retry_failed: Search scenes again that failed before.
    """
    searching = Searching(
        season_year=season_year or runtime.flow_run.scheduled_start_time.year,
        models=tuple(models),
        source=source,
        dem=dem,
        trend=trend,
        cache=cache,
        out=out,
        device=device,
        retry_failed=retry_failed,
    )
    faults = ingest_scenes(scenes, store, source, reader, bands or [])
    align_scenes(store)
    scene_ids = scenes_to_search(store, searching)
    searches = [search_scene.submit(scene_id, store, searching) for scene_id in scene_ids]
    wait(searches)
    link_seasons(store)
    measure_growth(store)
    faults += [str(each.state.message) for each in searches if not each.state.is_completed()]
    return _ended(searching.season_year, len(scene_ids), faults)


def _ended(season_year: int, n_searched: int, faults: list[str]) -> State[Any]:
    """How the flow ends."""
    if not faults:
        return Completed(message=f"season {season_year}: {n_searched:,} scenes searched")
    named = "; ".join(faults[:NAMED_FAULTS])
    more = f"; and {len(faults) - NAMED_FAULTS:,} more" if len(faults) > NAMED_FAULTS else ""
    return Failed(message=f"season {season_year}: {len(faults):,} failed: {named}{more}")


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        get_run_logger().info(line)


def _ensemble(models: tuple[Path, ...]) -> Ensemble:
    from rts_track.model.bundle import read_ensemble

    return read_ensemble(models)


@lru_cache(maxsize=SCENES_AT_A_TIME)
def _predictor(models: tuple[Path, ...], device: str | None, thread: int) -> Predictor:
    """The networks, loaded once for all scenes that a thread searches."""
    from rts_track.model.predict import Predictor

    del thread
    return Predictor(_ensemble(models), device=device)
