"""`rts-track tune`: threshold and calibration of an ensemble, chosen on labelled scenes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rts_track.commands.options import QuietOption, end_with, progress_bar, with_pandas
from rts_track.commands.scene_options import (
    BandsOption,
    CacheOption,
    DateFieldOption,
    DateOption,
    DemOption,
    LabelsOption,
    LayerOption,
    NoMaskOption,
    OffsetOption,
    ReaderOption,
    ScaleOption,
    SceneFieldOption,
    SeasonFieldOption,
    SensorOption,
    TrendOption,
)
from rts_track.errors import InputError, UsageError

if TYPE_CHECKING:
    from rts_track.model.curve import Method
    from rts_track.model.manifest import Tta
    from rts_track.source.scene import SceneFault
    from rts_track.steps.tuning import TuneReport
    from rts_track.steps.tuning_request import Per, Regions, Score

TUNED = "tune"


def tune(
    models: Annotated[
        list[Path],
        typer.Option(
            "--model",
            metavar="PATH",
            help="A model bundle, or a folder of bundles; several make an ensemble. Or an ensemble"
            " that comes with the package: demo-sentinel2.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the tuned bundles go.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Scenes, or folders that hold some, as for ingest."),
    ] = None,
    labels: LabelsOption = None,
    scene_field: SceneFieldOption = None,
    season_field: SeasonFieldOption = None,
    date_field: DateFieldOption = None,
    layer: LayerOption = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="ADDRESS",
            help="Take this store's scenes and people's outlines.",
        ),
    ] = None,
    reader: ReaderOption = None,
    bands: BandsOption = None,
    date: DateOption = None,
    sensor: SensorOption = None,
    scale: ScaleOption = None,
    offset: OffsetOption = None,
    no_mask: NoMaskOption = False,
    dem: DemOption = None,
    trend: TrendOption = None,
    cache: CacheOption = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the tuned bundles.", show_default="as they are"),
    ] = None,
    score: Annotated[
        str, typer.Option(help="What the threshold is to make best: F1 of objects, or of pixels.")
    ] = "objects",
    criterion: Annotated[
        str, typer.Option(help="When objects match: iou 0.3, iou 0.5 or overlap.")
    ] = "iou 0.3",
    per: Annotated[
        str | None,
        typer.Option(
            metavar="GROUP",
            help="A threshold for each sensor or region, too: where it has 20 labelled slumps.",
            show_default="one for all",
        ),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Polygons of regions; scenes of one are one place."),
    ] = None,
    region_field: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Field of --regions with their codes.")
    ] = None,
    region_set: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the regions' set is called in the store.",
            show_default="as the file",
        ),
    ] = None,
    calibration: Annotated[
        str, typer.Option(help="Of the mean: none, temperature or isotonic.")
    ] = "temperature",
    min_area: Annotated[
        str | None,
        typer.Option(
            metavar="M2|tune",
            help="Smallest slump that is meant, of labels and footprints; or tune: footprints may"
            " have to be larger than the model says.",
            show_default="the model's",
        ),
    ] = None,
    max_spread: Annotated[
        str,
        typer.Option(
            metavar="tune|none", help="tune: leave out footprints on which models disagree."
        ),
    ] = "none",
    weights: Annotated[
        bool, typer.Option("--weights", help="Weigh the models, if that helps.")
    ] = False,
    tta: Annotated[
        str | None,
        typer.Option(help="Test-time augmentation: none, flips or d4.", show_default="the model's"),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda.", show_default="what there is")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw precision, recall and reliability: .png, .pdf or .svg."
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write all figures and curves there."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Choose threshold and calibration of an ensemble on labelled scenes.

    New bundles come out, with what they were tuned on; those given stay as they are. Every slump
    in the scenes' clear parts must be among the labels, and the scenes must not be those that the
    models were trained on.

    Example: rts-track tune scenes/ --model bundles/ --labels slumps.gpkg --out tuned
    """
    with_pandas()  # torch asks for it
    from rts_track.commands.labelled_scenes import SceneWords, labels_at, scenes_at
    from rts_track.model.bundle import read_ensemble
    from rts_track.source.auxiliary import Auxiliary
    from rts_track.steps.training_labels import LabelFields
    from rts_track.steps.tuning import TuneRequest
    from rts_track.steps.tuning import tune as tune_on
    from rts_track.steps.tuning_request import criterion_of

    _check_files(figure, json_file)
    area = None if min_area in (None, TUNED) else _area(min_area)
    request = TuneRequest(
        out=out,
        name=name,
        auxiliary=Auxiliary(dem=dem, trend=trend, cache=cache),
        score=cast("Score", score),  # these four are checked below
        criterion=criterion_of(criterion),
        per=cast("Per | None", per),
        regions=_regions(regions, region_field, region_set),
        calibration=cast("Method", calibration),
        min_area_m2=area,
        is_area_tuned=min_area == TUNED,
        is_spread_tuned=_is_spread_tuned(max_spread),
        is_weighted=weights,
        tta=cast("Tta | None", tta),
        device=device,
    )
    request.check()
    ensemble = read_ensemble(models)
    fields = LabelFields(scene=scene_field, season=season_field, date=date_field, layer=layer)
    words = SceneWords(
        reader=reader,
        bands=bands,
        date=date,
        sensor=sensor,
        scale=scale,
        offset=offset,
        no_mask=no_mask,
    )
    scenes, faults = scenes_at(paths, store, words)
    if not scenes:
        end_with([fault.reason for fault in faults])
    report = tune_on(
        ensemble,
        scenes,
        labels_at(labels, store, fields, ensemble.kind),
        request,
        progress_bar(quiet),
    )
    if figure:
        from rts_track.report.tuning import plot_tuning

        plot_tuning(report.pictured(), figure)
    if json_file:
        _write_json(report, json_file)
    _tell(report, faults, quiet)


def _tell(report: TuneReport, faults: list[SceneFault], quiet: bool) -> None:
    for line in () if quiet else report.lines():
        typer.echo(line)
    for folder in report.folders:
        typer.echo(str(folder))
    end_with([fault.reason for fault in (*faults, *report.faults)])


def _check_files(figure: Path | None, json_file: Path | None) -> None:
    """UsageError where what is asked for could not be written after all that work."""
    for file in (figure, json_file):
        if file is not None and not file.parent.is_dir():
            raise UsageError(f"{file}: there is no folder {file.parent}")
    if figure is not None:
        from rts_track.report.figures import require_matplotlib

        require_matplotlib()
        if figure.suffix.lower() not in (".png", ".pdf", ".svg"):
            raise UsageError(f"--figure {figure}: a file that ends in .png, .pdf or .svg")


def _regions(path: Path | None, field: str | None, region_set: str | None) -> Regions | None:
    from rts_track.steps.tuning_request import regions_in

    if path is None:
        if field is not None or region_set is not None:
            raise UsageError("--region-field, --region-set: of which regions? Give --regions FILE")
        return None
    if field is None:
        raise UsageError("--regions: say which field has their codes (--region-field)")
    return regions_in(path, field, region_set)


def _area(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError as error:
        raise UsageError(f"--min-area {text!r}: square metres, or tune") from error


def _is_spread_tuned(text: str) -> bool:
    if text not in (TUNED, "none"):
        raise UsageError(f"--max-spread {text!r}: tune or none")
    return text == TUNED


def _write_json(report: TuneReport, path: Path) -> None:
    import datetime as dt

    from rts_track.writing import appearing

    told = report.json(dt.datetime.now(dt.UTC).date())
    try:
        with appearing(path) as beside:
            beside.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
