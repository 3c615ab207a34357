"""What an ensemble that has seen simulated landscapes alone makes of a real site.

    python benchmarks/peel.py --data FOLDER --models DIR --image docs/images/peel.png --out FILE

The site: 2.5 km of the Peel Plateau in Sentinel-2 and Landsat 8, and the outlines of twelve
experts (Nitze et al. 2024, doi 10.1002/ppp.2249). No elevations or trends are at hand, so the
ensemble reads bands and NDVI alone (`train_bundles.py optical`). Both files hold
top-of-atmosphere reflectance, which no correction was made for. A picture and counts; an
evaluation with intervals is another matter.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyogrio
import shapely

from rts_track import grid
from rts_track.model.bundle import read_ensemble
from rts_track.polygon.match import one_to_one, overlaps
from rts_track.report.detections import Panel, plot_panels
from rts_track.source.pixels import ScenePixels
from rts_track.source.scene import Scene
from rts_track.source.scenes import open_scene
from rts_track.steps.detecting import DetectRequest, detect
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.store.base import Store, open_store

BANDS = {
    "S2_20210821T210019_20210821T210020_T08WMA.tif": ["B2", "B3", "B4", "B5", "B6", "B7", "B8"],
    "L8_LC08_139232_20210721.tif": ["B2", "B3", "B4", "B5", "B6", "B7", "-"],
}
MAJORITY = 0.5
"""What more than half of the experts drew is the consensus."""
SHOWN = ("nir", "red", "green")


def main() -> None:
    options = _options()
    site = options.data / "rts_digitization_peel"
    experts = [_outlines(file) for file in sorted(site.glob("experts/*/*.shp"))]
    consensus = _consensus(experts)
    with (
        tempfile.TemporaryDirectory() as temporary,
        open_store(f"duckdb:///{temporary}/peel.duckdb") as store,
    ):
        store.init()
        for name, bands in BANDS.items():
            report = ingest(store, [site / name], IngestRequest(bands=tuple(bands)))
            print(*report.lines(), *(fault.reason for fault in report.faults), sep="\n")
        ensemble = read_ensemble([options.models])
        found = detect(store, ensemble, DetectRequest(out=None))
        print(*found.lines(), *(failure.reason for failure in found.failures), sep="\n")
        panels = list(_panels(store, consensus))
        lines = list(_page(store, consensus, experts, options))
    plot_panels(
        panels, "Peel Plateau, 2021: an ensemble that knows simulated slumps only", options.image
    )
    print(*lines, sep="\n")
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _outlines(file: Path) -> np.ndarray:
    """One expert's polygons, EPSG:6931."""
    meta, _, wkb, _ = pyogrio.raw.read(file)
    polygons = shapely.make_valid(shapely.from_wkb(wkb))
    metric = grid.to_metric(grid.as_multipolygons(np.asarray(polygons, dtype=object)), meta["crs"])
    return metric[shapely.area(metric) > 0.0]


def _consensus(experts: list[np.ndarray]) -> np.ndarray:
    """The parts that more than half of the experts drew, as polygons."""
    drawn = [shapely.union_all(polygons) for polygons in experts]
    lines = shapely.union_all([shapely.boundary(polygon) for polygon in drawn])
    faces = shapely.get_parts(shapely.polygonize([*shapely.get_parts(lines)]))
    points = shapely.point_on_surface(faces)
    votes = sum(shapely.contains(polygon, points).astype(int) for polygon in drawn)
    merged = shapely.union_all(faces[votes > MAJORITY * len(drawn)])
    return np.asarray(shapely.get_parts(merged), dtype=object)


def _panels(store: Store, consensus: np.ndarray) -> Iterator[Panel]:
    for row in store.read("scene", ["scene_id", "observed_from", "uri"]).to_pylist():
        scene = open_scene(row["uri"])
        with ScenePixels(scene) as pixels:
            image = pixels.read(SHOWN, scene.grid.whole)
            is_clear = pixels.clear(scene.grid.whole)
        drawn = {
            "drawn by more than half of twelve experts": consensus,
            "found": _found(store, row["scene_id"]),
        }
        title = f"{scene.sensor}, {row['observed_from']} (near infrared, red, green)"
        yield Panel(title=title, image=image, is_clear=is_clear, grid=scene.grid, outlines=drawn)


def _found(store: Store, scene_id: str) -> np.ndarray:
    wkb = store.read("footprint", ["geometry"], {"scene_id": scene_id})["geometry"].to_pylist()
    return grid.to_metric(np.asarray(shapely.from_wkb(wkb), dtype=object))


def _page(
    store: Store, consensus: np.ndarray, experts: list[np.ndarray], options: argparse.Namespace
) -> Iterator[str]:
    yield "# Detection on a real site: the Peel Plateau"
    yield ""
    yield (
        f"`python benchmarks/peel.py` with bundles {options.models.name},"
        f" {dt.date.today()}. Of the {len(consensus)} areas that more than half of twelve experts"  # noqa: DTZ011
        " drew and that a scene shows; matches share half of the smaller one, one to one. Pixel"
        " IoU is of areas, found against consensus. Each expert beside the consensus of all:"
        f" {_experts_line(consensus, experts)}."
    )
    yield ""
    yield "| scene | found | of the experts' | matched | precision | recall | F1 | IoU of areas |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in store.read("scene", ["scene_id", "uri"]).to_pylist():
        scene: Scene = open_scene(row["uri"])
        shown = shapely.intersection(consensus, scene.grid.extent())
        shown = shown[shapely.area(shown) > 0.0]
        cells = _cells(_found(store, row["scene_id"]), shown)
        yield f"| {scene.sensor}, {scene.observed_from} | {cells} |"


def _cells(found: np.ndarray, shown: np.ndarray) -> str:
    n_matched, iou = _agreement(found, shown)
    precision = n_matched / len(found) if len(found) else float("nan")
    recall = n_matched / len(shown)
    f1 = 2 * n_matched / (len(found) + len(shown))
    counts = f"{len(found)} | {len(shown)} | {n_matched}"
    return f"{counts} | {precision:.2f} | {recall:.2f} | {f1:.2f} | {iou:.2f}"


def _agreement(found: np.ndarray, shown: np.ndarray) -> tuple[int, float]:
    """How many match one to one, and the IoU of the areas."""
    pairs = overlaps(found, shown)
    n_matched = len(one_to_one(pairs, pairs.of_smaller, MAJORITY))
    one, other = shapely.union_all(found), shapely.union_all(shown)
    shared = shapely.area(shapely.intersection(one, other))
    return n_matched, float(shared / shapely.area(shapely.union(one, other)))


def _experts_line(consensus: np.ndarray, experts: list[np.ndarray]) -> str:
    scores = []
    for drawn in experts:
        n_matched, iou = _agreement(drawn, consensus)
        scores.append((2 * n_matched / (len(drawn) + len(consensus)), iou))
    (f1_low, iou_low), (f1_high, iou_high) = np.min(scores, axis=0), np.max(scores, axis=0)
    return f"F1 {f1_low:.2f} to {f1_high:.2f}, IoU {iou_low:.2f} to {iou_high:.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
