"""`rts-track detect`: registered scenes are searched for slumps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rts_track.commands.options import (
    QuietOption,
    StoreOption,
    end_with,
    open_store_at,
    progress_bar,
    with_pandas,
)
from rts_track.commands.scene_options import (
    CacheOption,
    DemOption,
    TrendOption,
)

if TYPE_CHECKING:
    from types import FrameType

    from rts_track.model.manifest import Tta

ENDED = 128 + signal.SIGTERM
"""How the command ends on SIGTERM: 128 and the number of the signal, as a shell has it."""


def detect(
    models: Annotated[
        list[Path],
        typer.Option(
            "--model",
            metavar="PATH",
            help="A model bundle, or a folder of bundles; several make an ensemble. Or an ensemble"
            " that comes with the package: demo-sentinel2.",
        ),
    ],
    season: Annotated[
        int | None,
        typer.Option(metavar="YEAR", help="Only scenes of that season.", show_default="all"),
    ] = None,
    scene: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only that scene; may be given again."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only scenes of that source.",
            show_default="every one whose sensor and pixel size the model is for",
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Search scenes again that failed before.")
    ] = False,
    redo: Annotated[
        bool,
        typer.Option(
            "--redo", help="Search even what was searched just so, such as with a new --dem."
        ),
    ] = False,
    dem: DemOption = None,
    trend: TrendOption = None,
    cache: CacheOption = None,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder for rasters of probability and spread."),
    ] = Path("probabilities"),
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="Least probability of a slump's pixels.", show_default="the model's"
        ),
    ] = None,
    min_area: Annotated[
        float | None,
        typer.Option(metavar="M2", help="Smallest footprint.", show_default="the model's"),
    ] = None,
    smooth: Annotated[
        float,
        typer.Option(
            metavar="METRES",
            help="How far outlines may move to be smooth; areas stay within their uncertainty.",
            show_default="0: along the pixels' sides",
        ),
    ] = 0.0,
    max_spread: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Leave out footprints over which the members' probabilities spread more, in the"
            " mean; 1 leaves none out.",
            show_default="the model's",
        ),
    ] = None,
    tta: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Predict each window once (none), with its mirror images (flips, 4 times the"
            " work), or turned, too (d4, 8 times).",
            show_default="the model's",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to compute on, such as cpu or cuda:1; may be given again: devices share"
            " the scenes.",
            show_default="every GPU, else the processor",
        ),
    ] = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Search registered scenes for slumps with a model ensemble.

    Scenes that the ensemble has searched just so are left alone.

    Example: rts-track detect --model bundles/ --dem arcticdem/ --season 2021
    """
    from rts_track.model.bundle import read_ensemble
    from rts_track.source.auxiliary import Auxiliary
    from rts_track.steps.detecting import DetectRequest
    from rts_track.steps.detecting import detect as detect_scenes

    request = DetectRequest(
        season_year=season,
        scene_ids=tuple(scene or ()),
        source=source,
        is_retrying=retry_failed,
        is_redo=redo,
        auxiliary=Auxiliary(dem=dem, trend=trend, cache=cache),
        out=out,
        threshold=threshold,
        min_area_m2=min_area,
        max_spread=max_spread,
        smooth_m=smooth,
        tta=cast("Tta | None", tta),  # any other is refused by the step
        devices=tuple(device or ()),
    )
    ensemble = read_ensemble(models)
    with_pandas()  # torch asks for it
    with _ended_by_sigterm(), open_store_at(store) as opened:
        report = detect_scenes(opened, ensemble, request, progress=progress_bar(quiet))
    if not quiet:
        for line in report.lines():
            typer.echo(line)
    end_with([f"scene {failure.scene_id}: {failure.reason}" for failure in report.failures])


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Lets SIGTERM, by which schedulers end work, end it as Ctrl-C does: with all put in order."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    former = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(ENDED)
