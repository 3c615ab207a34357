"""Labelled scenes as commands are given them that learn from them, or judge by them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.commands.options import names_in, open_store_at, period_in
from rts_track.errors import UsageError

if TYPE_CHECKING:
    from rts_track.domain import Kind
    from rts_track.source.scene import Scene, SceneFault
    from rts_track.steps.training_labels import LabelFields, Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneWords:
    """What options say of how scenes are read, as they were typed."""

    reader: str | None = None
    bands: str | None = None
    date: str | None = None
    sensor: str | None = None
    scale: float | None = None
    offset: float | None = None
    no_mask: bool = False


def scenes_at(
    paths: list[Path] | None, store: str | None, words: SceneWords
) -> tuple[list[Scene], list[SceneFault]]:
    """The scenes at the paths; without any, those of the store. UsageError without either."""
    from rts_track.source.scenes import find_scenes
    from rts_track.steps.training import stored_scenes

    if paths:
        return find_scenes(
            paths,
            reader=words.reader,
            bands=names_in(words.bands),
            period=period_in(words.date),
            scale=words.scale,
            offset=words.offset,
            sensor=words.sensor,
            is_mask_optional=words.no_mask,
        )
    if store is None:
        raise UsageError("no scenes: name some, or a --store that has some")
    with open_store_at(store) as opened:
        return stored_scenes(opened)


def labels_at(path: Path | None, store: str | None, fields: LabelFields, kind: Kind) -> Labels:
    """The labels of the file; without one, the outlines of people in the store."""
    from rts_track.steps.training_labels import labels_in, labels_of_people

    if path is not None:
        return labels_in(path, fields)
    if store is None:
        raise UsageError("no labels: give --labels, or a --store with outlines of people")
    with open_store_at(store) as opened:
        return labels_of_people(opened, kind)
