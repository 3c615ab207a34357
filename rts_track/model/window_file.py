"""Training windows on disk, so that many need no memory and training can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import shapely

from rts_track.errors import InputError
from rts_track.model.cutting import Cut
from rts_track.model.training_windows import TrainingWindows
from rts_track.writing import appearing

LAYERS, LABELS, CONTENTS = "layers.f32", "labels.u8", "windows.json"


def write_windows(
    folder: Path,
    cuts: Iterable[Cut],
    names: tuple[str, ...],
) -> int:
    """Write windows as they come, whole or not at all; how many there were.

    The contents' file appears last: without it, there are no windows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    regions, extents = [], []
    with (
        appearing(folder / LAYERS) as layers_file,
        appearing(folder / LABELS) as labels_file,
        layers_file.open("wb") as layers,
        labels_file.open("wb") as labels,
    ):
        for cut in cuts:
            layers.write(np.ascontiguousarray(cut.layers, dtype="<f4").tobytes())
            labels.write(cut.labels.tobytes())
            regions.append(cut.region)
            extents.append(shapely.to_wkb(cut.extent, hex=True))
    contents = {"names": names, "regions": regions, "extents": extents}
    with appearing(folder / CONTENTS) as beside:
        beside.write_text(json.dumps(contents), encoding="utf-8")
    return len(regions)


def has_windows(folder: Path) -> bool:
    """Whether windows lie there, whole."""
    return (folder / CONTENTS).is_file()


def read_windows(
    folder: Path,
    *,
    window_px: int,
    sensors: tuple[str, ...],
    gsd_range_m: tuple[float, float],
    inputs_sha256: str,
) -> TrainingWindows:
    """The windows that lie there, their pixels left in the file until they are asked for.

    InputError where files are not as they were written.
    """
    contents = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
    n, names = len(contents["regions"]), tuple(contents["names"])
    shape = (n, len(names), window_px, window_px)
    try:
        layers = np.memmap(folder / LAYERS, dtype="<f4", mode="r", shape=shape)
        labels = np.memmap(folder / LABELS, dtype=np.uint8, mode="r", shape=(n, *shape[2:]))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: windows are not whole; remove the folder") from error
    return TrainingWindows(
        names=names,
        layers=layers,
        labels=labels,
        regions=np.array(contents["regions"]),
        extents=np.asarray(shapely.from_wkb(contents["extents"]), dtype=object),
        sensors=sensors,
        gsd_range_m=gsd_range_m,
        inputs_sha256=inputs_sha256,
    )
