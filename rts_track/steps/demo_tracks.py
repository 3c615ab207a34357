"""The whole job on a simulated history: what a newcomer sees first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from rts_track.progress import Progress, silent
from rts_track.simulate.files import write_history
from rts_track.simulate.history import HistoryParams, simulate_history
from rts_track.source.request import ImportRequest
from rts_track.steps.demo_summary import summary_lines, tracks_picture
from rts_track.steps.exporting import export
from rts_track.steps.import_report import import_lines
from rts_track.steps.importing import import_footprints
from rts_track.steps.linking import link
from rts_track.steps.measuring import measure
from rts_track.store.base import open_store

STORE_FILE = "demo.duckdb"
SOURCE = "simulated survey"


def run_demo_tracks(
    folder: Path, seed: int, *, url: str | None = None, progress: Progress = silent
) -> Iterator[str]:
    """Simulate, import, link, measure, export, score; lines that say what came of it.

    `url` is the store to use; by default a file in the folder. Files in the folder that an
    earlier demo wrote are replaced; a store that was named is added to.
    """
    params = HistoryParams()
    yield (
        f"A simulated history of {params.n_slumps} slumps over {params.n_seasons} seasons"
        f" (seed {seed}), mapped by an imperfect survey:"
    )
    files = write_history(simulate_history(np.random.default_rng(seed), params), folder)
    if url is None:
        _forget_former(folder)
    address = url or f"duckdb:///{folder / STORE_FILE}"
    with open_store(address) as store:
        store.init()
        request = ImportRequest(
            source=SOURCE,
            season_field=files.season_field,
            date_field=files.date_field,
            scene_field=files.scene_field,
            id_field=files.id_field,
            gsd_field=files.gsd_field,
            looked_at=str(files.looks),
        )
        report = import_footprints(store, [files.footprints], request, progress=progress)
        yield from (f"  {line}" for line in import_lines(report))
        # What a source knows of its own recall makes ends and beginnings surer.
        stated = {"source": [SOURCE], "recall": [1.0 - params.missed_frac]}
        store.update("source", pa.table(stated))
        link(store, progress=progress)
        measure(store, progress=progress)
        yield from summary_lines(store, files.truth)
        export(store, folder / "export", progress=progress)
        picture = tracks_picture(store, folder)
    yield ""
    yield "Files:"
    yield f"  {store.url}   everything; try `rts-track query tracks --store {store.url}`"
    yield f"  {folder / 'export'}   every table as GeoParquet, for QGIS, DuckDB, Python or R"
    yield f"  {picture}"


def _forget_former(folder: Path) -> None:
    for name in (STORE_FILE, f"{STORE_FILE}.wal"):
        (folder / name).unlink(missing_ok=True)
