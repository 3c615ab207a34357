"""Model bundles on disk, and the ensembles they make. No torch is needed to read what they say."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rts_track.domain import Kind, digest
from rts_track.errors import InputError, UsageError
from rts_track.model.manifest import (
    Architecture,
    Bundle,
    Calibration,
    Input,
    Threshold,
    Tta,
    check,
    from_json,
)
from rts_track.model.manifest import to_json as manifest_json
from rts_track.resources import resource_folder

__all__ = [
    "Architecture",
    "Bundle",
    "Calibration",
    "Ensemble",
    "Input",
    "Threshold",
    "bundle_folders",
    "ensemble_of",
    "read_bundle",
    "read_ensemble",
    "write_bundle",
]

MANIFEST = "bundle.json"
WEIGHTS = "weights.safetensors"

MANIFEST_BYTES = 1_000_000
"""Nobody's manifest is larger; a larger file is something else."""

_SHARED = (
    *("kind", "threshold", "min_area_m2", "delineation_sigma_m", "recall"),
    *("curve", "thresholds", "max_spread", "tta", "validation"),
)
"""What one look and its source have one value of: members must agree."""

_SHOWN = 60
"""Characters of a value that a fault shows: curves are long."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Bundles that are used together: the mean of their probabilities counts.

    `bundles` are in the order of their digests, whatever order they were given in: sums of
    floating-point numbers depend on it.
    """

    bundles: tuple[Bundle, ...]

    @cached_property
    def sha256(self) -> str:
        """Digest of the members, in hex; of one bundle alone its own."""
        members = [bundle.sha256 for bundle in self.bundles]
        return members[0] if len(members) == 1 else digest("ensemble", *members)

    @property
    def kind(self) -> Kind:
        """What it outlines."""
        return self.bundles[0].kind

    @property
    def threshold(self) -> float:
        """Least mean probability of a slump's pixel."""
        return self.bundles[0].threshold

    @property
    def min_area_m2(self) -> float:
        """Smallest polygon that is meant."""
        return self.bundles[0].min_area_m2

    @property
    def delineation_sigma_m(self) -> float:
        """How far its outlines tend to lie off as a whole, 1 sigma, in metres."""
        return self.bundles[0].delineation_sigma_m

    @property
    def recall(self) -> float | None:
        """Share of the slumps that it finds, if known."""
        return self.bundles[0].recall

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """The share of each member in mean and spread, in the order of `bundles`; their sum is 1.

        Members of equal weight have exactly 1 / n each.
        """
        given = [bundle.weight for bundle in self.bundles]
        if len(set(given)) == 1:
            return (1.0 / len(given),) * len(given)
        return tuple(weight / math.fsum(given) for weight in given)

    @property
    def curve(self) -> tuple[tuple[float, float], ...]:
        """Knots that make the mean probability a calibrated one; empty: it stays as it is."""
        return self.bundles[0].curve

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """Where another threshold than `threshold` holds."""
        return self.bundles[0].thresholds

    @property
    def max_spread(self) -> float | None:
        """Footprints whose mean spread is larger are left out; None: none are."""
        return self.bundles[0].max_spread

    @property
    def tta(self) -> Tta:
        """The test-time augmentation that is meant."""
        return self.bundles[0].tta

    def threshold_for(self, sensor: str, regions: Collection[str] = ()) -> float:
        """The threshold for scenes of that sensor in these regions (`<region_set>/<region_code>`).

        The most specific one counts: of the sensor and a region, of a region, of the sensor, and
        else `threshold`. Of several regions, the one that the bundle names first.
        """
        for wanted_sensor, is_of_region in ((sensor, True), (None, True), (sensor, False)):
            for each in self.thresholds:
                is_there = each.region in regions if is_of_region else each.region is None
                if each.sensor == wanted_sensor and is_there:
                    return each.threshold
        return self.threshold

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Every layer that a member reads, once, in the order in which they are first read."""
        return tuple(dict.fromkeys(name for each in self.bundles for name in each.layers))

    def misfit(self, sensor: str, gsd_m: float) -> str | None:
        """Why scenes of that sensor and pixel size, in metres, are none of its; None if they are.

        Finest and coarsest pixel have a tenth of tolerance: sensors' products differ by that.
        """
        for bundle in self.bundles:
            if bundle.sensors and sensor not in bundle.sensors:
                return f"bundle {bundle.name} is for {' and '.join(bundle.sensors)}, not {sensor}"
            finest_m, coarsest_m = bundle.gsd_range_m
            if not finest_m / 1.1 <= gsd_m <= coarsest_m * 1.1:
                return (
                    f"bundle {bundle.name} is for pixels of {finest_m:g} to {coarsest_m:g} m,"
                    f" not {gsd_m:g} m"
                )
        return None


def read_bundle(path: str | Path) -> Bundle:
    """The bundle in that directory, its weights not yet read.

    Raises:
        InputError: there is none, or it says what cannot be; which, and what would mend it.
    """
    folder = Path(path)
    manifest, weights = folder / MANIFEST, folder / WEIGHTS
    if not folder.exists():
        shipped = ", ".join(sorted(each.name for each in resource_folder("bundles").iterdir()))
        raise InputError(f"{folder}: no such model bundle; with the package come {shipped}")
    if not manifest.is_file():
        raise InputError(f"{folder}: no model bundle: it has no {MANIFEST}")
    if not weights.is_file():
        raise InputError(
            f"{folder}: the bundle has no {WEIGHTS}; weights in other forms are refused"
        )
    for file in (manifest, weights):
        if folder.resolve() not in file.resolve().parents:
            raise InputError(f"{file}: leads out of the bundle; put the file itself there")
    return from_json(_manifest_text(manifest), origin=str(manifest), weights=weights)


def write_bundle(bundle: Bundle, parent: str | Path, *, replace: bool = False) -> Path:
    """Write the bundle as directory `<name>` in `parent`, whole or not at all; that directory.

    What is there already stays if it is the same bundle.

    Raises:
        InputError: another bundle, or something else, has its place, unless `replace` lets that
            bundle give way; or the bundle says what cannot be.
    """
    check(bundle)
    text = _manifest_json(bundle)
    folder = Path(parent) / bundle.name
    if folder.exists() and not _gives_way(folder, bundle, replace):
        return folder
    beside = folder.with_name(f".{bundle.name}.partial")
    former = folder.with_name(f".{bundle.name}.former")
    for leftover in (beside, former):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        (beside / WEIGHTS).write_bytes(weights_content(bundle))
        (beside / MANIFEST).write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rename(former)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)
    return folder


def _manifest_json(bundle: Bundle) -> str:
    """The manifest as it is written; InputError where it could not be read again."""
    text = json.dumps(manifest_json(bundle), indent=2, ensure_ascii=False) + "\n"
    n_bytes = len(text.encode())
    if n_bytes > MANIFEST_BYTES:
        raise InputError(f"bundle {bundle.name}: {n_bytes:,} bytes are too large for a manifest")
    return text


def read_ensemble(paths: Sequence[str | Path]) -> Ensemble:
    """The ensemble of bundles at `paths`: each a bundle, or a directory whose bundles all count.

    Raises:
        UsageError: no path.
        InputError: a bundle cannot be read, is there twice, or they do not go together.
    """
    if not paths:
        raise UsageError("no model bundle: name one or more")
    folders = [folder for path in paths for folder in bundle_folders(Path(path))]
    return ensemble_of([read_bundle(folder) for folder in folders])


def ensemble_of(bundles: Sequence[Bundle]) -> Ensemble:
    """The ensemble of these; InputError where one is there twice or they do not go together."""
    members = sorted(bundles, key=lambda bundle: bundle.sha256)
    first = bundles[0]
    seen: dict[str, str] = {}
    for bundle in bundles:
        if bundle.weights_sha256 in seen:
            raise InputError(
                f"bundles {seen[bundle.weights_sha256]} and {bundle.name} have the same weights:"
                " one model counts once"
            )
        seen[bundle.weights_sha256] = bundle.name
        for fact in _SHARED:
            if getattr(bundle, fact) != getattr(first, fact):
                raise InputError(
                    f"bundles {first.name} and {bundle.name} are no ensemble: {fact} is"
                    f" {_shown(first, fact)} and {_shown(bundle, fact)}"
                )
    return Ensemble(bundles=tuple(members))


def _shown(bundle: Bundle, fact: str) -> str:
    text = str(getattr(bundle, fact))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def weights_content(bundle: Bundle) -> bytes:
    """The weights as they lie in the bundle's file; InputError where they are not its own."""
    if isinstance(bundle.weights, bytes):
        content, origin = bundle.weights, f"bundle {bundle.name}"
    else:
        content, origin = bundle.weights.read_bytes(), str(bundle.weights)
    if not _is_safetensors(content):
        raise InputError(
            f"{origin}: no safetensors file, or a truncated one; weights in other forms, such as"
            " pickles, can execute code and are never loaded: convert them"
        )
    if hashlib.sha256(content).hexdigest() != bundle.weights_sha256:
        raise InputError(f"{origin}: not the weights that {MANIFEST} names by weights_sha256")
    return content


def _is_safetensors(content: bytes) -> bool:
    """Whether it opens as safetensors do: 8 bytes of the header's length, and its JSON."""
    length = int.from_bytes(content[:8], "little")
    return len(content) >= 8 + length and content[8:9] == b"{"


def _manifest_text(manifest: Path) -> str:
    if manifest.stat().st_size > MANIFEST_BYTES:
        raise InputError(f"{manifest}: too large for a bundle's manifest")
    try:
        return manifest.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{manifest}: no JSON (it is no UTF-8 text)") from error


def _gives_way(folder: Path, bundle: Bundle, replace: bool) -> bool:
    """Whether what is in the bundle's place is another bundle that may be replaced."""
    there = read_bundle(folder)
    if there.sha256 == bundle.sha256:
        return False
    if not replace:
        raise InputError(f"{folder}: another bundle is there; choose another name or folder")
    return True


def bundle_folders(path: Path) -> list[Path]:
    """The path itself, if it is a bundle or nothing at all; else every bundle right below it.

    Where there is no such path, it may be the name of an ensemble that comes with the package.
    """
    path = _at_hand(path)
    if not path.is_dir() or (path / MANIFEST).exists():
        return [path]
    below = sorted(manifest.parent for manifest in path.glob(f"*/{MANIFEST}"))
    below = [folder for folder in below if not folder.name.startswith(".")]
    return below or [path]


def _at_hand(path: Path) -> Path:
    """The path; the shipped ensemble of that name where there is no such path."""
    shipped = resource_folder("bundles") / path.name
    return shipped if not path.exists() and path == Path(path.name) and shipped.is_dir() else path
