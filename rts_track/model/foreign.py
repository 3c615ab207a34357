"""Checkpoints of thaw-slump-segmentation and darts-nextgen, made into model bundles.

Weights, architecture, layers and their scaling are kept; nothing of theirs is executed. Our
networks say logits: of a darts-nextgen network, which was trained with a sigmoid at its end that
has no weights, and predicts without it, that is the same network.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

import rts_track
from rts_track.errors import InputError, UsageError
from rts_track.model.foreign_file import check_size, network_state, read_checkpoint, read_config
from rts_track.model.foreign_inputs import ForeignInputs, foreign_inputs
from rts_track.model.manifest import (
    Architecture,
    Bundle,
    Calibration,
    Input,
    check,
    check_architecture,
)
from rts_track.model.network import STRIDE_PX, new_network, weights_bytes
from rts_track.source.bands import BAND_NAMES

if TYPE_CHECKING:
    from rts_track.domain import Kind

_NOT_ARGUMENTS = (
    *("arch", "architecture", "encoder", "encoder_weights", "activation"),
    *("in_channels", "input_channels", "classes"),
)
"""What a model's configuration says beside the arguments of its class."""

GSD_M = {"planetscope": (3.0, 5.0), "sentinel2": (10.0, 10.0), "landsat": (30.0, 30.0)}
"""Finest and coarsest pixel of the sensors that both projects know."""

_LEAST_PX = 32
"""Both projects drop what has fewer pixels."""

_MOST_HEADROOM = 1_000.0

_LONGEST_TEXT = 200
_LARGEST_NUMBER = 1e15
"""What a run is told of at most: other values say nothing."""

_COUNTER = "num_batches_tracked"

_SAME = 1e-4
"""How far apart logits may be that are the same but for the order of sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRequest:
    """Which checkpoint becomes which bundle.

    Attributes:
        checkpoint: the file, .pt or .ckpt.
        name: of the bundle.
        config: the run's configuration in YAML or JSON; its entries stand for those in the
            checkpoint. None: the checkpoint has it all.
        layers: what the network reads, in its order; empty: as the configuration says.
        sensors: what it was trained for; empty: PlanetScope, where the configuration names its
            data source.
        gsd_range_m: finest and coarsest pixel; None: as the sensors have them.
        threshold: from which probability on a pixel belongs to a slump.
        min_area_m2: smallest slump that is meant; None: 32 of the finest pixels, as they have it.
        headroom: how many times as far as theirs the ranges of bands reach, where theirs do not
            clip and ours would; the weights that read them are multiplied by as much.
        kind: what it outlines.
        licence: under which the weights may be used.
        citation: how they are cited.
    """

    checkpoint: Path
    name: str
    config: Path | None = None
    layers: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()
    gsd_range_m: tuple[float, float] | None = None
    threshold: float = 0.5
    min_area_m2: float | None = None
    headroom: float = 1.0
    kind: Kind = "landform"
    licence: str = "unstated"
    citation: str | None = None


def import_bundle(request: ForeignRequest) -> Bundle:
    """The bundle of a checkpoint, with its weights in single precision.

    Raises:
        UsageError: a request that cannot be, or that leaves the sensor open.
        InputError: the checkpoint cannot be read without executing code, or does not fit its
            configuration; what the network reads, and how it is scaled, is not said or unknown.
    """
    if not 1.0 <= request.headroom <= _MOST_HEADROOM:
        raise UsageError(f"headroom {request.headroom:g}: 1 or more, {_MOST_HEADROOM:,.0f} at most")
    origin = str(request.checkpoint)
    content = read_checkpoint(request.checkpoint)
    config = _config(content, request)
    read = foreign_inputs(config, request.layers, origin)
    architecture, n_channels = _architecture(config, origin)
    if n_channels not in (None, len(read.inputs)):
        raise InputError(
            f"{origin}: the network has {n_channels} channels, but {len(read.inputs)} layers are"
            f" named: {', '.join(each.name for each in read.inputs)}"
        )
    network = _filled(
        architecture, len(read.inputs), network_state(content, request.checkpoint), origin
    )
    if request.headroom > 1.0:
        read = _widened(network, read, request.headroom, origin)
    return check(_bundle(request, architecture, read, network, _story(content, config)))


def _config(content: Mapping[str, Any], request: ForeignRequest) -> dict[str, Any]:
    """What checkpoint and file say together; the file's entries count."""
    within = content.get("config")
    if within is None and isinstance(content.get("hyper_parameters"), Mapping):
        within = content["hyper_parameters"].get("config")
    check_size(within, str(request.checkpoint))
    said = dict(within) if isinstance(within, Mapping) else {}
    return said | (read_config(request.config) if request.config else {})


def _architecture(config: Mapping[str, Any], origin: str) -> tuple[Architecture, int | None]:
    """The network's architecture, and its number of channels where that is said."""
    model = config.get("model")
    if not isinstance(model, Mapping):
        raise InputError(
            f"{origin}: no model in its configuration, with architecture and encoder: name the"
            " run's configuration (--config)"
        )
    name = model.get("arch", model.get("architecture"))
    if not isinstance(name, str):
        raise InputError(f"{origin}: its configuration names no architecture")
    if str(model.get("classes", 1)) != "1":
        raise InputError(f"{origin}: tells {model['classes']!s:.20} classes; expected slumps alone")
    activation = str(model.get("activation", None))
    if activation not in ("None", "identity", "sigmoid"):
        raise InputError(f"{origin}: ends with {activation:.20}: expected logits or a sigmoid")
    arguments = {key: value for key, value in model.items() if key not in _NOT_ARGUMENTS}
    if "encoder" in model:
        arguments["encoder_name"] = model["encoder"]
    channels = model.get("in_channels", model.get("input_channels"))
    if channels is not None and not isinstance(channels, int):
        raise InputError(f"{origin}: in_channels is {channels!s:.20}: expected a number")
    return check_architecture(Architecture(name=name, arguments=arguments), origin), channels


def _filled(
    architecture: Architecture, n_inputs: int, state: dict[str, torch.Tensor], origin: str
) -> nn.Module:
    """The network with these weights; InputError where they are not its own."""
    network = new_network(architecture, n_inputs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unfit = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"{origin}: weights are not those of {architecture.name} with {n_inputs} layers:"
            f" {reason}"
        ) from error
    missing = [name for name in unfit.missing_keys if not name.endswith(_COUNTER)]
    if missing or unfit.unexpected_keys:
        raise InputError(
            f"{origin}: weights are not those of {architecture.name}: {len(missing)} are missing,"
            f" {len(unfit.unexpected_keys)} unknown, such as"
            f" {min(missing or unfit.unexpected_keys)}"
        )
    return network.eval()


def _widened(
    network: nn.Module, read: ForeignInputs, headroom: float, origin: str
) -> ForeignInputs:
    """The inputs with bands' ranges widened, and the network that reads them as before.

    A band that is divided by `headroom`, and weights multiplied by it, leave every sum as it was.
    """
    if read.is_clipped:
        raise UsageError(f"{origin}: its ranges were clipped in training; leave --headroom out")
    channels = [at for at, each in enumerate(read.inputs) if each.name in BAND_NAMES]
    first = next((part for part in network.modules() if isinstance(part, nn.Conv2d)), None)
    seen = torch.rand(
        (1, len(read.inputs), 2 * STRIDE_PX, 2 * STRIDE_PX),
        generator=torch.Generator().manual_seed(0),
    )
    with torch.no_grad():
        before = network(seen)
        if first is not None and first.in_channels == len(read.inputs):
            first.weight[:, channels] *= headroom
        seen[:, channels] /= headroom
        apart = float((network(seen) - before).abs().max())
    if apart > _SAME * max(1.0, float(before.abs().max())):
        raise UsageError(f"{origin}: this network reads its layers twice; leave --headroom out")
    inputs = tuple(
        _reaching(each, headroom) if at in channels else each for at, each in enumerate(read.inputs)
    )
    return replace(read, inputs=inputs)


def _reaching(read: Input, headroom: float) -> Input:
    return replace(read, high=read.low + headroom * (read.high - read.low))


def _bundle(
    request: ForeignRequest,
    architecture: Architecture,
    read: ForeignInputs,
    network: nn.Module,
    story: Mapping[str, Any],
) -> Bundle:
    try:
        weights, sha256 = weights_bytes(network.state_dict(), dtype=torch.float32)
    except OverflowError as error:
        raise InputError(f"{request.checkpoint}: {error}") from error
    sensors = _sensors(request, read)
    finest_m, coarsest_m = request.gsd_range_m or _gsd_range_m(sensors)
    return Bundle(
        name=request.name,
        architecture=architecture,
        inputs=read.inputs,
        fill=0.0,
        sensors=sensors,
        gsd_range_m=(finest_m, coarsest_m),
        threshold=request.threshold,
        min_area_m2=_LEAST_PX * finest_m**2 if request.min_area_m2 is None else request.min_area_m2,
        calibration=Calibration(),
        delineation_sigma_m=coarsest_m / 2,
        recall=None,
        kind=request.kind,
        licence=request.licence,
        citation=request.citation,
        training={**story, **_facts(request, read)},
        weights_sha256=sha256,
        weights=weights,
    )


def _sensors(request: ForeignRequest, read: ForeignInputs) -> tuple[str, ...]:
    if request.sensors:
        return request.sensors
    if read.sensor is not None:
        return (read.sensor,)
    raise UsageError(
        f"{request.checkpoint}: for which sensor it was trained is not said: --sensors planetscope"
        " or sentinel2"
    )


def _gsd_range_m(sensors: tuple[str, ...]) -> tuple[float, float]:
    unknown = [sensor for sensor in sensors if sensor not in GSD_M]
    if unknown:
        raise UsageError(f"for pixels of which size {unknown[0]} has: --gsd 3 or --gsd 3,5")
    finest, coarsest = zip(*(GSD_M[sensor] for sensor in sensors), strict=True)
    return min(finest), max(coarsest)


def _story(content: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint tells of its run: names and plain values."""
    beside = content.get("hyper_parameters")
    told = {**config, **(beside if isinstance(beside, Mapping) else {})}
    run = config.get("run_info")
    told |= run if isinstance(run, Mapping) else {}
    wanted = ("run_name", "run_id", "model_version", "time", "timestamp", "git_head", "patch_size")
    return {key: told[key] for key in wanted if _is_plain(told.get(key))}


def _is_plain(value: object) -> bool:
    """Whether a manifest can hold it: a finite number, or a text that is not too long."""
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT and value.isprintable()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _LARGEST_NUMBER  # neither NaN nor endless


def _facts(request: ForeignRequest, read: ForeignInputs) -> dict[str, Any]:
    """What must be known of a bundle that others trained."""
    theirs = "clipped to the ranges, as here" if read.is_clipped else "not clipped; here it is"
    facts: dict[str, Any] = {
        "imported_from": request.checkpoint.name,
        "imported_sha256": hashlib.sha256(request.checkpoint.read_bytes()).hexdigest(),
        "scaling": read.scaling,
        "beyond_the_ranges": theirs,
        "unknown_pixels": "0 after scaling, as in its training",
        "probabilities": "sigmoid of the logits, not calibrated",
        "rts_track": rts_track.__version__,
    }
    if request.headroom > 1.0:
        facts["headroom"] = request.headroom
    return facts
