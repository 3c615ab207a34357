"""How fast scenes are searched, beside how others do it, in the same run.

    python benchmarks/train_bundles.py speed --out bundles --landscapes 2 --members 2 --epochs 6
    python benchmarks/detection_speed.py --models bundles --members 1 --size 2048 --out FILE

simulates a PlanetScope scene of `--size` pixels with elevations and Landsat trends (10 layers),
and lets each way search it in a process of its own: the two of `detection_baselines`, and ours in
float32 and, on a CUDA device, in bfloat16. All have the same scene, networks and files; what is
timed is

- *model*: from the layers of the scene, ready to be read, to its probabilities;
- *end to end*: from the files to footprints in the store, auxiliary layers made anew; a scene for
  ours and dn-style.

Cold is the first time in a process, networks loaded and compiled; warm the best of the others.
Without a CUDA device what needs one is not run, and the page says so. On one, the baselines have
torch's defaults: convolutions in TF32.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from detection_baselines import Baseline
from torch.utils.flop_counter import FlopCounterMode

import rts_track
from rts_track.model.bundle import Ensemble, ensemble_of, read_ensemble
from rts_track.model.network import build_network
from rts_track.model.predict import Prediction, Predictor
from rts_track.raster.probability import NOT_LOOKED_AT, as_bytes
from rts_track.simulate.landscape.files import LandscapeFiles, write_landscape
from rts_track.simulate.landscape.landscape import LandscapeParams, simulate_landscape
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import find_scenes
from rts_track.source.stack import open_stack
from rts_track.steps.detecting import DetectRequest, detect
from rts_track.steps.ingesting import IngestRequest, ingest
from rts_track.store.base import open_store

SEED = 9401
GSD_M = 3.0
STEP_M = 30.0
PEAK_SIZE = 8192
WAYS = {
    "tss-style": "loop over windows of 1024 px, float32",
    "dn-style": "tensor of all windows, batches of 8, float32, blended on the host",
    "rts-track": "as it is by default",
    "rts-track, float32": "float32, not compiled",
    "rts-track, compiled": "as it is by default, compiled; only where there is a CUDA device",
}
COMPILED = "rts-track, compiled"
COMPILED_PX = 1088
"""One side for all windows: each shape is compiled anew."""

WHOLE = ("dn-style", "rts-track")
"""The ways that are timed end to end."""


@dataclass(frozen=True)
class Timed:
    """What one way took: seconds a scene, memory in MiB, the share of each stage."""

    cold_s: float
    warm_s: float
    whole_cold_s: float
    whole_warm_s: float
    peak_mib: float
    device_mib: float
    stages: dict[str, float]
    n_footprints: int


class BaselinePredictor:
    """A baseline in place of our predictor: the whole scene is read, then predicted."""

    def __init__(self, ensemble: Ensemble, device: str, way: str) -> None:
        self.ensemble = ensemble
        baseline = Baseline(ensemble, device)
        self._predict: Callable[[np.ndarray], np.ndarray] = {
            "tss-style": baseline.tss_style,
            "dn-style": baseline.dn_style,
        }[way]

    def predict(self, stack: object, *_: object, **__: object) -> Prediction:
        layers, is_clear = stack.read(stack.grid.whole)
        own = [list(stack.names).index(name) for name in self.ensemble.layers]
        probability = self._predict(layers[own])
        return Prediction(
            probability=as_bytes(probability, is_clear),
            spread=np.where(is_clear, 0, NOT_LOOKED_AT).astype(np.uint8),
            n_windows=0,
            n_skipped=0,
        )


class HeldStack:
    """A scene's layers in memory: what the model part is timed on."""

    def __init__(self, stack: object) -> None:
        self.grid, self.names = stack.grid, stack.names
        self._layers, self._is_clear = stack.read(stack.grid.whole)
        if hasattr(stack, "raw"):
            raw = stack.raw()
            self.raw = lambda: raw

    def read(self, window: object) -> tuple[np.ndarray, np.ndarray]:
        return self._layers[(slice(None), *window.slices)], self._is_clear[window.slices]


def main() -> None:
    options = _options()
    if options.way:
        print(json.dumps(asdict(_timed(options))))
        return
    ensemble = _ensemble(options)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        _landscape(folder, options.size)
        timed = {}
        for way in WAYS:
            if way == COMPILED and not device.startswith("cuda"):
                continue
            timed[way] = _in_process(way, folder, device)
            print(way, timed[way], flush=True)
        lines = list(_page(options, ensemble, device, timed, folder))
    print(*lines, sep="\n")
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _in_process(way: str, folder: Path, device: str) -> Timed:
    """What the way took in a process of its own."""
    command = [sys.executable, *sys.argv, "--way", way, "--work", str(folder), "--device", device]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Timed(**json.loads(done.stdout.splitlines()[-1]))


def _timed(options: argparse.Namespace) -> Timed:
    ensemble = _ensemble(options)
    files = _landscape(options.work, options.size)
    auxiliary = Auxiliary(dem=files.dem, trend=files.trend, cache=options.work / "cache")
    scene = find_scenes(list(files.scenes))[0][0]
    with open_stack(scene, ensemble.layers, auxiliary) as stack:
        held = HeldStack(stack)
    seconds = []
    started = time.perf_counter()
    predictor = _predictor(options.way, ensemble, options.device)
    for _ in range(1 + options.repeats):
        prediction = predictor.predict(held)
        seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
    np.save(_bytes_file(options.work, options.way), prediction.probability)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    is_cuda = options.device.startswith("cuda")
    device_mib = torch.cuda.max_memory_allocated() / 2**20 if is_cuda else 0.0
    del held
    whole, report = [], None
    if options.whole and options.way in WHOLE:
        for _ in range(1 + options.repeats):
            began = time.perf_counter()
            report = _search(files, ensemble, predictor)
            whole.append(time.perf_counter() - began)
    return Timed(
        cold_s=seconds[0],
        warm_s=min(seconds[1:]),
        whole_cold_s=whole[0] if whole else float("nan"),
        whole_warm_s=min(whole[1:]) if whole else float("nan"),
        peak_mib=peak_mib,
        device_mib=device_mib,
        stages=dict(report.seconds) if report else {},
        n_footprints=sum(each.n_footprints for each in report.searched) if report else 0,
    )


def _search(files: LandscapeFiles, ensemble: Ensemble, predictor: object):
    """The whole way in a new store, auxiliary layers made anew; registration is not timed."""
    with tempfile.TemporaryDirectory() as temporary:
        with open_store(f"duckdb:///{temporary}/search.duckdb") as store:
            store.init()
            ingest(store, files.scenes, IngestRequest())
            request = DetectRequest(
                auxiliary=Auxiliary(dem=files.dem, trend=files.trend), out=Path(temporary)
            )
            report = detect(store, ensemble, request, predictor=predictor)
        if report.failures:
            sys.exit(report.failures[0].reason)
        return report


def _predictor(way: str, ensemble: Ensemble, device: str) -> object:
    if way == "rts-track":
        return Predictor(ensemble, device=device)
    if way == COMPILED:
        return Predictor(ensemble, device=device, is_compiled=True, window_px=COMPILED_PX)
    if way == "rts-track, float32":
        return Predictor(ensemble, device=device, precision="float32", is_compiled=False)
    return BaselinePredictor(ensemble, device, way)


def _landscape(folder: Path, size: int) -> LandscapeFiles:
    """The landscape with its one scene, of `size` pixels and up to nine more."""
    extent_m = -(-size * GSD_M // STEP_M) * STEP_M
    params = LandscapeParams(
        extent_m=(extent_m, extent_m), sensors=("planetscope",), n_seasons=1, cloud_frac=0.02
    )
    of_size = folder / str(size)
    if not (of_size / "landscape.json").is_file():
        write_landscape(simulate_landscape(SEED, params), of_size)
    (scene,) = (of_size / "scenes" / "planetscope").iterdir()
    return LandscapeFiles(
        folder=of_size,
        scenes=(scene,),
        dem=of_size / "dem" / "mosaic",
        strips=of_size / "dem" / "strips",
        trend=next((of_size / "trend").glob("*.tif")),
        truth=of_size / "truth",
    )


def _ensemble(options: argparse.Namespace) -> Ensemble:
    whole = read_ensemble([options.models])
    return ensemble_of(whole.bundles[: options.members])


def _bytes_file(work: Path, way: str) -> Path:
    return work / f"{way.replace(', ', '-')}.npy"


def _page(
    options: argparse.Namespace,
    ensemble: Ensemble,
    device: str,
    timed: dict[str, Timed],
    folder: Path,
) -> Iterator[str]:
    found = {way: np.load(_bytes_file(folder, way)) for way in timed}
    height, width = found["dn-style"].shape
    peak, tera = _peak_tflops(device), _tera(ensemble)
    per_mpx = tera / (1024 * 1024 / 1e6)
    yield f"# Speed of detection: {height} x {width} px"
    yield ""
    yield (
        f"`python benchmarks/detection_speed.py --size {options.size} --members"
        f" {options.members}`, {dt.date.today()}, rts-track {rts_track.__version__},"  # noqa: DTZ011
        f" torch {torch.__version__}, segmentation-models-pytorch {smp.__version__},"
        f" {_device_line(device)}. {len(ensemble.bundles)} x"
        f" {ensemble.bundles[0].architecture.name} with {ensemble.layers.__len__()} layers,"
        f" {100 * _positive(found['dn-style'], ensemble):.1f} % of pixels found;"
        f" {tera:.2f} TFLOP a window of 1024 px, matrix peak measured: {peak:.2f} TFLOP/s"
        f" ({'bfloat16' if device.startswith('cuda') else 'float32'})."
    )
    if not device.startswith("cuda"):
        yield ""
        yield "No CUDA device was at hand: nothing here says how fast one is."
    yield ""
    yield (
        "| | model, cold s | warm s | Mpx/s | dn-style / this | share of peak | end to end, warm s"
        " | dn-style / this | peak MiB | device MiB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    dn = timed["dn-style"]
    mpx = height * width / 1e6
    for way, one in timed.items():
        share = mpx * per_mpx / one.warm_s / peak
        yield (
            f"| {way} | {one.cold_s:.1f} | {one.warm_s:.1f} | {mpx / one.warm_s:.3f}"
            f" | {dn.warm_s / one.warm_s:.2f} | {share:.2f} | {_told(one.whole_warm_s, 1)}"
            f" | {_told(dn.whole_warm_s / one.whole_warm_s)} | {one.peak_mib:,.0f}"
            f" | {_told(one.device_mib or math.nan, 0)} |"
        )
    yield ""
    yield "Share of peak counts each of the scene's pixels once, however often it is predicted."
    yield ""
    yield "| agreement of masks and probabilities | IoU | largest difference | 99.9 % within |"
    yield "|---|---|---|---|"
    for way in timed:
        for reference in ("dn-style", "rts-track, float32"):
            if way != reference:
                yield f"| {way} with {reference} | {_agreement(found, way, reference, ensemble)} |"
    yield ""
    for way, one in timed.items():
        if one.stages:
            total = sum(one.stages.values())
            shares = ", ".join(f"{name} {100 * s / total:.0f} %" for name, s in one.stages.items())
            yield f"- {way}: {one.n_footprints:,} footprints; busy {total:.1f} s: {shares}"


def _told(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def _agreement(found: dict[str, np.ndarray], way: str, reference: str, ensemble: Ensemble) -> str:
    one, other = found[way].astype(int), found[reference].astype(int)
    seen = (one != NOT_LOOKED_AT) & (other != NOT_LOOKED_AT)
    at = 250 * ensemble.threshold
    masks = (one >= at) & seen, (other >= at) & seen
    iou = (masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1)
    off = np.abs(one - other)[seen] / 250
    return f"{iou:.4f} | {off.max():.3f} | {np.quantile(off, 0.999):.3f}"


def _positive(found: np.ndarray, ensemble: Ensemble) -> float:
    seen = found != NOT_LOOKED_AT
    return float((found[seen] >= 250 * ensemble.threshold).mean())


def _tera(ensemble: Ensemble) -> float:
    """Operations of all members on a window of 1024 px, in 1e12; a multiply and an add are two."""
    total = 0.0
    for bundle in ensemble.bundles:
        network = build_network(bundle)
        counter = FlopCounterMode(display=False)
        with counter, torch.inference_mode():
            network(torch.zeros(1, len(bundle.inputs), 256, 256))
        total += 16 * counter.get_total_flops() / 1e12
    return total


def _peak_tflops(device: str) -> float:
    """What products of square matrices reach on the device, in 1e12 operations a second."""
    is_cuda = device.startswith("cuda")
    size = PEAK_SIZE if is_cuda else PEAK_SIZE // 4
    kind = torch.bfloat16 if is_cuda else torch.float32
    one = torch.randn(size, size, device=device, dtype=kind)
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        product = one @ one
        if is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    del product
    return 2 * size**3 / best / 1e12


def _device_line(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    with Path("/proc/cpuinfo").open() as stream:
        names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    return (
        f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores,"
        f" {torch.get_num_threads()} threads"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="end to end, too")
    parser.add_argument("--device")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--way", choices=list(WAYS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
