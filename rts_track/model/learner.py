"""How one network learns, with Lightning: steps, validation, the best weights kept."""

from __future__ import annotations

import logging
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from rts_track.errors import InputError
from rts_track.model.epochs import Pair, training_loader, validation_loader
from rts_track.model.network import build_network, new_network, normalised, torch_device
from rts_track.model.objective import Objective
from rts_track.model.training_windows import IGNORED, SLUMP
from rts_track.writing import appearing

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lightning
    from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
    from lightning.pytorch.plugins.io import TorchCheckpointIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch.utils.data import DataLoader

    from rts_track.model.manifest import Bundle, Input
    from rts_track.model.params import TrainParams
    from rts_track.model.training_windows import Split, TrainingWindows

CHECKPOINT = "last.ckpt"
_RISING_FRAC = 0.2
_LOUD = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochScore:
    """How a network did in an epoch; IoU and F1 are of pixels, at a probability of one half.

    Epoch -1 is the start, before any step; it has no training loss (NaN).
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_iou: float
    val_f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A trained network: its best state, and the epoch that it is of."""

    state: Mapping[str, torch.Tensor]
    best: EpochScore
    n_epochs: int


class Learner(lightning.LightningModule):  # type: ignore[misc] # untyped
    """A network that learns from windows."""

    def __init__(
        self,
        windows: TrainingWindows,
        parts: Split,
        inputs: Sequence[Input],
        params: TrainParams,
        seed: int,
        start: Bundle | None = None,
    ) -> None:
        """The windows, which of them are for what, and how layers are scaled.

        Weights are those of `start`, of the same network; without it they are by chance. What
        chance draws afterwards is the same either way.
        """
        super().__init__()
        self._windows, self._parts, self._params, self._seed = windows, parts, params, seed
        self._fill = params.fill if start is None else start.fill
        self.has_start = start is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = new_network(params.network, len(inputs))
        if start is not None:
            self.network.load_state_dict(build_network(start).state_dict())
        self.train()
        self.network.to(memory_format=torch.channels_last)
        self._objective = Objective(params.loss, gamma=params.focal_gamma, alpha=params.focal_alpha)
        for name in ("low", "high"):
            values = torch.tensor([getattr(each, name) for each in inputs], dtype=torch.float32)
            self.register_buffer(f"_{name}", values[:, None, None], persistent=False)
        self._counts = torch.zeros(3)
        self._losses: dict[str, list[torch.Tensor]] = {"train": [], "val": []}
        self.scores: list[EpochScore] = []

    def train(self, mode: bool = True) -> Learner:
        """Itself, learning or not; statistics that are kept are never learned."""
        super().train(mode)
        if self._params.statistics == "kept":
            for part in self.network.modules():
                if isinstance(part, _BatchNorm):
                    part.eval()
        return self

    def train_dataloader(self) -> DataLoader[Pair]:
        """The windows of the present epoch."""
        return training_loader(
            self._windows,
            self._parts.training,
            self._params.augmentation,
            batch=self._params.batch,
            seed=self._seed,
            epoch=self.current_epoch,
        )

    def val_dataloader(self) -> DataLoader[Pair]:
        """The held-out windows."""
        return validation_loader(self._windows, self._parts.validation, batch=self._params.batch)

    def forward(self, layers: torch.Tensor) -> torch.Tensor:
        """Logits (B, H, W) of layers (B, C, H, W) in their units."""
        seen = normalised(layers, self._low, self._high, self._fill)
        logits: torch.Tensor = self.network(seen)[:, 0].float()
        return logits

    def training_step(self, pair: Pair, _number: int) -> torch.Tensor:
        """The loss of a batch."""
        layers, labels = pair
        loss: torch.Tensor = self._objective(self(layers), labels)
        self._losses["train"].append(loss.detach())
        return loss

    def validation_step(self, pair: Pair, _number: int) -> None:
        """Count a batch of held-out windows."""
        layers, labels = pair
        logits = self(layers)
        self._losses["val"].append(self._objective(logits, labels).detach())
        is_known, is_slump, is_found = labels != IGNORED, labels == SLUMP, logits >= 0
        counted = (
            (is_found & is_slump).sum(),
            (is_found & ~is_slump & is_known).sum(),
            (~is_found & is_slump).sum(),
        )
        self._counts += torch.stack(counted).cpu()

    def on_validation_epoch_end(self) -> None:
        """Tell how the epoch went."""
        score = self._score()
        self.scores.append(score)
        told = {name: getattr(score, name) for name in score.__slots__ if name != "epoch"}
        self.log_dict(told)
        self._forget()

    @torch.no_grad()
    def judged(self) -> EpochScore:
        """How it does on the held-out windows as it is now."""
        device = torch_device(self._params.device)
        self.eval().to(device)
        for number, (layers, labels) in enumerate(self.val_dataloader()):
            self.validation_step((layers.to(device), labels.to(device)), number)
        score = replace(self._score(), epoch=-1)
        self._forget()
        self.train().to("cpu")
        return score

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW, with a learning rate that rises and falls once."""
        params = self._params
        rate = params.largest_rate
        adam = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=params.weight_decay)
        n_steps = max(len(self.train_dataloader()) * params.max_epochs, 2)
        once = torch.optim.lr_scheduler.OneCycleLR(
            adam, rate, total_steps=n_steps, pct_start=_RISING_FRAC
        )
        return {"optimizer": adam, "lr_scheduler": {"scheduler": once, "interval": "step"}}

    def _forget(self) -> None:
        self._counts.zero_()
        for losses in self._losses.values():
            losses.clear()

    def _score(self) -> EpochScore:
        hit, false, missed = self._counts.tolist()
        loss = {
            name: float(torch.stack(losses).mean()) if losses else float("nan")
            for name, losses in self._losses.items()
        }
        return EpochScore(
            epoch=self.current_epoch,
            train_loss=loss["train"],
            val_loss=loss["val"],
            val_iou=hit / max(hit + false + missed, 1),
            val_f1=2 * hit / max(2 * hit + false + missed, 1),
        )


class _Best(Callback):  # type: ignore[misc] # untyped
    """Keeps the weights of the epoch with the best validation IoU; they travel in checkpoints.

    A start competes: what is fine-tuned does no worse on its held-out windows than it did.
    """

    def __init__(self, on_epoch: Callable[[EpochScore], None]) -> None:
        self._on_epoch = on_epoch
        self.state: dict[str, torch.Tensor] = {}
        self.best: EpochScore | None = None

    def on_validation_end(self, _trainer: object, learner: Learner) -> None:
        score = learner.scores[-1]
        self._on_epoch(score)
        self.offer(score, learner)

    def offer(self, score: EpochScore, learner: Learner) -> None:
        """Keep the weights as they are now, if no others were as good."""
        if self.best is None or score.val_iou > self.best.val_iou:
            self.best = score
            self.state = {
                name: weight.detach().cpu().clone()
                for name, weight in learner.network.state_dict().items()
            }

    def state_dict(self) -> dict[str, Any]:
        best = self.best
        told = {} if best is None else {name: getattr(best, name) for name in best.__slots__}
        return {"best": told, "weights": self.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.state = state_dict["weights"]
        self.best = EpochScore(**state_dict["best"]) if state_dict["best"] else None


class _Appearing(TorchCheckpointIO):  # type: ignore[misc] # untyped
    """Writes checkpoints whole or not at all, and reads them without executing code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        del storage_options
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with appearing(Path(path)) as beside:
            torch.save(checkpoint, beside)

    def load_checkpoint(self, path: str | Path, *_given: object, **_named: object) -> Any:  # noqa: ANN401
        return torch.load(path, map_location="cpu", weights_only=True)


def learn(
    learner: Learner,
    params: TrainParams,
    *,
    folder: Path | None = None,
    on_epoch: Callable[[EpochScore], None] = lambda _score: None,
) -> Learned:
    """Train the network until it gets no better; its best state.

    Args:
        learner: the network and its windows.
        params: how long, and on what.
        folder: for checkpoints and logs (CSV, TensorBoard); training goes on from a checkpoint
            that lies there. None: nothing is written.
        on_epoch: told of each epoch.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    best = _Best(on_epoch)
    checkpoint = folder / CHECKPOINT if folder else None
    found = checkpoint if checkpoint and checkpoint.exists() else None
    if learner.has_start and found is None:
        best.offer(learner.judged(), learner)
    with _quiet(), _interruptible():
        trainer = _trainer(params, best, folder)
        try:
            trainer.fit(learner, ckpt_path=found, weights_only=True)
        except (EOFError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
            if found is None or learner.scores:
                raise
            raise InputError(
                f"{found}: no checkpoint of this training, or cut short; remove it to begin anew"
            ) from error
    if best.best is None:
        raise InputError("training ended before its first epoch did")
    return Learned(state=best.state, best=best.best, n_epochs=trainer.current_epoch)


def _trainer(params: TrainParams, best: _Best, folder: Path | None) -> lightning.Trainer:
    callbacks: list[Callback] = [
        best,
        EarlyStopping(monitor="val_iou", mode="max", patience=params.patience, min_delta=1e-4),
    ]
    loggers: list[object] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        stem = CHECKPOINT.removesuffix(".ckpt")
        callbacks.append(
            ModelCheckpoint(dirpath=folder, filename=stem, enable_version_counter=False)
        )
        loggers = [CSVLogger(folder, name="", version=""), TensorBoardLogger(folder, "", "")]
    is_cuda = torch_device(params.device).type == "cuda"
    half = "bf16-mixed" if is_cuda and torch.cuda.is_bf16_supported() else "16-mixed"
    return lightning.Trainer(
        accelerator="cuda" if is_cuda else "cpu",
        devices=1,
        precision=half if is_cuda else "32-true",
        max_epochs=params.max_epochs,
        callbacks=callbacks,
        logger=loggers,
        plugins=[_Appearing()],
        enable_checkpointing=folder is not None,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        log_every_n_steps=1,
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C remains a KeyboardInterrupt: Lightning makes an exit of it, and Ctrl-C deaf."""
    heard = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, heard)
        raise KeyboardInterrupt from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's remarks on devices, workers and loggers are no news to whoever trains."""
    loud = [logging.getLogger(name) for name in _LOUD]
    levels = [each.level for each in loud]
    for each in loud:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loud, levels, strict=True):
            each.setLevel(level)
