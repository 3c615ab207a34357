"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import errno
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import rts_track
from rts_track.commands.align import align
from rts_track.commands.demo import demo, demo_tracks
from rts_track.commands.detect import detect
from rts_track.commands.ingest import ingest
from rts_track.commands.model import model_app
from rts_track.commands.options import (
    QuietOption,
    StoreOption,
    open_store_at,
    open_to_import,
    progress_bar,
    say,
    with_pandas,
    without_pandas,
)
from rts_track.commands.simulate import simulate
from rts_track.commands.train import train
from rts_track.commands.tune import tune
from rts_track.commands.validate import validate
from rts_track.errors import RtsTrackError, UsageError
from rts_track.settings import store_url

INTERRUPTED = 130
"""How a command ends on Ctrl-C: 128 and the number of the signal, as a shell has it."""

EXTRA_OF = {
    "affine": "detect",
    "lightning": "train",
    "pystac_client": "stac",
    "rasterio": "detect",
    "requests": "stac",
    "safetensors": "detect",
    "segmentation_models_pytorch": "detect",
    "skimage": "detect",
    "tensorboard": "train",
    "torch": "detect",
}
"""The extra that brings a package which the base does without."""

app = typer.Typer(
    name="rts-track",
    help="Follow retrogressive thaw slumps through the years.\n\n"
    "Scenes are registered (`ingest`) and searched for slumps (`detect`), or outlines that others"
    " made go in (`import`), one season or many. Outlines of the same slump are linked across"
    " seasons into tracks (`link`), their growth is measured (`measure`), and questions are asked"
    " of the result (`query`) or all of it is written as GeoParquet (`export`). Everything lives in"
    " one store: a file, rts-track.duckdb in the working directory, unless --store or the variable"
    " RTS_TRACK_STORE names another file or a PostGIS database.\n\n"
    "Try `rts-track demo` first.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class Kind(StrEnum):
    """What the outlines are outlines of."""

    landform = "landform"
    active_zone = "active_zone"


class Target(StrEnum):
    """What a verdict is about."""

    footprint = "footprint"
    link = "link"
    track = "track"


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def main() -> None:
    """Run the command line; a user's mistake is one line and an exit code, never a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        with without_pandas():
            app()
    except RtsTrackError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(f"this command needs {error.name}: pip install 'rts-track[{extra}]'", 2)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _fail("no space left on the disk; what the store held before is unchanged", 1)
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR):
            _fail(f"{error.filename}: {error.strerror}", 1)
        raise
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer ends so, without a word
            _fail("interrupted; what the store held before is unchanged", INTERRUPTED)
        raise


@app.command()
def init(store: StoreOption = None, quiet: QuietOption = False) -> None:
    """Create the store's tables, or bring them up to date."""
    from rts_track.store.base import open_store

    with open_store(store_url(store)) as opened:
        applied = opened.init()
        what = f"created {', '.join(applied)}" if applied else "up to date"
        say(f"{opened.url}: {what}", quiet)


@app.command("import")
def import_(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Files, or folders of them.")
    ] = None,
    reader: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Who wrote the files: vector (anyone; name the fields), barth2023, nitze-labels,"
            " darts or arts.",
        ),
    ] = "vector",
    source: Annotated[
        str | None,
        typer.Option(help="Name of the inventory or model; one name, one way of mapping."),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(help="Whole scars, or the zones where they are changing."),
    ] = None,
    season_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field that holds the season's year."),
    ] = None,
    date_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field that holds the image's date."),
    ] = None,
    scene_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field that names the image an outline was drawn on."),
    ] = None,
    id_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field that holds the outline's id in the source."),
    ] = None,
    gsd: Annotated[
        float | None,
        typer.Option(metavar="METRES", help="Pixel size of the images."),
    ] = None,
    gsd_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field that holds the pixel size, in metres."),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Layer to read of files that hold several."),
    ] = None,
    delineation_sigma: Annotated[
        float | None,
        typer.Option(
            metavar="METRES",
            help="How far outlines as a whole lie off, 1 sigma.",
            show_default="half the pixel size",
        ),
    ] = None,
    looked_at: Annotated[
        str,
        typer.Option(
            metavar="FILE|hull|none",
            help="What was searched: image footprints in a file that has the scene field (a"
            " measurement); or, assumed, other polygons in a file, or the hull of each file's"
            " outlines per season plus 500 m; or nothing known.",
        ),
    ] = "none",
    verdicts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take in people's verdicts, too or only: a table, such as a layer edited in QGIS,"
            " with the columns verdict (accept, reject, relink), by, at, the id of a footprint,"
            " outline, link or track, and where meant reason, to and as.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Store nothing if any outline is at fault.")
    ] = False,
    faults: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every repaired or skipped outline to this CSV."),
    ] = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Take in outlines of slumps that people or models have drawn.

    Example: rts-track import slumps.shp --source mine --date-field date --scene-field image --gsd 3
    """
    from rts_track.steps.import_report import (
        check_faults_file,
        fault_lines,
        import_lines,
        write_faults,
    )
    from rts_track.steps.importing import ImportRequest, import_footprints

    request = ImportRequest(
        reader=reader,
        layer=layer,
        source=source,
        kind=kind.value if kind else None,
        season_field=season_field,
        date_field=date_field,
        scene_field=scene_field,
        id_field=id_field,
        gsd_m=gsd,
        gsd_field=gsd_field,
        delineation_sigma_m=delineation_sigma,
        looked_at=looked_at,
        is_strict=strict,
    )
    if faults:
        check_faults_file(faults)
    if not paths and verdicts is None:
        raise UsageError("nothing to import: name files of outlines, or --verdicts FILE")
    if faults and not paths:
        raise UsageError("--faults lists outlines; rows of verdicts at fault are all printed")
    if paths:
        with open_to_import(store) as opened:
            report = import_footprints(opened, paths, request, progress=progress_bar(quiet))
        for line in fault_lines(report) if quiet else import_lines(report):
            typer.echo(line)
        if faults:
            write_faults(report, faults)
    if verdicts is not None:
        from rts_track.steps.deciding import import_verdicts

        with open_store_at(store) as opened:
            taken = import_verdicts(opened, verdicts, layer=layer, is_strict=strict)
        for line in taken.fault_lines() if quiet else taken.lines():
            typer.echo(line)


app.command()(ingest)
app.command()(align)
app.command()(detect)
app.command()(train)
app.command()(tune)
app.command()(validate)
app.add_typer(model_app, name="model")
app.command()(simulate)
app.command()(demo)
app.command("demo-tracks")(demo_tracks)


@app.command()
def link(
    redo: Annotated[
        int | None,
        typer.Option(
            metavar="SEASON", help="Link again from this season on, though nothing changed."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Threads, or workers of a local cluster.")
    ] = 1,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Dask scheduler that shares the work out; `local` starts one here.",
        ),
    ] = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Link outlines across seasons into tracks.

    Workers change nothing but the time.
    """
    from rts_track.steps.linking import link as link_store
    from rts_track.steps.tiles import open_workers

    with open_store_at(store) as opened, open_workers(workers, dask) as team:
        report = link_store(opened, redo=redo, workers=team, progress=progress_bar(quiet))
    if report.first_season is None:
        say("nothing new to link", quiet)
    else:
        say(
            f"linked {report.first_season}-{report.last_season}: {report.outlines:,} outlines,"
            f" {report.links:,} links, {report.tracks_founded:,} new tracks,"
            f" {report.events:,} events",
            quiet,
        )


verdict_app = typer.Typer(
    help="Decide on a footprint, link or track.\n\n"
    "A person's word wins over what was computed, survives a redo, and is kept with who, when and"
    " why; a later one on the same target supersedes it. `link` works it in.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(verdict_app, name="verdict")

ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides.")]
ReasonOption = Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")]
TargetArgument = Annotated[
    Target, typer.Argument(metavar="footprint|link|track", help="What it is about.")
]
IdsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="ID",
        help="Its id: of a footprint (or outline), of a track, of a link or of the two outlines or"
        " footprints that it leads from and to.",
    ),
]


@verdict_app.command()
def accept(
    target: TargetArgument,
    ids: IdsArgument,
    by: ByOption,
    reason: ReasonOption = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """It is right: a slump, the same slump, or a track to be trusted even if seen once."""
    _decide("accept", target.value, ids, by, reason, None, store, quiet)


@verdict_app.command()
def reject(
    target: TargetArgument,
    ids: IdsArgument,
    by: ByOption,
    reason: ReasonOption = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """It is wrong: no slump, not the same slump, or a track of nothing."""
    _decide("reject", target.value, ids, by, reason, None, store, quiet)


@verdict_app.command()
def relink(
    from_id: Annotated[str, typer.Argument(metavar="FROM", help="Earlier outline or footprint.")],
    to_id: Annotated[str, typer.Argument(metavar="TO", help="Later outline or footprint.")],
    by: ByOption,
    as_: Annotated[
        str, typer.Option("--as", metavar="main|merge|split", help="What the link is.")
    ] = "main",
    reason: ReasonOption = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """The two are linked, though nothing linked them."""
    _decide("relink", "link", [from_id, to_id], by, reason, as_, store, quiet)


@app.command()
def measure(store: StoreOption = None, quiet: QuietOption = False) -> None:
    """Measure the growth of every track, with its uncertainty."""
    from rts_track.steps.measuring import measure as measure_store

    with open_store_at(store) as opened:
        report = measure_store(opened, progress=progress_bar(quiet))
    if report.run_id is None:
        say("nothing new to measure", quiet)
    else:
        say(
            f"measured {report.intervals:,} intervals, {report.trends:,} trends and"
            f" {report.lineage_seasons:,} seasons of lineages",
            quiet,
        )


@app.command()
def query(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The question; without it, all are listed."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter of the question."),
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="How the answer is written.")
    ] = Format.table,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the answer to this file."),
    ] = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Ask a question of the store; alone, list the questions.

    --store parquet:///folder asks an exported folder.

    Example: rts-track query fastest-growers --param season=2020 --format csv
    """
    del quiet
    from rts_track.answer import write_answer
    from rts_track.query import ask, bind, question, question_lines
    from rts_track.store.base import open_reader

    if name is None:
        for line in question_lines():
            typer.echo(line)
        return
    given = dict(_pair(text) for text in param or [])
    bind(question(name), given)  # a wrong name or parameter is told before the store is opened
    with open_reader(store_url(store)) as reader:
        answer = ask(reader, name, given)
    write_answer(answer, format_.value, output or sys.stdout)


@app.command()
def history(
    track_id: Annotated[
        str,
        typer.Argument(
            metavar="TRACK_ID", help="Id of the slump, in use or former, or how it begins."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Write the story as JSON.")] = False,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Tell one slump's story, season by season.

    --store parquet:///folder asks an exported folder.
    """
    del quiet
    from rts_track.steps.story_lines import story_lines
    from rts_track.steps.telling import story_record, tell
    from rts_track.store.base import open_reader

    with open_reader(store_url(store)) as reader:
        story = tell(reader, track_id)
    if as_json:
        import json

        typer.echo(json.dumps(story_record(story), ensure_ascii=False, allow_nan=False, indent=2))
        return
    for line in story_lines(story):
        typer.echo(line)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")],
    trajectories: Annotated[
        bool,
        typer.Option(
            "--trajectories",
            help="Also write trajectory.parquet: the path of each slump's active front as a line,"
            " with azimuth and speed. Needs rts-track[trajectory].",
        ),
    ] = False,
    arts: Annotated[
        bool,
        typer.Option(
            "--arts",
            help="Also write arts.geojson: outlines of landforms in the columns of ARTS, with which"
            " are the same slump, merged, split or new.",
        ),
    ] = False,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write every table as GeoParquet, for QGIS, DuckDB, R."""
    if trajectories:
        with_pandas()
    from rts_track.steps.exporting import export as export_store
    from rts_track.store.base import open_reader

    with open_reader(store_url(store)) as opened:
        report = export_store(
            opened, folder, trajectories=trajectories, arts=arts, progress=progress_bar(quiet)
        )
    say(report.line(), quiet)


@app.command()
def region(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Polygons of the regions.")],
    set_: Annotated[str, typer.Option("--set", metavar="NAME", help="Name of the set.")],
    code_field: Annotated[str, typer.Option(metavar="FIELD", help="Field of the region's code.")],
    name_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field of the region's name."),
    ] = None,
    parent_field: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Field of the code of the region it belongs to."),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Layer of a file that holds several."),
    ] = None,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Load regions to sum over, such as ecoregions or watersheds."""
    from rts_track.steps.regions import load_regions

    with open_store_at(store) as opened:
        report = load_regions(
            opened,
            file,
            set_,
            code_field,
            name_field=name_field,
            parent_field=parent_field,
            layer=layer,
            progress=progress_bar(quiet),
        )
    for line in report.lines():
        say(line, quiet)


@app.command()
def status(store: StoreOption = None, quiet: QuietOption = False) -> None:
    """Say what the store holds and what is still to do."""
    del quiet
    from rts_track.steps.status import status_lines
    from rts_track.store.base import open_reader

    with open_reader(store_url(store)) as reader:
        for line in status_lines(reader):
            typer.echo(line)


@app.command()
def score(
    truth: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder with truth_outline and truth_event (of places), or truth_footprint,"
            " truth_link and truth_event (of features, by their ids); .parquet, or .csv.",
        ),
    ],
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="How the score is written.")
    ] = Format.table,
    store: StoreOption = None,
    quiet: QuietOption = False,
) -> None:
    """Score what the store holds against a known truth.

    How well slumps were found and measured, where the truth tells their places; how well they were
    linked, in any case.
    """
    del quiet
    from rts_track.answer import write_answer
    from rts_track.steps.scoring import score as score_store
    from rts_track.store.base import open_reader

    with open_reader(store_url(store)) as reader:
        result = score_store(reader, truth)
    write_answer(result.table(), format_.value, sys.stdout)


def _decide(
    verdict: str,
    target_kind: str,
    ids: list[str],
    by: str,
    reason: str | None,
    link_kind: str | None,
    store: str | None,
    quiet: bool,
) -> None:
    """Take one verdict in, decided now."""
    import datetime as dt

    from rts_track.source.verdicts import Decision
    from rts_track.steps.deciding import decide

    decision = Decision(
        verdict=verdict,
        target_kind=target_kind,
        target=tuple(ids),
        decided_by=by,
        decided_at=dt.datetime.now(dt.UTC),
        reason=reason,
        link_kind=link_kind,
    )
    with open_store_at(store) as opened:
        say(decide(opened, decision).line(), quiet)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rts-track {rts_track.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    del version


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"--param {text!r}: expected name=value")
    return name, value


def _fail(message: str, exit_code: int) -> None:
    typer.echo(f"rts-track: {' '.join(message.split())}", err=True)
    raise SystemExit(exit_code)


if __name__ == "__main__":
    main()
