"""`rts-track train`: an ensemble of models from scenes and labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rts_track.commands.labelled_scenes import SceneWords, labels_at, scenes_at
from rts_track.commands.options import (
    QuietOption,
    end_with,
    names_in,
    progress_bar,
    with_pandas,
)
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
from rts_track.errors import UsageError

if TYPE_CHECKING:
    from rts_track.model.learner import EpochScore
    from rts_track.model.manifest import Architecture, Bundle
    from rts_track.source.scene import SceneFault
    from rts_track.steps.training import TrainReport

Choice = TypeVar("Choice", bound=str)


def train(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Scenes, or folders that hold some, as for ingest."),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the bundles go; checkpoints and logs too.")
    ] = Path("bundles"),
    labels: LabelsOption = None,
    scene_field: SceneFieldOption = None,
    season_field: SeasonFieldOption = None,
    date_field: DateFieldOption = None,
    layer: LayerOption = None,
    negatives: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Polygons that are easily taken for slumps, such as a former model's false finds;"
            " the fields count for them too.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="ADDRESS",
            help="Learn from this store's scenes and people's outlines.",
        ),
    ] = None,
    reader: ReaderOption = None,
    bands: BandsOption = None,
    date: DateOption = None,
    sensor: SensorOption = None,
    scale: ScaleOption = None,
    offset: OffsetOption = None,
    no_mask: NoMaskOption = False,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What the model is to read, with commas, such as green,red,nir,ndvi,slope.",
            show_default="all that the scenes have",
        ),
    ] = None,
    dem: DemOption = None,
    trend: TrendOption = None,
    cache: CacheOption = None,
    name: Annotated[str, typer.Option(help="Name of the ensemble.")] = "rts",
    kind: Annotated[str, typer.Option(help="landform or active_zone.")] = "landform",
    licence: Annotated[str, typer.Option(help="Under which the bundles may be used.")] = "unstated",
    citation: Annotated[str | None, typer.Option(help="How they are cited.")] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="standard (UNet++ with resnet18), small (for a processor), or a class of"
            " segmentation-models-pytorch and its encoder: UnetPlusPlus/resnet34.",
            show_default="that of --start, else standard",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Fine-tune: start from the weights of a bundle, or of a folder of them (each"
            " member from one); layers, ranges and network are then theirs.",
        ),
    ] = None,
    keep_statistics: Annotated[
        bool,
        typer.Option(
            "--keep-statistics",
            help="With --start: leave batch normalisation's means and variances as they are, for a"
            " few windows of the same sensor; else they follow the new windows.",
        ),
    ] = False,
    members: Annotated[int, typer.Option(min=1, help="Models; each has its seed and fold.")] = 3,
    folds: Annotated[
        int, typer.Option(min=2, help="Parts of the regions; a model is judged on one of them.")
    ] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is left to chance.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Most passes over the windows.")] = 60,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a better IoU before it ends.")
    ] = 12,
    batch: Annotated[int, typer.Option(min=1, help="Windows a step.")] = 8,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="The largest.", show_default="0.002; 0.0002 with --start"),
    ] = None,
    loss: Annotated[str, typer.Option(help="focal, dice or focal+dice.")] = "focal+dice",
    window: Annotated[int, typer.Option(metavar="PIXELS", help="Side of a window.")] = 256,
    block: Annotated[
        float,
        typer.Option(metavar="METRES", help="Side of the regions that are held out whole."),
    ] = 5_000.0,
    min_area: Annotated[
        float | None,
        typer.Option(metavar="M2", help="Smallest slump that is meant.", show_default="ten pixels"),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda.", show_default="what there is")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with training that was broken off.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Train an ensemble of networks on labelled scenes.

    Model bundles come out. Every slump in the scenes' clear parts must be among the labels: the
    rest counts as ground.

    Example: rts-track train scenes/ --labels slumps.gpkg --season-field year --out bundles

    Fine-tune: rts-track train scenes/ --labels slumps.gpkg --start bundles --out tuned
    """
    with_pandas()  # torch asks for it
    from rts_track.model.cutting import Cutting
    from rts_track.model.params import TrainParams
    from rts_track.source.auxiliary import Auxiliary
    from rts_track.steps.training import TrainRequest
    from rts_track.steps.training import train as train_on
    from rts_track.steps.training_labels import NONE, LabelFields, labels_in

    params = TrainParams(
        name=name,
        kind=_one_of("kind", kind, ("landform", "active_zone")),
        licence=licence,
        citation=citation,
        architecture=_architecture(network) if network else None,
        start=_start(start) if start else (),
        statistics="kept" if keep_statistics else "learned",
        members=members,
        seed=seed,
        n_folds=folds,
        loss=_one_of("loss", loss, ("focal", "dice", "focal+dice")),
        batch=batch,
        max_epochs=epochs,
        patience=patience,
        learning_rate=learning_rate,
        min_area_m2=min_area,
        device=device,
    )
    request = TrainRequest(
        out=out,
        layers=names_in(layers) or (),
        auxiliary=Auxiliary(dem=dem, trend=trend, cache=cache),
        cutting=Cutting(window_px=window, block_m=block),
        params=params,
        is_resumed=resume,
    )
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
    report = train_on(
        scenes,
        labels_at(labels, store, fields, params.kind),
        request,
        lookalikes=labels_in(negatives, fields) if negatives else NONE,
        progress=progress_bar(quiet),
        on_epoch=_silent if quiet else _say,
    )
    _tell(report, faults, quiet)


def _tell(report: TrainReport, faults: list[SceneFault], quiet: bool) -> None:
    for line in () if quiet else report.lines():
        typer.echo(line)
    for folder in report.bundles:
        typer.echo(str(folder))
    end_with([fault.reason for fault in (*faults, *report.faults)])


def _say(name: str, score: EpochScore) -> None:
    typer.echo(
        f"{name}, epoch {score.epoch + 1}: loss {score.train_loss:.3f}, held out"
        f" {score.val_loss:.3f}, IoU {score.val_iou:.3f}",
        err=True,
    )


def _silent(name: str, score: EpochScore) -> None:
    del name, score


def _start(path: Path) -> tuple[Bundle, ...]:
    """The bundles at the path, in the order of their names."""
    from rts_track.model.bundle import bundle_folders, read_bundle

    return tuple(read_bundle(folder) for folder in bundle_folders(path))


def _architecture(network: str) -> Architecture:
    """The network of that name, or of such a class and encoder."""
    from rts_track.model.manifest import Architecture
    from rts_track.model.params import NETWORKS

    if network in NETWORKS:
        return NETWORKS[network]
    made, slash, encoder = network.partition("/")
    if not slash:
        raise UsageError(f"network {network!r}: {', '.join(NETWORKS)}, or Class/encoder")
    return Architecture(name=made, arguments={"encoder_name": encoder})


def _one_of(option: str, value: str, choices: tuple[Choice, ...]) -> Choice:
    for choice in choices:
        if choice == value:
            return choice
    raise UsageError(f"--{option} {value!r}: {', '.join(choices)}")
