"""`score`: what the store holds, beside a truth in files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rts_track.errors import InputError, StoreError
from rts_track.steps.place_score import PlaceScore
from rts_track.steps.place_scoring import score_places
from rts_track.steps.place_truth import read_place_truth, tells_places
from rts_track.steps.stored_tracks import stored_tracks
from rts_track.steps.truth_files import check_filled, check_kinds, read_truth_table
from rts_track.track.score import EVENT_KINDS, LINK_KINDS, Score, score_tracking
from rts_track.track.truth import Truth

if TYPE_CHECKING:
    from rts_track.store.base import Reader

_COLUMNS = {
    "truth_footprint": ("source_feature_id", "object_id"),
    "truth_link": ("from_source_feature_id", "to_source_feature_id", "kind"),
    "truth_event": ("object_id", "related_object_id", "season_year", "kind"),
}
_OPTIONAL = {"truth_footprint": ("season_year",)}


def score(store: Reader, truth_dir: Path) -> Score | PlaceScore:
    """How well what the store holds agrees with the truth in a folder.

    A folder that holds truth_outline tells where slumps truly lay: see `score_places`. Any other
    tells of an inventory's features: see `score_features`.

    Raises:
        InputError: a file or column is missing, or the files contradict each other.
        StoreError: nothing in the store is linked yet.
    """
    if tells_places(truth_dir):
        return score_places(store, read_place_truth(truth_dir))
    return score_features(store, truth_dir)


def score_features(store: Reader, truth_dir: Path) -> Score:
    """How well the store's links, events, tracks and lineages agree with the truth in a folder.

    The folder holds truth_footprint, truth_link and truth_event as .parquet or .csv; see
    `track.truth.Truth` for their columns, and that module for what the measures mean.

    Raises:
        InputError: a file or column is missing, or the files contradict each other.
        StoreError: nothing in the store is linked yet.
    """
    truth = read_truth(truth_dir)
    if store.count("outline") == 0:
        raise StoreError(f"{store.url}: holds no outlines; run `rts-track link` first")
    footprint = store.read(
        "footprint", ["source_feature_id", "outline_id", "season_year", "area_m2"]
    )
    return score_tracking(stored_tracks(store, footprint), truth)


def read_truth(truth_dir: Path) -> Truth:
    """The truth in a folder's files, found to agree with itself; InputError where it does not."""
    if not truth_dir.is_dir():
        raise InputError(f"{truth_dir}: no such folder")
    footprint, link, event = (
        read_truth_table(truth_dir, name, columns, _OPTIONAL.get(name, ()))
        for name, columns in _COLUMNS.items()
    )
    truth = Truth(footprint=footprint, link=link, event=event)
    _check_footprints(truth, truth_dir)
    _check_links(truth, truth_dir)
    check_kinds(event, EVENT_KINDS, f"{truth_dir}: truth_event")
    check_filled(event, ("object_id", "season_year"), f"{truth_dir}: truth_event")
    return truth


def _check_footprints(truth: Truth, truth_dir: Path) -> None:
    check_filled(truth.footprint, ("source_feature_id",), f"{truth_dir}: truth_footprint")
    seen = set[str]()
    for feature in truth.footprint["source_feature_id"].to_pylist():
        if feature in seen:
            raise InputError(f"{truth_dir}: truth_footprint: {feature!r} stands in two rows")
        seen.add(feature)


def _check_links(truth: Truth, truth_dir: Path) -> None:
    check_kinds(truth.link, LINK_KINDS, f"{truth_dir}: truth_link")
    object_of = dict(
        zip(
            truth.footprint["source_feature_id"].to_pylist(),
            truth.footprint["object_id"].to_pylist(),
            strict=True,
        )
    )
    for end in ("from_source_feature_id", "to_source_feature_id"):
        for feature in truth.link[end].to_pylist():
            if object_of.get(feature) is None:
                raise InputError(
                    f"{truth_dir}: truth_link: {end} {feature!r} has no object in truth_footprint"
                )
