"""Prediction with the whole scene where the networks are: files' numbers go there, bytes come back.

Everything between them is done on the device: reflectance, the layers told by elevations and
trends, normalisation, prediction window by window out of one tensor, and blending.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from rts_track.errors import InputError
from rts_track.model.curve import curve_bytes
from rts_track.model.device_canvas import DeviceCanvas
from rts_track.model.device_copies import Copies
from rts_track.model.device_layers import DeviceScene, layers, put_scene
from rts_track.model.network import STRIDE_PX
from rts_track.model.predict import MOST_WINDOW_PX, OVERLAP_PX, Prediction, is_lack_of_memory
from rts_track.progress import Progress, silent
from rts_track.raster.windows import plan_even_windows, plan_windows

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.model.forward import EnsembleForward
    from rts_track.raster.grid import Window
    from rts_track.raster.raw import RawScene

BATCH = 4
"""Windows at a time: four million pixels keep a device busy, and the last batch, which is as large
as the others whatever is left for it, wastes little."""

_MOST_AHEAD = 2
_WORKING_BYTES_PER_PX = 72
"""Memory that layers take while they are prepared: elevations, two layers of them and what they
are told by, or three of trends, in float32."""
_WORKING_BYTES = 2_000_000_000
"""What blocks and strips of rows take beside, for scenes as wide as 10,000 pixels. Measured with
the other: 177 bytes a pixel at the most for 2500 x 2500 pixels, 87 with blocks of 10 MB."""

_log = logging.getLogger(__name__)


class TooLargeError(Exception):
    """The device has not the memory for all of a scene at once, beside a window that is computed.

    Window by window, and with smaller ones, it may have.
    """


class ResidentPredictor:
    """An ensemble's networks on a device, for many scenes; `predict` is for one thread.

    While one scene is at work the next ones may be on their way: see `load`.

    Attributes:
        batch: windows at a time; halved where memory does not suffice.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        forward: EnsembleForward,
        *,
        window_px: int | None = None,
        overlap_px: int = OVERLAP_PX,
        batch: int = BATCH,
    ) -> None:
        """Of an ensemble and its networks, which say on which device and in what precision.

        Args:
            ensemble: the bundles.
            forward: their networks.
            window_px: side of a window; None: scenes are divided as a `Predictor` divides them.
                To be given where the networks are compiled, and scenes differ in size.
            overlap_px: how far neighbours overlap.
            batch: windows at a time.
        """
        self._ensemble, self._forward = ensemble, forward
        self._window_px, self._overlap_px = window_px, overlap_px
        self.batch = batch
        self._copies = Copies(forward.device)
        self._ahead: deque[DeviceScene] = deque()
        self._lock = threading.Lock()

    def load(self, raw: RawScene) -> bool:
        """Whether the scene is on its way to the device, where `predict` will find it.

        To be called, by any thread, for scenes that are predicted soon, in their order. No more
        than two wait, and none if memory does not suffice: `predict` then brings it itself.
        """
        with self._lock:
            if len(self._ahead) == _MOST_AHEAD:
                return False
            try:
                self._ahead.append(put_scene(raw, self._copies))
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_lack_of_memory(error):
                    raise
                return False
            return True

    def predict_all(
        self,
        scenes: Iterable[RawScene],
        progress: Progress = silent,
        *,
        keeps_members: bool = False,
    ) -> Iterator[Prediction]:
        """What the ensemble makes of each scene; the next one is brought while one is at work.

        As `predict`, which see; the first scene that fails ends it.
        """
        waiting: deque[RawScene] = deque()
        for raw in scenes:
            self.load(raw)
            waiting.append(raw)
            if len(waiting) == _MOST_AHEAD:
                yield self.predict(waiting.popleft(), progress, keeps_members=keeps_members)
        for raw in waiting:
            yield self.predict(raw, progress, keeps_members=keeps_members)

    @torch.inference_mode()
    def predict(
        self, raw: RawScene, progress: Progress = silent, *, keeps_members: bool = False
    ) -> Prediction:
        """What the ensemble makes of the scene.

        Args:
            raw: the scene; layers that the ensemble does not read do no harm.
            progress: shown the windows as they go to the device.
            keeps_members: whether each member's probabilities are wanted, too.

        Raises:
            InputError: a layer is missing or nowhere known, or a member predicts what is no number.
            TooLargeError: the device has not the memory for the scene.
        """
        missing = [name for name in self._ensemble.layers if name not in raw.names]
        if missing:
            raise InputError(f"the model reads {', '.join(missing)}, which the scene has not")
        try:
            return self._predicted(raw, progress, keeps_members)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_lack_of_memory(error):
                raise
            self._copies.let_go()
            raise TooLargeError from error

    def _predicted(self, raw: RawScene, progress: Progress, keeps_members: bool) -> Prediction:
        scene = self._arrived(raw)
        self._check_memory(raw)
        channels, is_clear = self._channels(scene), scene.is_clear
        del scene  # what it was made of is needed no more
        canvas, windows = self._canvas(raw)
        clear = [window for window in windows if raw.is_clear[window.slices].any()]
        self._blend(channels, clear, canvas, progress)
        self._forward.check()
        made = canvas.as_bytes(
            is_clear,
            self._ensemble.weights,
            curve_bytes(self._ensemble.curve),
            keeps_members=keeps_members,
        )
        probability, spread, *members = made.cpu().numpy()
        return Prediction(
            probability=probability,
            spread=spread,
            n_windows=len(windows),
            n_skipped=len(windows) - len(clear),
            members=np.stack(members) if keeps_members else None,
        )

    def _arrived(self, raw: RawScene) -> DeviceScene:
        """The scene on the device; those that were loaded before it are let go."""
        scene = self._taken(raw) or put_scene(raw, self._copies)
        self._copies.arrived(scene.mark, scene.tensors())
        return scene

    def _taken(self, raw: RawScene) -> DeviceScene | None:
        """The scene, if it was loaded."""
        with self._lock:
            if any(scene.raw is raw for scene in self._ahead):
                while (scene := self._ahead.popleft()).raw is not raw:
                    continue
                return scene
        return None

    def _check_memory(self, raw: RawScene) -> None:
        """TooLargeError where the scene's tensors would not fit beside all that is there."""
        free_bytes = self._copies.free_bytes()
        if free_bytes is not None and self._bytes_needed(raw) > free_bytes:
            raise TooLargeError

    def _bytes_needed(self, raw: RawScene) -> int:
        """Memory for all of the scene's channels, sums and bytes, and to prepare them."""
        n_px = raw.grid.height * raw.grid.width
        n_members = self._forward.n_members
        per_channel = self._forward.dtype.itemsize
        per_px = len(self._forward.channels) * per_channel + 5 * (n_members + 1)
        return n_px * (per_px + _WORKING_BYTES_PER_PX) + _WORKING_BYTES

    def _channels(self, scene: DeviceScene) -> torch.Tensor:
        """The ensemble's channels, normalised, (1, C, H, W) in channels_last order."""
        wanted = self._forward.channels
        made = torch.empty(
            (1, len(wanted), *scene.raw.grid.shape),
            dtype=self._forward.dtype,
            device=self._forward.device,
            memory_format=torch.channels_last,
        )
        for name, layer in layers(scene, {channel.name for channel in wanted}):
            for number, channel in enumerate(wanted):
                if channel.name == name:
                    made[0, number] = channel.of(layer)
        return made

    def _canvas(self, raw: RawScene) -> tuple[DeviceCanvas, list[Window]]:
        shape = raw.grid.shape
        if self._window_px is None:
            windows = plan_even_windows(shape, MOST_WINDOW_PX, self._overlap_px, STRIDE_PX)
        else:
            windows = plan_windows(shape, self._window_px, self._overlap_px)
        n_members, device = self._forward.n_members, self._forward.device
        canvas = DeviceCanvas(shape, n_members, windows[0][2:], self._overlap_px, device)
        return canvas, windows

    def _blend(
        self,
        channels: torch.Tensor,
        windows: Sequence[Window],
        canvas: DeviceCanvas,
        progress: Progress,
    ) -> None:
        """Add what the members make of the windows to the canvas, batch by batch.

        Batches are of one shape, whatever is left for the last one: shapes cost time to get used
        to. A scene of fewer windows than a batch has one of its own.
        """
        cut = _Cut(channels)
        for some in _some(progress(windows, label="windows", total=len(windows)), self.batch):
            while some:
                size = min(self.batch, len(windows))
                part = some[:size]
                try:
                    made = self._forward(cut.batch(part, size))
                except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                    self._take_smaller_batches(error)
                    continue
                for window, of_members in zip(part, made, strict=False):
                    canvas.add(window, of_members[:, : window.height, : window.width])
                some = some[len(part) :]

    def _take_smaller_batches(self, error: BaseException) -> None:
        """Halve the batch for lack of memory, from now on; the error if it was another one."""
        if not is_lack_of_memory(error):
            raise error
        self._copies.let_go()
        if self.batch == 1:
            raise TooLargeError from error
        self.batch //= 2
        _log.warning("memory does not suffice: %d windows at a time from now on", self.batch)


class _Cut:
    """Windows cut out of a scene's channels, in batches of one shape."""

    def __init__(self, channels: torch.Tensor) -> None:
        self._channels = channels
        self._batch: torch.Tensor | None = None
        self._filled: dict[int, torch.Tensor] = {}

    def batch(self, windows: Sequence[Window], size: int) -> torch.Tensor:
        """The windows' channels, (size, C, h, w); beyond them whatever was there before.

        Sides are filled up to the network's stride by what is mirrored there.
        """
        height, width = windows[0][2:]
        rows, cols = (self._indices(length) for length in (height, width))
        if self._batch is None or len(self._batch) != size:
            shape = (size, self._channels.shape[1], len(rows), len(cols))
            self._batch = self._channels.new_zeros(shape).contiguous(
                memory_format=torch.channels_last
            )
        for number, window in enumerate(windows):
            seen = self._channels[0, :, *window.slices]
            if len(rows) > height:
                seen = seen[:, rows]
            if len(cols) > width:
                seen = seen[:, :, cols]
            self._batch[number] = seen
        return self._batch

    def _indices(self, length: int) -> torch.Tensor:
        """As `_mirrored`, on the device: brought once, as the device is waited for meanwhile."""
        if length not in self._filled:
            self._filled[length] = torch.from_numpy(_mirrored(length)).to(self._channels.device)
        return self._filled[length]


def _mirrored(length: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Which pixels fill a side up to the network's stride: all, then mirrored as often as needed.

    As `predict` pads a window.
    """
    return np.pad(np.arange(length), (0, -length % STRIDE_PX), mode="symmetric")


def _some(windows: Iterable[Window], size: int) -> Iterator[list[Window]]:
    some: list[Window] = []
    for window in windows:
        some.append(window)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
