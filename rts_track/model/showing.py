"""A bundle in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rts_track.model.manifest import Bundle


def bundle_lines(bundle: Bundle) -> Iterator[str]:
    """What the bundle says of itself, a line each."""
    yield f"bundle {bundle.name}"
    for name, value in _facts(bundle).items():
        yield f"  {name:<12} {value}"
    yield f"  {'inputs':<12} {len(bundle.inputs)}, in this order, {bundle.fill:g} where unknown"
    for each in bundle.inputs:
        yield f"    {each.name:<20} {each.low:g} to {each.high:g}"
    for title, facts in (("training", bundle.training), ("validation", bundle.validation)):
        if facts:
            yield f"  {title}"
        for name, value in facts.items():
            yield f"    {name:<20} {value if isinstance(value, str) else json.dumps(value)}"


def _facts(bundle: Bundle) -> dict[str, str]:
    arguments = ", ".join(
        f"{name}={value}" for name, value in bundle.architecture.arguments.items()
    )
    finest_m, coarsest_m = bundle.gsd_range_m
    scaled = bundle.calibration
    return {
        "digest": bundle.sha256,
        "outlines": f"{bundle.kind}, {bundle.delineation_sigma_m:g} m (1 sigma)",
        "sensors": ", ".join(bundle.sensors) or "any",
        "pixels": f"{finest_m:g} to {coarsest_m:g} m",
        "threshold": f"{bundle.threshold:g}",
        "smallest": f"{bundle.min_area_m2:g} m2",
        "recall": "unknown" if bundle.recall is None else f"{bundle.recall:.2f}",
        "network": f"{bundle.architecture.name}({arguments})",
        "calibration": f"temperature {scaled.temperature:g}, bias {scaled.bias:g}",
        "licence": bundle.licence,
        "citation": bundle.citation or "none",
        "weights": bundle.weights_sha256,
        **_tuned(bundle),
    }


def _tuned(bundle: Bundle) -> dict[str, str]:
    """What tuning has set, and is not as it is by default."""
    facts: dict[str, str] = {}
    if bundle.weight != 1.0:
        facts["weight"] = f"{bundle.weight:g} among the members"
    if bundle.curve:
        facts["curve"] = f"{len(bundle.curve)} knots calibrate the mean"
    for each in bundle.thresholds:
        where = " ".join(name for name in (each.sensor, each.region) if name)
        facts[f"threshold {where}"] = f"{each.threshold:g}"
    if bundle.max_spread is not None:
        facts["spread"] = f"at most {bundle.max_spread:g}"
    if bundle.tta != "none":
        facts["augmentation"] = f"{bundle.tta}, when it predicts"
    return facts
