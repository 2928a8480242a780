"""Exponential moving average of the trained weights: a short run's cheapest gain in quality."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn


class Ema:
    """The average of the trainable parameters of `model`, in float32 on their device.

    The decay at update t is `min(decay, (1 + t) / (10 + t))`, so the first steps do not hold the average back.
    Source: the `num_updates` rule of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.num_updates = 0
        self._model = model
        self.weights = {name: p.detach().float().clone() for name, p in self._trained()}

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, p) for name, p in self._model.named_parameters() if p.requires_grad)

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the weights; to be called after every optimizer step."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        for name, parameter in self._trained():
            self.weights[name].lerp_(parameter.detach().float(), 1 - decay)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Overwrite the model's weights by the average."""
        for name, parameter in self._trained():
            parameter.copy_(self.weights[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the averaged weights; afterwards its own again, bit for bit."""
        own = {name: p.detach().clone() for name, p in self._trained()}
        self.copy_to_model()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in self._trained():
                    parameter.copy_(own[name])

    def save(self, path: Path) -> None:
        """Write average and number of updates to a safetensors file."""
        save_file({k: v.contiguous() for k, v in self.weights.items()}, path, {"num_updates": str(self.num_updates)})

    def load(self, path: Path, num_updates: int) -> None:
        """Read what `save` wrote; `num_updates` is the number of optimizer steps done."""
        loaded = load_file(path)
        if set(loaded) != set(self.weights):
            raise ValueError(f"{path}: holds {len(loaded)} averaged weights, the model trains {len(self.weights)}")
        for name, weight in loaded.items():
            self.weights[name].copy_(weight)
        self.num_updates = num_updates
