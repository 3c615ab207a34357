"""`ingest`: scenes are read through once and registered, each with what of it is clear."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from rts_track.errors import InputError, UsageError
from rts_track.progress import Progress, silent
from rts_track.source.dates import Period
from rts_track.source.scene import SceneFault, SceneOptions
from rts_track.source.scenes import find_products, read_products
from rts_track.source.sentinel2 import is_offset_assumed
from rts_track.source.stac import STAC
from rts_track.source.stac_item import is_address
from rts_track.source.survey import survey
from rts_track.source.uri import location_of
from rts_track.steps.ingest_report import IngestReport, Outcome, Registered
from rts_track.steps.ingest_rows import (
    check_source,
    content_sha256,
    files_state,
    new_source,
    scene_row,
    season_of,
)
from rts_track.steps.runs import input_digests, keep_input_digest, record_run

if TYPE_CHECKING:
    from rts_track.source.scene import Scene
    from rts_track.source.scenes import Product
    from rts_track.source.stac_query import StacQuery
    from rts_track.store.base import Store, Where

__all__ = ["IngestReport", "IngestRequest", "Registered", "ingest"]

STEP = "ingest"

_STORED = ("scene_id", "source", "season_year", "uri", "content_sha256")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRequest:
    """How to read scenes, and under which source to register them.

    Attributes:
        source: name of the source that is to search them; None names it after the sensor.
        season_year: their season; None takes it from their dates.
        reader: the adapter to use; None lets names tell.
        bands: what the bands of plain GeoTIFFs are, in their order.
        period: day or days of acquisition; None takes it from the products.
        scale: reflectance per stored unit of plain GeoTIFFs.
        offset: reflectance of a stored 0 of plain GeoTIFFs.
        sensor: what acquired them; None takes it from the products.
        is_mask_optional: whether products may lack their mask: what is valid then counts as clear.
        assets: which assets of STAC items are read, by their keys or our names of bands; None
            takes the known bands and the mask.
        query: what is asked of a STAC API; None asks none.
        downloads: folder that scenes of the web are fetched into.
        rate_per_s: requests a second that each of their hosts gets.
    """

    source: str | None = None
    season_year: int | None = None
    reader: str | None = None
    bands: tuple[str, ...] | None = None
    period: Period | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None
    is_mask_optional: bool = False
    assets: tuple[str, ...] | None = None
    query: StacQuery | None = None
    downloads: Path | None = None
    rate_per_s: float = 4.0

    @property
    def options(self) -> SceneOptions:
        """How products are read."""
        return SceneOptions(
            bands=self.bands,
            period=self.period,
            scale=self.scale,
            offset=self.offset,
            sensor=self.sensor,
            is_mask_optional=self.is_mask_optional,
            assets=self.assets,
        )


def ingest(
    store: Store,
    paths: Sequence[str | Path],
    request: IngestRequest,
    *,
    progress: Progress = silent,
) -> IngestReport:
    """What came of registering the scenes at `paths`, each in a transaction of its own.

    The same again changes nothing, and does not read files whose size and time of change are what
    they were. A scene whose content has changed since is registered anew; what was found in it
    before no longer counts. One that cannot be taken in is a fault of the report and leaves no
    trace.

    Args:
        store: an initialised store.
        paths: products, or folders that hold some; addresses of STAC items, as texts.
        request: how to read them, and what else to look for in the web.
        progress: shown the scenes as they go by.

    Raises:
        UsageError: the request does not fit the products; nothing was stored.
        StoreError: the store cannot be written; the scenes before are in it.
    """
    addresses = [path for path in paths if isinstance(path, str) and is_address(path)]
    if request.downloads is None and (addresses or request.query):
        raise UsageError("scenes of the web are fetched: where to? Give --downloads DIR")
    files = [Path(path) for path in paths if path not in addresses]
    products, faults = find_products(files, request.options, request.reader)
    here, elsewhere = _by_place(products, request)
    scenes, unread = read_products(here)
    ingesting = _Ingesting(
        store=store, request=request, sources={}, states=input_digests(store, STEP)
    )
    scenes, twins = _apart(scenes, ingesting)
    ingesting.faults += [*faults, *unread, *twins]
    for scene in progress(scenes, label="ingesting", total=len(scenes)):
        ingesting.try_to_take_in(scene)
    if request.downloads is not None and (addresses or elsewhere or request.query):
        ingesting.fetch(addresses, elsewhere, request.downloads, progress)
    return IngestReport(
        registered=tuple(ingesting.registered),
        faults=tuple(ingesting.faults),
        n_fetched=ingesting.n_fetched,
        n_bytes=ingesting.n_bytes,
    )


def _by_place(
    products: Sequence[Product], request: IngestRequest
) -> tuple[list[Product], list[Product]]:
    """Products that are read where they lie, and those that are to be fetched."""
    if request.downloads is None or not any(product.reader is STAC for product in products):
        return list(products), []
    from rts_track.steps.ingest_fetching import lies_elsewhere

    elsewhere = [product for product in products if lies_elsewhere(product)]
    return [product for product in products if product not in elsewhere], elsewhere


@dataclass(slots=True, kw_only=True)
class _Ingesting:
    """Takes in one scene after the other.

    `sources` are the stored ones that were met, by name; `states` tell how the files of registered
    scenes were when they were last read, by scene. What came of it is in the other fields.
    """

    store: Store
    request: IngestRequest
    sources: dict[str, dict[str, Any]]
    states: dict[str, str]
    registered: list[Registered] = field(default_factory=list)
    faults: list[SceneFault] = field(default_factory=list)
    n_fetched: int = 0
    n_bytes: int = 0

    def source_of(self, scene: Scene) -> str:
        return self.request.source or scene.sensor

    def scene_id(self, scene: Scene) -> str:
        return f"{self.source_of(scene)}:{scene.product}"

    def fetch(
        self,
        addresses: Sequence[str],
        products: Sequence[Product],
        downloads: Path,
        progress: Progress,
    ) -> None:
        """Fetch scenes of the web and take in each as it has come."""
        from rts_track.steps.ingest_fetching import Errand, fetched_scenes

        errand = Errand(
            addresses=addresses,
            products=products,
            query=self.request.query,
            options=self.request.options,
            downloads=downloads,
            rate_per_s=self.request.rate_per_s,
        )
        for came in fetched_scenes(errand, progress=progress):
            if isinstance(came, SceneFault):
                self.faults.append(came)
                continue
            self.n_fetched += came.n_bytes > 0
            self.n_bytes += came.n_bytes
            self.try_to_take_in(came.scene)

    def try_to_take_in(self, scene: Scene) -> None:
        """Register the scene, or note what is wrong with it."""
        try:
            self.registered.append(self.take_in(scene))
        except InputError as error:
            self.faults.append(SceneFault(str(scene.files[0]), str(error)))
            _log.info("ingest: %s", error)

    def take_in(self, scene: Scene) -> Registered:
        """Register the scene; InputError where it cannot be."""
        started_at = dt.datetime.now(dt.UTC)
        season_year = season_of(scene, self.request.season_year)
        stored = self._stored_scene(scene)
        if stored and self._is_as_it_was(scene, stored, season_year):
            return self._registered(scene, "unchanged")
        sha256 = content_sha256(scene)
        if stored and stored["content_sha256"] == sha256:
            return self._place(scene, stored, season_year, started_at)
        if stored:
            _check_successor(stored, scene)
        known = self._known_source(scene)
        shown = survey(scene)
        row = scene_row(
            self.scene_id(scene), self.source_of(scene), season_year, scene, shown, sha256
        )
        with self.store.transaction():
            if known is None:
                self.store.upsert("source", new_source(self.source_of(scene), scene))
            self.store.upsert("scene", row)
            n_superseded = self._supersede(scene) if stored and stored["content_sha256"] else 0
            self._record(scene, sha256, started_at)
        _log.info("ingest: %s: %d of %d clear", row["scene_id"][0], shown.n_clear, shown.n_valid)
        return self._registered(
            scene,
            "updated" if stored else "added",
            clear_frac=shown.n_clear / shown.n_valid,
            n_superseded=n_superseded,
        )

    def _is_as_it_was(self, scene: Scene, stored: dict[str, Any], season_year: int) -> bool:
        """Whether nothing about it has changed since it was registered, so far as files tell."""
        state = self.states.get(self.scene_id(scene))
        return state == files_state(scene) and stored["season_year"] == season_year

    def _stored_scene(self, scene: Scene) -> dict[str, Any] | None:
        rows = self.store.read("scene", _STORED, {"scene_id": self.scene_id(scene)}).to_pylist()
        return rows[0] if rows else None

    def _known_source(self, scene: Scene) -> dict[str, Any] | None:
        """The stored source of the scene; InputError where it does not search such scenes."""
        name = self.source_of(scene)
        if name not in self.sources:
            rows = self.store.read("source", scope={"source": name}).to_pylist()
            if not rows:
                return None
            self.sources[name] = rows[0]
        check_source(self.sources[name], scene)
        return self.sources[name]

    def _place(
        self, scene: Scene, stored: dict[str, Any], season_year: int, started_at: dt.datetime
    ) -> Registered:
        """Note that the same content lies elsewhere now, or is of another season."""
        sha256 = stored["content_sha256"]
        is_same_season = stored["season_year"] == season_year
        if is_same_season and stored["uri"] == scene.uri:
            keep_input_digest(self.store, STEP, self.scene_id(scene), files_state(scene))
            return self._registered(scene, "unchanged")
        columns = {
            "scene_id": [self.scene_id(scene)],
            "uri": [scene.uri],
            "season_year": pa.array([season_year], pa.int32()),
        }
        with self.store.transaction():
            self.store.update("scene", pa.table(columns))
            n_superseded = 0 if is_same_season else self._supersede(scene)
            self._record(scene, sha256, started_at)
        return self._registered(scene, "updated", n_superseded=n_superseded)

    def _supersede(self, scene: Scene) -> int:
        """Let the scene's former searches no longer count; how many there were."""
        scope: Where = {"scene_id": self.scene_id(scene), "is_current": True}
        look_ids = self.store.read("look", ["look_id"], scope)["look_id"].to_pylist()
        if look_ids:
            former = {"look_id": look_ids, "is_current": [False] * len(look_ids)}
            self.store.update("look", pa.table(former))
        return len(look_ids)

    def _record(self, scene: Scene, sha256: str, started_at: dt.datetime) -> None:
        params = {
            "scene": self.scene_id(scene),
            "uri": scene.uri,
            "season_year": self.request.season_year,
        }
        record_run(self.store, STEP, params, sha256, started_at=started_at)
        keep_input_digest(self.store, STEP, self.scene_id(scene), files_state(scene))

    def _registered(
        self,
        scene: Scene,
        outcome: Outcome,
        *,
        clear_frac: float | None = None,
        n_superseded: int = 0,
    ) -> Registered:
        return Registered(
            scene_id=self.scene_id(scene),
            outcome=outcome,
            has_mask=bool(scene.masks),
            is_offset_assumed=self.request.offset is None and is_offset_assumed(scene),
            scale=scene.bands[0].scale,
            offset=scene.bands[0].offset,
            clear_frac=clear_frac,
            n_superseded=n_superseded,
        )


def _apart(scenes: Sequence[Scene], ingesting: _Ingesting) -> tuple[list[Scene], list[SceneFault]]:
    """The scenes, each once; those that claim one id with different content are faults."""
    by_id: dict[str, list[Scene]] = {}
    for scene in scenes:
        by_id.setdefault(ingesting.scene_id(scene), []).append(scene)
    apart: list[Scene] = []
    faults: list[SceneFault] = []
    for scene_id, claims in by_id.items():
        try:
            _check_twins(scene_id, claims)
            apart.append(claims[0])
        except InputError as error:
            faults.append(SceneFault(scene_id, str(error)))
    return apart, faults


def _check_twins(scene_id: str, claims: Sequence[Scene]) -> None:
    """InputError where the scenes that would have one id differ."""
    if len(claims) > 1 and len({content_sha256(each) for each in claims}) > 1:
        places = " and ".join(str(each.files[0]) for each in claims)
        raise InputError(
            f"{places} differ, but both would be scene {scene_id}: ingest the one you mean"
        )


def _check_successor(stored: dict[str, Any], scene: Scene) -> None:
    """InputError where another product of that id is registered and still there."""
    if stored["uri"] is None:
        return
    former = location_of(stored["uri"])
    if former != location_of(scene.uri) and former.exists():
        raise InputError(
            f"{scene.files[0]}: scene {stored['scene_id']} is registered from {former}, which"
            " differs and is still there: give this one another --source, or remove that"
        )
