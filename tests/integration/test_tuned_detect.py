"""Everything that a tuned bundle says is used by `detect`, with real networks, in either store."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from rts_track.model.bundle import (
    Architecture,
    Bundle,
    Calibration,
    Input,
    Threshold,
    ensemble_of,
    read_ensemble,
    write_bundle,
)
from rts_track.model.forward import EnsembleForward
from rts_track.model.network import new_network, weights_bytes
from rts_track.raster.probability import STEPS
from rts_track.source.auxiliary import Auxiliary
from rts_track.source.scenes import find_scenes
from rts_track.source.stack import open_stack
from rts_track.steps.detecting import DetectRequest, detect
from rts_track.steps.ingesting import IngestRequest, ingest

TINY = Architecture(
    name="Unet",
    arguments={"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [8, 4, 4]},
)
SIZE, GSD_M = (96, 128), 3.0
SHARES = (0.75, 0.25)
LEAST_M2 = 90.0
LAYERS = ("red", "ndvi")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bundle_of(seed):
    torch.manual_seed(seed)
    network = new_network(TINY, len(LAYERS))
    content, sha256 = weights_bytes(network.state_dict(), dtype=torch.float32)
    return Bundle(
        name=f"tiny-{seed}",
        architecture=TINY,
        inputs=(Input(name="red", low=0.0, high=0.5), Input(name="ndvi", low=-1.0, high=1.0)),
        fill=0.0,
        sensors=("planetscope",),
        gsd_range_m=(3.0, 5.0),
        threshold=0.5,
        min_area_m2=0.0,
        calibration=Calibration(temperature=0.05),  # what is untrained says 0.5 of everything
        delineation_sigma_m=2.0,
        recall=None,
        kind="landform",
        licence="MIT",
        citation=None,
        training={},
        weights_sha256=sha256,
        weights=content,
    )


@pytest.fixture
def scene(tmp_path, products):
    """Blotches of all brightnesses."""
    noise = np.random.default_rng(3).normal(size=(4, *SIZE))
    blotches = ndimage.gaussian_filter(noise, (0, 4, 4))
    values = 2_500 + 1_500 * blotches / blotches.std()
    stored = np.clip(values, 1, 9_999).astype(np.uint16)
    return products.psscene(tmp_path / "scenes", values=stored)


def said_by_hand(scene, bundles, tta):
    """Mean before the curve, and spread, in stored steps that are not rounded."""
    (found,), _ = find_scenes([scene])
    with open_stack(found, LAYERS, Auxiliary()) as stack:
        (red, ndvi), is_clear = stack.read(stack.grid.whole)
    assert is_clear.all()
    seen = np.stack([np.clip(red / 0.5, 0, 1), np.clip((ndvi + 1) / 2, 0, 1)])[None]
    channels = torch.from_numpy(seen.astype(np.float32))
    cpu = torch.device("cpu")
    alone = [EnsembleForward(ensemble_of([each]), cpu, tta=tta)(channels) for each in bundles]
    members = STEPS * np.array([each[0, 0].numpy() for each in alone], dtype=np.float64)
    shares = np.array(SHARES)[:, None, None]
    mean = (shares * members).sum(axis=0)
    return mean, np.sqrt((shares * (members - mean) ** 2).sum(axis=0))


def quietest(mean):
    """The cut between two steps, of those well within, that the fewest pixels come near."""
    within = np.arange(*np.quantile(mean, (0.6, 0.9)).round()) + 0.5
    return within[np.argmin([np.count_nonzero(np.abs(mean - cut) < 0.05) for cut in within])]


def objects_by_hand(mean, spread, cut, max_spread):
    """Areas of the footprints, rising."""
    labels, count = ndimage.label(mean >= cut, np.ones((3, 3)))
    numbers = np.arange(1, count + 1)
    area_m2 = ndimage.sum_labels(np.ones(SIZE), labels, numbers) * GSD_M**2
    is_agreed = ndimage.mean(spread, labels, numbers) / STEPS <= max_spread
    return np.sort(area_m2[(area_m2 >= LEAST_M2) & is_agreed]).tolist()


def areas_of(store, report):
    (done,) = report.searched
    areas = [row["area_m2"] for row in store.read("footprint").to_pylist()]
    assert len(areas) == done.n_footprints
    return sorted(areas)


def test_a_search_uses_weights_curve_threshold_area_spread_and_augmentation(store, scene, tmp_path):
    bundles = [bundle_of(0), bundle_of(1)]
    mean, spread = said_by_hand(scene, bundles, "flips")
    raw = quietest(mean)
    labels, count = ndimage.label(mean >= raw, np.ones((3, 3)))
    numbers = np.arange(1, count + 1)
    large = ndimage.sum_labels(np.ones(SIZE), labels, numbers) * GSD_M**2 >= LEAST_M2
    assert count > large.sum() >= 3
    disputed = np.sort(ndimage.mean(spread, labels, numbers)[large] / STEPS)
    gap = np.diff(disputed).argmax()
    max_spread = float(disputed[gap : gap + 2].mean())
    cut = raw / STEPS
    tuned = [
        replace(
            bundle,
            weight=3.0 * share,
            curve=((0.0, 0.0), (cut, 0.8), (1.0, 1.0)),
            threshold=0.2,
            thresholds=(Threshold(sensor="planetscope", region=None, threshold=0.8),),
            min_area_m2=LEAST_M2,
            max_spread=max_spread,
            tta="flips",
        )
        for bundle, share in zip(bundles, SHARES, strict=True)
    ]
    for bundle in tuned:
        write_bundle(bundle, tmp_path / "tuned")
    ensemble = read_ensemble([tmp_path / "tuned"])
    assert ensemble.weights == pytest.approx(SHARES)

    assert ingest(store, [scene], IngestRequest()).faults == ()
    found = areas_of(store, detect(store, ensemble, DetectRequest(devices=("cpu",))))
    expected = objects_by_hand(mean, spread, raw, max_spread)
    assert 0 < len(found) < large.sum()
    assert len(found) == len(expected)
    assert sum(found) == pytest.approx(sum(expected), rel=0.005)

    plain = {
        "weight": 1.0,
        "curve": (),
        "thresholds": (),
        "min_area_m2": 0.0,
        "max_spread": None,
        "tta": "none",
    }
    for name, value in plain.items():
        other = ensemble_of([replace(bundle, **{name: value}) for bundle in tuned])
        detect(store, other, DetectRequest(devices=("cpu",)))
        superseded = store.read("superseded_footprint", ["footprint_id"])[0].to_pylist()
        rows = store.read("footprint", ["footprint_id", "area_m2"]).to_pylist()
        now = sorted(row["area_m2"] for row in rows if row["footprint_id"] not in set(superseded))
        assert now != pytest.approx(found), name
