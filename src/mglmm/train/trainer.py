"""transformers' Trainer with our loss bookkeeping, optimizer groups, clock and atomic checkpoints."""

import contextlib
import json
import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, SequentialSampler
from transformers import SchedulerType, Trainer, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from mglmm.data.features import FeatureStore
from mglmm.data.mixture import Mixture
from mglmm.schema import UserError
from mglmm.train.ema import Ema
from mglmm.train.frozen import FrozenEncoder
from mglmm.train.recipe import TrainRecipe
from mglmm.train.selection import frozen_modules, parameter_groups
from mglmm.train.speed import Speed, Work

PARTS = ("lm_loss", "mask_bce", "mask_dice", "iou_error", "word_loss", "point_loss")
"""The scalar losses of the model's output, in the order of the loss weights."""

SHAPES = ("linear", "cosine", "constant", "constant_with_warmup")
"""Learning-rate schedules that can follow the clock."""

RUN_FILE = "run.json"
EMA_FILE = "ema.safetensors"


@dataclass
class Clock:
    """How far a run is: time spent (over all restarts) against the budget, steps against their limit.

    `progress` is 0 at the start and 1 when the run is over, by time or by steps, whichever comes first.
    """

    max_minutes: float | None
    max_steps: int
    spent: float = 0.0
    """Seconds of the restarts before this one; then, in all."""
    step: int = 0
    interrupted: bool = False
    _started: float = field(default_factory=time.monotonic)
    _before: float = 0.0

    def start(self, step: int, spent: float) -> None:
        """Begin (again) at `step` after `spent` seconds."""
        self.step, self.spent, self._before, self._started = step, spent, spent, time.monotonic()

    def tick(self, step: int) -> None:
        """Take the time; every rank takes that of rank 0, so that all have the same learning rate and end together."""
        self.step = step
        self.spent = self._before + time.monotonic() - self._started
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            shared: list[Any] = [self.spent, self.interrupted]
            torch.distributed.broadcast_object_list(shared, src=0)
            self.spent, self.interrupted = shared

    @property
    def progress(self) -> float:
        """0..1."""
        by_time = 0.0 if self.max_minutes is None else self.spent / (60 * self.max_minutes)
        return min(1.0, max(by_time, self.step / self.max_steps))


def learning_rate_factor(shape: str, progress: float, step: int, warmup: float) -> float:
    """What the learning rate is multiplied by, 0..1.

    Args:
        shape: `linear`, `cosine` (both end at 0) or `constant`, each after the warm-up.
        progress: 0..1 of the run.
        step: optimizer steps done.
        warmup: steps if 1 or more, else a share of the run.
    """
    rising = min(1.0, (step + 1) / warmup) if warmup >= 1 else min(1.0, progress / warmup) if warmup > 0 else 1.0
    if shape.startswith("constant"):
        return rising
    left = 1.0 - progress if warmup >= 1 else min(1.0, (1.0 - progress) / (1.0 - warmup))
    return rising * (left if shape == "linear" else 0.5 * (1 - math.cos(math.pi * left)))


class GroundingTrainer(Trainer):
    """Trains any model whose output has `PARTS`; batches are those of `mglmm.data.collate`.

    The loss is the weighted mean over *all* trained tokens, masks and image tokens of an optimizer step, however many
    micro-batches and ranks share it: each micro-batch counts by its number of them.

    Args:
        measure: given the model in evaluation mode, returns held-out figures.
        features: where the features of the frozen grounding encoder are kept; None: it runs in every step.
        work: what a step costs, for the logs.
    """

    def __init__(
        self,
        model: nn.Module,
        args: TrainingArguments,
        recipe: TrainRecipe,
        data: Mixture,
        measure: Callable[[nn.Module], dict[str, float]] | None = None,
        features: FeatureStore | None = None,
        work: Work | None = None,
        **kwargs: Any,
    ):
        super().__init__(model=model, args=args, train_dataset=data, **kwargs)
        self.model_accepts_loss_kwargs = False
        self.recipe = recipe
        self._trained = model
        self._data = data
        self._measure = measure
        self.weights = tuple(recipe.loss.model_dump().values())
        self.clock = Clock(recipe.max_minutes, args.max_steps)
        self.ema = None if recipe.ema_decay is None else Ema(model, recipe.ema_decay)
        self._frozen = frozen_modules(model)
        self._encoder = None if features is None else FrozenEncoder(features, self.accelerator)
        self._sums = torch.zeros(len(PARTS), device=args.device)
        self._num_batches = 0
        self.speed = Speed(work, args.device)
        self._staging: Path | None = None
        self._shape = SchedulerType(args.lr_scheduler_type).value
        if self.clock.max_minutes is not None and self._shape not in SHAPES:
            raise UserError(
                f"trainer.lr_scheduler_type: {self._shape!r} cannot follow the clock of max_minutes; "
                f"use one of {', '.join(SHAPES)}"
            )

    # data

    def get_train_dataloader(self) -> DataLoader:
        """Items in their own order (the mixture is shuffled); skipping to a step loads none of the skipped items."""
        workers = self.args.dataloader_num_workers
        loader: DataLoader = DataLoader(
            self._data,
            batch_size=self._train_batch_size,
            sampler=SequentialSampler(self._data),
            collate_fn=self.data_collator,
            num_workers=workers,
            pin_memory=self.args.dataloader_pin_memory,
            persistent_workers=self.args.dataloader_persistent_workers and workers > 0,
            prefetch_factor=self.args.dataloader_prefetch_factor if workers else None,
            multiprocessing_context=self.args.dataloader_multiprocessing_context if workers else None,
            worker_init_fn=_start_worker,
        )
        return self.accelerator.prepare(loader)

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor]:
        """The micro-batches of one step, and float[4]: their mean counts (see `num_trained`)."""
        started = time.monotonic()
        try:
            batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        except UserError as error:  # from a data worker torch brings the whole traceback as its message
            name = f"{UserError.__module__}.{UserError.__name__}: "
            told = [line.removeprefix(name) for line in str(error).splitlines() if line.startswith(name)]
            raise UserError(told[-1] if told else str(error)) from None
        self.speed.wait(time.monotonic() - started)
        counts = sum((num_trained(batch).to(device) for batch in batches), torch.zeros(4, device=device))
        counts = self.accelerator.reduce(counts, "sum")
        return batches, counts / (max(len(batches), 1) * self.args.world_size)

    # loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The weighted loss of one micro-batch, scaled by its share of the step's tokens and masks.

        `num_items_in_batch`: the second value of `get_batch_samples`.
        """
        for module in self._frozen:
            module.eval()
        self.speed.add(inputs, self._train_batch_size)
        if self._encoder is not None:
            inputs = self._encoder(model, inputs)
        outputs = model(**inputs)
        loss, parts = weighted_loss(outputs, self.weights, num_trained(inputs), torch.as_tensor(num_items_in_batch))
        if not loss.requires_grad:
            raise UserError("trainable: no loss of this recipe reaches what it names; nothing would be learned")
        self._sums += parts
        self._num_batches += 1
        return (loss, outputs) if return_outputs else loss

    @torch.no_grad()
    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The held-out figures, with the averaged weights if there are any; also logged."""
        if self._measure is None:
            raise RuntimeError("this trainer was made without a measure")
        started = time.monotonic()
        self.model_wrapped.eval()
        averaged = contextlib.nullcontext() if self.ema is None else self.ema.applied()
        # `Trainer` computes in mixed precision what goes through `forward`; writing answers does not
        with averaged, self.accelerator.autocast():
            figures = {f"held_out_{name}": value for name, value in self._measure(self.model_wrapped).items()}
        self.speed.pause(time.monotonic() - started)
        self.log(figures)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, figures)
        return figures

    # optimizer

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """The optimizer of `trainer.optim`, with a learning rate per group of `lr_groups`."""
        if self.optimizer is None:
            trained = self._trained if model is None else model
            kind, kwargs = self.get_optimizer_cls_and_kwargs(self.args)
            groups = parameter_groups(
                trained,
                self.get_decay_parameter_names(trained),
                self.recipe.lr_groups,
                self.args.learning_rate,
                self.args.weight_decay,
            )
            self.optimizer = kind(groups, **kwargs)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """The schedule of `trainer.lr_scheduler_type`; with `max_minutes` it follows the clock."""
        if self.clock.max_minutes is None:
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            shape, warmup = self._shape, float(self.args.warmup_steps)
            self.lr_scheduler = LambdaLR(
                optimizer or self.create_optimizer(),
                lambda step: learning_rate_factor(shape, self.clock.progress, step, warmup),
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    # logs

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the parts of the loss, time and speed.

        Raises:
            UserError: the loss is not finite.
        """
        if "loss" in logs and self._num_batches:
            logs.update(self._drain())
            self._check_finite({name: logs[name] for name in ("loss", *PARTS)})
        super().log(logs, start_time)

    def _check_finite(self, losses: dict[str, float]) -> None:
        """Nothing, if all losses are numbers that one can go on from."""
        if wrong := [name for name, value in losses.items() if not math.isfinite(value)]:
            step, names = self.state.global_step, ", ".join(wrong)
            raise UserError(f"step {step}: the run diverges ({names}: not finite); lower trainer.learning_rate")

    def _drain(self) -> dict[str, float]:
        """Means since the last call, over all ranks."""
        means = self.accelerator.reduce(self._sums / self._num_batches, "mean").tolist()
        logs = dict(zip(PARTS, means, strict=True)) | {"minutes": self.clock.spent / 60}
        logs |= self.speed.figures(self.state.global_step, self.get_total_train_batch_size(self.args))
        self._sums.zero_()
        self._num_batches = 0
        return logs

    # checkpoints

    def record(self) -> str:
        """JSON of what a run must know to go on: its recipe, the seconds spent, the images in a step."""
        images = self.get_total_train_batch_size(self.args)
        record = {"recipe": self.recipe.model_dump(mode="json"), "spent": self.clock.spent, "images_per_step": images}
        return json.dumps(record, indent=1) + "\n"

    def _get_output_dir(self, trial: Any) -> str:
        """Where checkpoints are written: beside their final place while they are unfinished."""
        return str(self._staging or self.recipe.output)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint under another name, then rename it: a kill leaves a whole one or none.

        Raises:
            UserError: a loss since the last log is not finite.
        """
        run = Path(self.recipe.output)
        name = f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        if (run / name).is_dir():
            return
        self._check_finite(dict(zip(PARTS, self._sums.tolist(), strict=True)))
        self._staging = run / "unfinished"
        if self.args.should_save:
            shutil.rmtree(self._staging, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            if self.ema is not None:
                self.ema.save(self._staging / name / EMA_FILE)
            (self._staging / name / RUN_FILE).write_text(self.record(), encoding="utf-8")
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            (self._staging / name).rename(run / name)
            shutil.rmtree(self._staging)
            for old in checkpoints(run)[: -(self.args.save_total_limit or 10**9)]:
                shutil.rmtree(old)
        self._staging = None


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    found = [path.parent for path in run.glob(f"{PREFIX_CHECKPOINT_DIR}-*/{RUN_FILE}")]
    return sorted(found, key=lambda path: int(path.name.rsplit("-", 1)[1]))


def weighted_loss(
    outputs: Any, weights: tuple[float, ...], counts: torch.Tensor, mean_counts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of a micro-batch, and float[6] its unweighted `PARTS` (detached), both scaled to the step.

    Args:
        outputs: the model's output; a part that is None counts as 0.
        weights: one per part.
        counts: float[4], trained tokens, masks, image tokens and points of this micro-batch.
        mean_counts: float[4], their means over the micro-batches of the step on all ranks.
    """
    share = counts / mean_counts.clamp(min=1e-6)
    shares = (share[0], share[1], share[1], share[1], share[2], share[3])
    zero = counts.new_zeros(())
    parts = [
        zero if getattr(outputs, name) is None else getattr(outputs, name).float() * part_share
        for name, part_share in zip(PARTS, shares, strict=True)
    ]
    loss = sum((w * part for w, part in zip(weights, parts, strict=True) if w > 0), zero)
    if not loss.requires_grad:  # there is nothing of a weight here: zero gradients, not none
        loss = loss + 0 * sum(parts, zero)
    return loss, torch.stack([part.detach() for part in parts])


def num_trained(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """float[4]: trained tokens, masks, and image tokens and points with words, of a micro-batch."""
    zero = torch.zeros((), device=next(iter(batch.values())).device)
    tokens = (batch["labels"][:, 1:] != -100).sum().float() if "labels" in batch else zero
    masks = zero + len(batch.get("mask_labels", ()))
    return torch.stack([tokens, masks, *(batch.get(name, zero).sum() for name in ("word_share", "point_share"))])


def _start_worker(worker: int) -> None:
    """In a data worker: one thread, and Ctrl-C is left to the main process, which saves first."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
