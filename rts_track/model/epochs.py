"""Training windows in the order of an epoch, changed by chance: the same for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from rts_track.model.augment import NOTHING, Augmentation, augmented

if TYPE_CHECKING:
    from rts_track.model.training_windows import TrainingWindows

Pair = tuple[torch.Tensor, torch.Tensor]


class Epoch(Dataset[Pair]):
    """Windows of one epoch: their layers in their units (float32) and their labels (bytes).

    What chance makes of a window follows from seed, epoch and window alone, so that training that
    was broken off goes on as if it had not been.
    """

    def __init__(
        self,
        windows: TrainingWindows,
        numbers: NDArray[np.intp],
        augmentation: Augmentation,
        seed: tuple[int, ...],
    ) -> None:
        """The windows of these numbers, in this order."""
        self._windows = windows
        self._numbers = numbers
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self._numbers)

    def __getitem__(self, at: int) -> Pair:
        """A window's layers (layers, size, size) and labels (size, size)."""
        number = int(self._numbers[at])
        layers, labels = augmented(
            self._windows.names,
            np.asarray(self._windows.layers[number], dtype=np.float32),
            np.asarray(self._windows.labels[number]),
            self._augmentation,
            np.random.default_rng([*self._seed, number]),
        )
        return torch.from_numpy(layers), torch.from_numpy(labels)


def training_loader(
    windows: TrainingWindows,
    numbers: NDArray[np.intp],
    augmentation: Augmentation,
    *,
    batch: int,
    seed: int,
    epoch: int,
) -> DataLoader[Pair]:
    """The windows of these numbers in an order by chance, in whole batches if there is one."""
    order = np.random.default_rng([seed, epoch]).permutation(numbers)
    shown = Epoch(windows, order, augmentation, (seed, epoch))
    return DataLoader(shown, batch_size=batch, drop_last=len(numbers) >= batch)


def validation_loader(
    windows: TrainingWindows, numbers: NDArray[np.intp], *, batch: int
) -> DataLoader[Pair]:
    """The windows of these numbers in their order, as they are."""
    return DataLoader(Epoch(windows, numbers, NOTHING, (0,)), batch_size=batch)
