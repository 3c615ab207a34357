"""What an ensemble makes of a scene: mean probability and spread, window by window."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from rts_track.errors import InputError, UsageError
from rts_track.model.canvas import Canvas
from rts_track.model.layers import Layers
from rts_track.model.network import STRIDE_PX, Member, build_network, torch_device
from rts_track.progress import Item, Progress, silent
from rts_track.raster.windows import plan_windows

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.raster.grid import Window

WINDOW_PX = 512
OVERLAP_PX = 64
"""Windows and their overlap: 1.3 times the scene is predicted. Larger windows redo less, and need
more memory: about 1 GB at 512 px for a UNet++ with resnet18."""

CPU_BATCH, CUDA_BATCH = 1, 16
"""Windows at a time: a processor gains nothing from several."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What an ensemble makes of a scene.

    Attributes:
        probability: mean of the members' calibrated probabilities, bytes (H, W) as
            `raster.probability` has them; 255 where the scene is not clear.
        spread: their standard deviation, likewise; 0 everywhere of one member alone.
        n_windows: windows that cover the scene.
        n_skipped: those without a clear pixel, which were not predicted.
    """

    probability: NDArray[np.uint8]
    spread: NDArray[np.uint8]
    n_windows: int
    n_skipped: int


class Predictor:
    """An ensemble's networks, loaded once for many scenes.

    Each window is read once, with the layers of all members; each member normalises for itself.
    Its probabilities are blended over windows before mean and spread are taken, so that the
    spread is that of the members and not of windows.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        *,
        device: str | None = None,
        window_px: int = WINDOW_PX,
        overlap_px: int = OVERLAP_PX,
        batch: int | None = None,
    ) -> None:
        """Load the networks.

        Args:
            ensemble: the bundles.
            device: such as cpu or cuda:0; a CUDA device where there is one, unless said.
            window_px: side of a window.
            overlap_px: how far neighbours overlap.
            batch: windows at a time; halved where memory does not suffice.

        Raises:
            InputError: a bundle's weights cannot be used.
            UsageError: no such device, or windows that cannot be.
        """
        if not 0 <= overlap_px < window_px or (batch is not None and batch < 1):
            raise UsageError(
                f"windows of {window_px} px that overlap by {overlap_px} px, {batch} at a time:"
                " the overlap must be smaller than the window, the batch 1 or more"
            )
        self.ensemble = ensemble
        self.device = torch_device(device)
        self.window_px = window_px
        self.overlap_px = overlap_px
        self.batch = batch or (CUDA_BATCH if self.device.type == "cuda" else CPU_BATCH)
        self.members = [
            Member(bundle, build_network(bundle), ensemble.layers).to(self.device).eval()
            for bundle in ensemble.bundles
        ]

    def predict(self, stack: Layers, progress: Progress = silent) -> Prediction:
        """What the ensemble makes of the scene.

        Args:
            stack: the scene's layers; more than the ensemble reads do no harm.
            progress: shown the windows as they go by.

        Raises:
            InputError: a layer is missing, a member predicts what is no number, or memory does
                not suffice for a single window.
        """
        channels = self._channels(stack)
        shape = stack.grid.shape
        windows = plan_windows(shape, self.window_px, self.overlap_px)
        canvas = Canvas(shape, len(self.members), windows[0][2:], self.overlap_px)
        n_predicted = 0
        shown = progress(windows, label="windows", total=len(windows))
        for row, of_row in groupby(shown, key=lambda window: window.row):
            canvas.advance(row)
            read = _clear_windows(stack, of_row, channels)
            for some in _batches(read, self.batch):
                probabilities = self._probabilities(np.stack([each.layers for each in some]))
                for each, of_members in zip(some, probabilities, strict=True):
                    canvas.add(each.window, of_members, each.is_clear)
                n_predicted += len(some)
        canvas.finish()
        return Prediction(
            probability=canvas.probability,
            spread=canvas.spread,
            n_windows=len(windows),
            n_skipped=len(windows) - n_predicted,
        )

    def _channels(self, stack: Layers) -> list[int]:
        """Where in the stack the ensemble's layers are."""
        names = list(stack.names)
        missing = [name for name in self.ensemble.layers if name not in names]
        if missing:
            raise InputError(f"the model reads {', '.join(missing)}, which the scene has not")
        return [names.index(name) for name in self.ensemble.layers]

    def _probabilities(self, layers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of windows (n, C, h, w) the members' probabilities (n, members, h, w)."""
        height, width = layers.shape[2:]
        padded = _padded(layers)
        made: list[NDArray[np.float32]] = []
        n_done = 0
        while n_done < len(layers):
            part = padded[n_done : n_done + self.batch]
            try:
                found = self._forward(part)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                self._take_smaller_batches(error, len(part))
                continue
            made.append(found[:, :, :height, :width])
            n_done += len(part)
        return np.concatenate(made)

    def _forward(self, layers: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            given = torch.from_numpy(layers).to(self.device)
            made = torch.stack([member(given) for member in self.members], dim=1)
            are_numbers = torch.isfinite(made).flatten(2).all(dim=2).all(dim=0)
            for member, is_number in zip(self.members, are_numbers.tolist(), strict=True):
                if not is_number:
                    raise InputError(f"bundle {member.name} predicts what is no number")
            found: NDArray[np.float32] = made.cpu().numpy()
        return found

    def _take_smaller_batches(self, error: BaseException, n_windows: int) -> None:
        """Halve the batch for lack of memory, from now on; the error if it was another one."""
        if not _is_lack_of_memory(error):
            raise error
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if n_windows == 1:
            raise InputError(
                f"memory does not suffice for one window of {self.window_px} px on"
                f" {self.device}: take smaller windows"
            ) from error
        self.batch = n_windows // 2
        _log.warning("memory does not suffice: %d windows at a time from now on", self.batch)


@dataclass(frozen=True, slots=True)
class _Read:
    """A window that was read: its layers in the ensemble's order, and what is clear."""

    window: Window
    layers: NDArray[np.float32]
    is_clear: NDArray[np.bool_]


def _clear_windows(
    stack: Layers, windows: Iterable[Window], channels: Sequence[int]
) -> Iterator[_Read]:
    """The windows that have a clear pixel, read."""
    for window in windows:
        layers, is_clear = stack.read(window)
        if is_clear.any():
            yield _Read(window, layers[channels], is_clear)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    some: list[Item] = []
    for item in items:
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _padded(layers: NDArray[np.float32]) -> NDArray[np.float32]:
    """The windows (n, C, h, w) mirrored beyond their lower and right edge to the network's stride.

    Numpy mirrors as often as needed, so that even a single pixel can be padded.
    """
    height, width = layers.shape[2:]
    more = ((0, 0), (0, 0), (0, -height % STRIDE_PX), (0, -width % STRIDE_PX))
    return np.pad(layers, more, mode="symmetric")


def _is_lack_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice; torch says so of the processor's in a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error)
    return "can't allocate memory" in said or "not enough memory" in said
