"""`rts-track validate`: how good what was found is, beside what people drew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rts_track.commands.options import (
    QuietOption,
    StoreOption,
    names_in,
    open_store_at,
    with_pandas,
)
from rts_track.errors import UsageError

if TYPE_CHECKING:
    from rts_track.steps.validating import ValidateRequest
    from rts_track.steps.validating_report import ValidationReport
    from rts_track.store.base import Reader, Store


def validate(
    truth: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Polygons of all true slumps; given again, each file is another annotator's.",
        ),
    ] = None,
    truth_source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A source of the store that drew the truth; may be given again."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The source that is validated.",
            show_default="the one model that has searched",
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Validate the polygons of a file, not the store's."
        ),
    ] = None,
    season: Annotated[
        int | None,
        typer.Option(metavar="YEAR", help="Only searches of that season.", show_default="all"),
    ] = None,
    scene: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only that scene, by id or product; may be given again."),
    ] = None,
    scene_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field that names the scene a polygon was drawn on."),
    ] = None,
    season_field: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Field that holds the season's year.")
    ] = None,
    date_field: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Field that holds the polygon's date.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Layer of files that hold several.")
    ] = None,
    area: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where truth is complete.",
            show_default="wherever was looked",
        ),
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(metavar="SET", help="Score by region, too: a set of the store's regions."),
    ] = None,
    min_area: Annotated[
        float | None,
        typer.Option(
            metavar="M2",
            help="Smaller objects do not count.",
            show_default="the source's minimum; of a file 0",
        ),
    ] = None,
    iou: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Least IoU of a match, with commas.")
    ] = "0.3,0.5",
    min_part: Annotated[
        float,
        typer.Option(
            metavar="M2", help="Of the annotators' consensus, smaller parts are left out."
        ),
    ] = 100.0,
    block_m: Annotated[
        float, typer.Option(metavar="METRES", help="Side of the blocks that are resampled.")
    ] = 5_000.0,
    bootstrap: Annotated[
        int, typer.Option(metavar="N", help="How often ground is resampled; 0: no intervals.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(help="Of all that is left to chance.")] = 0,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all of it as JSON.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every score, to .csv or .parquet.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it: .png, .pdf or .svg.")
    ] = None,
    write_recall: Annotated[
        bool,
        typer.Option(
            "--write-recall",
            help="Keep the recall of objects by overlap as the source's: the states of slumps that"
            " were not found follow from it. At least 20 true objects are needed.",
        ),
    ] = False,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Tell how good what was found is, beside what people drew.

    Objects, areas, outlines and sizes, with intervals; several files of truth are several
    annotators, whose own agreement is told, too.

    Example: rts-track validate --truth slumps.gpkg --season-field year --figure validation.png
    """
    from rts_track.steps.training_labels import LabelFields
    from rts_track.steps.validating import ValidateRequest, validate_stored
    from rts_track.steps.validating import write_recall as keep_recall
    from rts_track.track.score_validation import ValidationParams

    _check_files(json, table, figure)
    request = ValidateRequest(
        truths=tuple(truth or ()),
        truth_sources=tuple(truth_source or ()),
        found=from_,
        source=source,
        season_year=season,
        scene_ids=tuple(scene or ()),
        fields=LabelFields(scene=scene_field, season=season_field, date=date_field, layer=layer),
        area=area,
        region_set=regions,
        min_area_m2=min_area,
    )
    params = ValidationParams(
        ious=_numbers(iou),
        block_m=block_m,
        n_replicates=bootstrap,
        seed=seed,
        min_part_m2=min_part,
    )
    if write_recall and from_ is not None:
        raise UsageError("--write-recall is for a source of the store, not for a file (--from)")
    with_pandas()  # matplotlib may ask for it
    with _opened(request, store, is_written=write_recall) as opened:
        report = validate_stored(opened, request, params)
        _write(report, json, table, figure)
        for line in report.lines(has_definitions=not quiet):
            typer.echo(line)
        if write_recall:
            typer.echo("")
            typer.echo(keep_recall(cast("Store", opened), report, request).line())


@contextmanager
def _opened(
    request: ValidateRequest, store: str | None, *, is_written: bool
) -> Iterator[Reader | None]:
    """The store, to be read only unless something is to be written; None where files will do."""
    from rts_track.settings import store_url
    from rts_track.store.base import open_store

    if not request.needs_store:
        yield None
        return
    url = store_url(store)
    with open_store_at(store) if is_written else open_store(url, is_read_only=True) as opened:
        yield opened


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(sorted({float(each) for each in names_in(text) or ()}))
    except ValueError as error:
        raise UsageError(f"--iou {text!r}: numbers with commas, such as 0.3,0.5") from error


def _check_files(json: Path | None, table: Path | None, figure: Path | None) -> None:
    """UsageError before any work where an answer could not be written."""
    for file in (json, table, figure):
        if file is not None and not file.parent.is_dir():
            raise UsageError(f"{file}: there is no folder {file.parent}")
    if table is not None and table.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"--table {table}: a file that ends in .csv or .parquet")
    if figure is not None:
        from rts_track.report.figures import require_matplotlib

        require_matplotlib()
        if figure.suffix.lower() not in (".png", ".pdf", ".svg"):
            raise UsageError(f"--figure {figure}: a file that ends in .png, .pdf or .svg")


def _write(
    report: ValidationReport, json: Path | None, table: Path | None, figure: Path | None
) -> None:
    from rts_track.answer import write_answer
    from rts_track.errors import InputError
    from rts_track.report.validation import plot_validation
    from rts_track.writing import appearing

    if json is not None:
        try:
            with appearing(json) as file:
                file.write_text(report.json(), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{json}: cannot be written ({error.strerror or error})") from error
    if table is not None:
        write_answer(report.table(), table.suffix.lower().removeprefix("."), table)
    if figure is not None:
        plot_validation(report.picture, figure)
