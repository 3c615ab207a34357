"""What training makes small: losses of logits against labels."""

from __future__ import annotations

from typing import Literal

import torch
from segmentation_models_pytorch.losses import DiceLoss, FocalLoss
from torch import nn

from rts_track.model.training_windows import IGNORED

Loss = Literal["focal", "dice", "focal+dice"]
LOSSES: tuple[Loss, ...] = ("focal", "dice", "focal+dice")


class Objective(nn.Module):
    """Loss of logits (B, H, W) against labels (B, H, W), over pixels that are not ignored.

    Focal loss (Lin et al. 2017, https://doi.org/10.1109/ICCV.2017.324) and soft Dice loss
    (Milletari et al. 2016, https://doi.org/10.1109/3DV.2016.79). Both take the one sigmoid
    themselves: a network that had another would never be sure of anything.
    """

    def __init__(self, loss: Loss, *, gamma: float, alpha: float | None) -> None:
        """`gamma` and `alpha` are those of the focal loss: its focus, and the weight of slumps."""
        super().__init__()
        self._parts = nn.ModuleList()
        if "focal" in loss:
            self._parts.append(FocalLoss("binary", alpha=alpha, gamma=gamma, ignore_index=IGNORED))
        if "dice" in loss:
            self._parts.append(DiceLoss("binary", from_logits=True, ignore_index=IGNORED))

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar; labels are GROUND, SLUMP or IGNORED."""
        given, wanted = logits.float()[:, None], labels.float()[:, None]
        return torch.stack([part(given, wanted) for part in self._parts]).sum()
