"""Which scenes are to be searched: those that a model has not searched just so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rts_track.domain import canonical_json, mint
from rts_track.errors import UsageError
from rts_track.source.auxiliary import what_gives
from rts_track.steps.detect_regions import regions_of

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.model.manifest import Tta
    from rts_track.polygon.extract import ExtractParams
    from rts_track.source.auxiliary import Auxiliary
    from rts_track.steps.detect_request import DetectRequest
    from rts_track.store.base import Store, Where

Row = dict[str, Any]

_SCENE = (
    "scene_id",
    "source",
    "season_year",
    "observed_from",
    "observed_to",
    "gsd_m",
    "uri",
    "content_sha256",
    "geometry",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One scene, a row of the store, that is to be searched as the look `look_id`.

    `params` say how footprints are made of it; `other_tta` is the test-time augmentation where it
    is not the ensemble's own.
    """

    scene: Row
    look_id: str
    params: ExtractParams
    other_tta: Tta | None = None

    @property
    def scene_id(self) -> str:
        """The scene's id."""
        return str(self.scene["scene_id"])

    @property
    def failed_look_id(self) -> str:
        """The id of the look that says so, should it fail: what was done before stays done."""
        return mint("look", self.look_id, "failed")

    @property
    def recorded(self) -> Row:
        """How it is searched, by names, as runs hold it."""
        return _recorded(self.params, self.other_tta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be searched, in the order of seasons, and what is left alone and why.

    Attributes:
        searches: scenes to be searched.
        sources: the sources of these scenes, by name.
        n_done: scenes that were searched just so.
        n_failed_before: scenes whose search failed before.
        n_unfit: scenes of sensors or pixel sizes that the model is not for.
    """

    searches: tuple[Search, ...]
    sources: dict[str, Row]
    n_done: int = 0
    n_failed_before: int = 0
    n_unfit: int = 0


def plan_searches(store: Store, ensemble: Ensemble, request: DetectRequest) -> Plan:
    """What is to be done, checked before any of it is.

    UsageError where the request cannot be, no scene is meant, the model is for none of them or
    outlines another kind than their source, or an auxiliary layer that it reads is not given.
    """
    request.check(ensemble)
    _check_auxiliary(ensemble, request.auxiliary)
    scenes = _scenes(store, request)
    sources = {row["source"]: row for row in store.read("source").to_pylist()}
    fit = _fit(scenes, sources, ensemble, request)
    used = {name: sources[name] for name in sorted({scene["source"] for scene in fit})}
    for source in used.values():
        _check_kind(store, source, ensemble)
    looks = _current_looks(store, [scene["scene_id"] for scene in fit])
    regions = regions_of(store, ensemble, fit)
    searches, n_done, n_failed = [], 0, 0
    for scene in sorted(fit, key=lambda one: (one["season_year"], one["scene_id"])):
        sensor = sources[scene["source"]]["sensor"] or ""
        params = request.extract_params(ensemble, sensor, regions.get(scene["scene_id"], ()))
        search = search_of(scene, ensemble, params, request.other_tta(ensemble))
        is_done, has_failed = search.look_id in looks, search.failed_look_id in looks
        if request.is_redo or (request.is_retrying and has_failed):
            searches.append(search)
        elif is_done:
            n_done += 1
        elif has_failed:
            n_failed += 1
        else:
            searches.append(search)
    return Plan(
        searches=tuple(searches),
        sources=used,
        n_done=n_done,
        n_failed_before=n_failed,
        n_unfit=len(scenes) - len(fit),
    )


def search_of(
    scene: Row, ensemble: Ensemble, params: ExtractParams, other_tta: Tta | None = None
) -> Search:
    """The search of a scene by an ensemble.

    Its look_id is the same for the same scene, content, season, model and parameters. Auxiliary
    rasters are no part of it: a copy of them elsewhere would be searched for nothing.
    """
    look_id = mint(
        "look",
        scene["source"],
        scene["scene_id"],
        scene["content_sha256"],
        scene["season_year"],
        scene["observed_from"],
        scene["observed_to"],
        ensemble.sha256,
        canonical_json(_recorded(params, other_tta)),
    )
    return Search(scene=scene, look_id=look_id, params=params, other_tta=other_tta)


def _recorded(params: ExtractParams, other_tta: Tta | None) -> Row:
    return {**params.recorded(), **({"tta": other_tta} if other_tta else {})}


def _check_auxiliary(ensemble: Ensemble, auxiliary: Auxiliary) -> None:
    missing = [name for name in ensemble.layers if what_gives(name) and name not in auxiliary.names]
    if missing:
        options = sorted({str(what_gives(name)) for name in missing})
        raise UsageError(
            f"the model reads {', '.join(missing)}: give {' and '.join(options)}, or a model"
            " without them"
        )
    for path in (auxiliary.dem, auxiliary.trend):
        if path is not None and not path.exists():
            raise UsageError(f"{path}: no such file or folder")


def _scenes(store: Store, request: DetectRequest) -> list[Row]:
    """The registered scenes that are meant; UsageError where there is none."""
    scope: Where = {
        name: value
        for name, value in (
            ("season_year", request.season_year),
            ("source", request.source),
            ("scene_id", list(request.scene_ids) or None),
        )
        if value is not None
    }
    rows: list[Row] = store.read("scene", _SCENE, scope).to_pylist()
    scenes = [row for row in rows if row["uri"] and row["content_sha256"]]
    unknown = sorted(set(request.scene_ids) - {row["scene_id"] for row in scenes})
    if unknown:
        raise UsageError(
            f"scene {unknown[0]!r}: not registered"
            f"{'' if len(scope) == 1 else ' in that season and source'}; `rts-track ingest` does"
        )
    if not scenes:
        meant = f" of {', '.join(str(value) for value in scope.values())}" if scope else ""
        raise UsageError(f"no scene{meant} to search: `rts-track ingest` registers scenes")
    return scenes


def _fit(
    scenes: Sequence[Row], sources: dict[str, Row], ensemble: Ensemble, request: DetectRequest
) -> list[Row]:
    """The scenes that the model is for; UsageError where one that was named is not, or none is."""
    fit, misfits = [], []
    for scene in scenes:
        sensor = sources[scene["source"]]["sensor"] or ""
        misfit = ensemble.misfit(sensor, scene["gsd_m"] or sources[scene["source"]]["gsd_m"])
        if misfit is None:
            fit.append(scene)
        else:
            misfits.append(f"scene {scene['scene_id']}: {misfit}")
    if misfits and (request.scene_ids or not fit):
        raise UsageError(misfits[0])
    return fit


def _check_kind(store: Store, source: Row, ensemble: Ensemble) -> None:
    """UsageError where outlines of another kind were found under the source's name."""
    if source["kind"] == ensemble.kind:
        return
    if store.read("look", ["look_id"], {"source": source["source"]}).num_rows:
        raise UsageError(
            f"source {source['source']!r} is {source['kind']} in this store, the model outlines"
            f" {ensemble.kind}: ingest the scenes under another --source for it"
        )


def _current_looks(store: Store, scene_ids: list[str]) -> set[str]:
    """The current looks at these scenes, done or failed."""
    scope: Where = {"scene_id": scene_ids, "is_current": True}
    return set(store.read("look", ["look_id"], scope)["look_id"].to_pylist())
