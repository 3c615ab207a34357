"""What an ensemble makes of a scene: mean probability and spread, window by window."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from rts_track.errors import DeviceError, InputError, UsageError
from rts_track.model import processor
from rts_track.model.canvas import Canvas
from rts_track.model.forward import EnsembleForward, Precision, normalise
from rts_track.model.network import STRIDE_PX, torch_device
from rts_track.progress import Item, Progress, silent
from rts_track.raster.windows import plan_even_windows, plan_windows

if TYPE_CHECKING:
    from rts_track.model.bundle import Ensemble
    from rts_track.model.layers import Layers
    from rts_track.model.manifest import Tta
    from rts_track.model.resident import ResidentPredictor
    from rts_track.raster.grid import Window
    from rts_track.raster.raw import RawScene

MOST_WINDOW_PX = 1088
OVERLAP_PX = 64
"""The longest side of a window, and how far neighbours overlap, unless others are asked for.

A scene is divided evenly into windows of no more than that: 2048 px are 4 windows of 1056 px, so
that 1.06 times the scene is predicted. Larger windows would redo little less and need more memory:
with these, 2048 x 2048 px of ten layers through a UNet++ with resnet34 in float32 took 2.9 GB in
all, of which 1.2 GB are the network's tensors (with resnet152, the hungriest that was tried, they
are 1.7 GB). 10,000 x 10,000 px through a small network took 1.6 GB."""
LEAST_WINDOW_PX = 256
"""Where memory does not suffice for windows of our own choice, they are halved down to this."""

CPU_BATCH, CUDA_BATCH = 1, 16
"""Windows at a time: a processor gains nothing from several."""

_LACK_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""What torch says, besides its own OutOfMemoryError."""

Engine = Literal["windows", "resident"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What an ensemble makes of a scene.

    Attributes:
        probability: mean of the members' calibrated probabilities by their weights, after the
            ensemble's curve, bytes (H, W) as `raster.probability` has them; 255 where the scene
            is not clear.
        spread: their standard deviation by the same weights, likewise, which no curve changes;
            0 everywhere of one member alone.
        n_windows: windows that cover the scene.
        n_skipped: those without a clear pixel, which were not predicted.
        members: each member's probability, (members, H, W), likewise and before the curve, in the
            order of the ensemble's bundles; None unless they were asked for.
    """

    probability: NDArray[np.uint8]
    spread: NDArray[np.uint8]
    n_windows: int
    n_skipped: int
    members: NDArray[np.uint8] | None = None


class Predictor:
    """An ensemble's networks, loaded once for many scenes; for one thread at a time.

    Each window is read once, with the layers of all members; each member normalises for itself.
    Its probabilities are blended over windows before mean and spread are taken, so that the
    spread is that of the members and not of windows.

    Attributes:
        ensemble: the bundles.
        device: where is computed.
        forward: the networks.
        batch: windows at a time.
        is_resident: whether scenes go to the device whole (`resident`), if they can be had so.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        *,
        device: str | None = None,
        window_px: int | None = None,
        overlap_px: int | None = None,
        batch: int | None = None,
        tta: Tta | None = None,
        precision: Precision | None = None,
        is_compiled: bool | None = None,
        engine: Engine | None = None,
    ) -> None:
        """Load the networks. What is None is chosen as the device asks for.

        Args:
            ensemble: the bundles.
            device: such as cpu or cuda:0; a CUDA device where there is one, unless said.
            window_px: side of a window; on a processor, scenes are divided evenly into windows of
                up to `MOST_WINDOW_PX`.
            overlap_px: how far neighbours overlap.
            batch: windows at a time; halved where memory does not suffice.
            tta: test-time augmentation, as `EnsembleForward` has it; the ensemble's own.
            precision: of the networks; bf16 on a CUDA device that has it, else float32.
            is_compiled: whether torch compiles the networks; not, as that takes longer than most
                scenes, and gains nothing on a processor.
            engine: `resident`: the scene goes to the device whole and is prepared there;
                `windows`: it is read window by window. The first on a CUDA device.

        Raises:
            InputError: a bundle's weights cannot be used.
            UsageError: no such device, precision, augmentation or engine, or windows that cannot
                be.
        """
        _check_windows(window_px, overlap_px, batch)
        if engine not in (None, *get_args(Engine)):
            raise UsageError(f"engine {engine!r} is unknown: {' or '.join(get_args(Engine))}")
        self.ensemble = ensemble
        self.device = torch_device(device)
        if self.device.type == "cpu":
            processor.settle()
        self.forward = EnsembleForward(
            ensemble,
            self.device,
            precision=precision or _precision(self.device),
            tta=ensemble.tta if tta is None else tta,
            is_compiled=bool(is_compiled),
        )
        is_cuda = self.device.type == "cuda"
        self.is_resident = engine == "resident" or (engine is None and is_cuda)
        self.batch = batch or (CUDA_BATCH if is_cuda else CPU_BATCH)
        self._window_px, self._most_px = window_px, MOST_WINDOW_PX
        self._overlap_px = OVERLAP_PX if overlap_px is None else overlap_px
        given = {"window_px": window_px, "overlap_px": overlap_px, "batch": batch}
        self._resident = self._resident_predictor(given) if self.is_resident else None

    def predict(
        self, stack: Layers, progress: Progress = silent, *, keeps_members: bool = False
    ) -> Prediction:
        """What the ensemble makes of the scene.

        Args:
            stack: the scene's layers; more than the ensemble reads do no harm.
            progress: shown the windows as they go by.
            keeps_members: whether each member's probabilities are wanted, too.

        Raises:
            InputError: a layer is missing, a member predicts what is no number, or memory does
                not suffice for a single window.
            DeviceError: the device has failed, and with it all that would be asked of it.
        """
        with self._device_checked():
            return self._predicted(stack, progress, keeps_members)

    def _predicted(self, stack: Layers, progress: Progress, keeps_members: bool) -> Prediction:
        channels = self._channels(stack)
        if self._resident is not None and isinstance(stack, _Raw):
            from rts_track.model.resident import TooLargeError

            try:
                return self._resident.predict(stack.raw(), progress, keeps_members=keeps_members)
            except TooLargeError:
                _log.warning(
                    "%s has not the memory for all of the scene: it is read window by window",
                    self.device,
                )
        while True:
            try:
                return self._by_windows(stack, channels, progress, keeps_members)
            except _WindowTooLargeError as error:
                self._take_smaller_windows(error)

    def load(self, stack: Layers) -> bool:
        """Whether a scene is on its way to the device already that is predicted soon.

        To be called, by any thread, in the order of `predict`, with what that is given later.
        `ResidentPredictor.load` says how many wait; whoever does not wait comes in its turn.

        Raises:
            DeviceError: the device has failed.
        """
        if self._resident is None or not isinstance(stack, _Raw):
            return False
        with self._device_checked():
            return self._resident.load(stack.raw())

    @contextmanager
    def _device_checked(self) -> Iterator[None]:
        """A fault of torch is the device's where that is asked for its work and fails.

        A CUDA device on which a kernel has failed answers every call with that until the process
        ends: the scenes that follow are not to blame.
        """
        try:
            yield
        except RuntimeError as error:
            if self.device.type == "cuda":
                try:
                    torch.cuda.synchronize(self.device)
                except RuntimeError:
                    said = str(error).partition("\n")[0]
                    raise DeviceError(
                        f"device {self.device} has failed ({said}): run the command again"
                    ) from error
            raise

    def _by_windows(
        self, stack: Layers, channels: Sequence[int], progress: Progress, keeps_members: bool
    ) -> Prediction:
        windows = self._windows(stack.grid.shape)
        canvas = Canvas(
            stack.grid.shape,
            self.forward.n_members,
            windows[0][2:],
            self._overlap_px,
            shares=self.ensemble.weights,
            curve=self.ensemble.curve,
            keeps_members=keeps_members,
        )
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
            members=canvas.members,
        )

    def _windows(self, shape: tuple[int, int]) -> list[Window]:
        """The windows that cover a scene: of the size asked for, or else dividing it evenly."""
        if self._window_px is not None:
            return plan_windows(shape, self._window_px, self._overlap_px)
        return plan_even_windows(shape, self._most_px, self._overlap_px, STRIDE_PX)

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

    @torch.inference_mode()
    def _forward(self, layers: NDArray[np.float32]) -> NDArray[np.float32]:
        given = torch.from_numpy(layers).to(self.device)
        made = self.forward(normalise(given, self.ensemble.layers, self.forward.channels))
        self.forward.check()  # the canvas makes bytes of rows long before the scene's end
        found: NDArray[np.float32] = made.cpu().numpy()
        return found

    def _take_smaller_batches(self, error: BaseException, n_windows: int) -> None:
        """Halve the batch for lack of memory, from now on; the error if it was another one."""
        if not is_lack_of_memory(error):
            raise error
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if n_windows == 1:
            raise _WindowTooLargeError from error
        self.batch = n_windows // 2
        _log.warning("memory does not suffice: %d windows at a time from now on", self.batch)

    def _take_smaller_windows(self, error: _WindowTooLargeError) -> None:
        """Halve the windows for lack of memory, from now on; InputError if they must be so large.

        The scene is begun anew with them.
        """
        least_px = max(LEAST_WINDOW_PX, self._overlap_px + STRIDE_PX)
        if self._window_px is not None or self._most_px // 2 < least_px:
            raise InputError(
                f"memory does not suffice for one window of {self._window_px or self._most_px} px"
                f" on {self.device}: take smaller windows, or a larger machine"
            ) from error
        self._most_px = self._most_px // 2 // STRIDE_PX * STRIDE_PX
        _log.warning("memory does not suffice: windows of %d px from now on", self._most_px)

    def _resident_predictor(self, given: dict[str, int | None]) -> ResidentPredictor:
        from rts_track.model.resident import ResidentPredictor

        options = {name: value for name, value in given.items() if value is not None}
        return ResidentPredictor(self.ensemble, self.forward, **options)


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice: torch says so in a plain RuntimeError of the processor's.

    And of what CUDA's libraries and pinned memory take for themselves.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _LACK_OF_MEMORY)


class _WindowTooLargeError(Exception):
    """Memory does not suffice for one window."""


@runtime_checkable
class _Raw(Protocol):
    """A scene that can be had as its files hold it."""

    def raw(self) -> RawScene: ...


@dataclass(frozen=True, slots=True)
class _Read:
    """A window that was read: its layers in the ensemble's order, and what is clear."""

    window: Window
    layers: NDArray[np.float32]
    is_clear: NDArray[np.bool_]


def _check_windows(window_px: int | None, overlap_px: int | None, batch: int | None) -> None:
    """UsageError for windows that cannot be."""
    side_px = MOST_WINDOW_PX if window_px is None else window_px
    shared_px = OVERLAP_PX if overlap_px is None else overlap_px
    if not 0 <= shared_px < side_px or (batch is not None and batch < 1):
        raise UsageError(
            f"windows of {side_px} px that overlap by {shared_px} px,"
            f" {'some' if batch is None else batch} at a time: the overlap must be smaller than"
            " the window, the batch 1 or more"
        )


def _precision(device: torch.device) -> Precision:
    if device.type != "cuda":
        return "float32"
    with torch.cuda.device(device):  # torch tells it of the current one alone
        is_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if is_bf16 else "float32"


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
