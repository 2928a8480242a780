"""The frozen grounding encoder in training: it runs once for each picture, then its features come from disk."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method
from transformers import PreTrainedConfig

from mglmm.data.collate import FEATURES
from mglmm.data.features import FeatureStore
from mglmm.model import sam
from mglmm.schema import UserError
from mglmm.train.recipe import TrainRecipe
from mglmm.train.selection import bare_name

BESIDE_THE_ENCODER = {"dtype", "torch_dtype", "transformers_version", "_name_or_path", "architectures"}
"""Keys of a configuration that do not move features."""


def open_store(recipe: TrainRecipe, model: Any, processor: Any) -> FeatureStore | None:
    """Where the features of this model's frozen grounding encoder are kept; None: the recipe wants none.

    Args:
        model: as it will be trained: what is frozen requires no gradient. It may have adapters.

    Raises:
        UserError: a weight that makes the features is trained.
    """
    if recipe.cache_grounding is None:
        return None
    weights = dict(_encoder(model))
    for name, weight in weights.items():
        if weight.requires_grad:
            raise UserError(
                f"cache_grounding: {name} is trained, and the grounding encoder's features come through it; leave it "
                "out of trainable, or leave out cache_grounding"
            )
    mixed = next((kind for kind in ("bf16", "fp16") if recipe.trainer.get(kind)), "")
    settings = [processor.grounding_image_processor.to_dict(), encoder_settings(model.config.sam_config), mixed]
    text = json.dumps(settings, sort_keys=True, default=str)
    store = FeatureStore(recipe.cache_grounding, fingerprint(weights, text))
    store.sweep()
    return store


def encoder_settings(config: PreTrainedConfig) -> dict[str, Any]:
    """What the configuration of a mask model says of how its encoder works, whatever weights it has.

    Where the model came from, and the type and version that it was written with, say nothing of that.
    """

    def _kept(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: _kept(inner) for key, inner in value.items() if key not in BESIDE_THE_ENCODER}

    return {"family": config.model_type, "vision_config": _kept(config.vision_config.to_dict())}


def fingerprint(weights: dict[str, torch.Tensor], settings: str) -> str:
    """What stands for an encoder: 32 hexadecimal digits of its weights and settings."""
    content = hashlib.blake2b(settings.encode(), digest_size=16)
    for name in sorted(weights):
        weight = weights[name].detach().cpu().contiguous()
        content.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        content.update(weight.reshape(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()


def _encoder(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights and statistics that make the features, under their own names."""
    parts = sam.family_of(model.config.sam_config).encoder
    for values in (model.named_parameters(), model.named_buffers()):
        for name, value in values:
            bare = bare_name(name)
            if any(f"{bare}.".startswith(f"sam.{part}.") for part in parts):
                yield bare, value


class FrozenEncoder:
    """Puts features in the place of pixels: those that the collator has found, and those made now, which are kept.

    All go through float16, also on the day they are made: so a run does not depend on what lay on the disk before.
    """

    def __init__(self, store: FeatureStore, accelerator: Accelerator) -> None:
        self._store = store
        self._accelerator = accelerator
        self._registered = False

    def __call__(self, model: nn.Module, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with `grounding_features`, without what the collator put there to make them.

        To be called by every process in the same step.
        """
        keys, known = batch.pop("grounding_keys"), batch.pop("grounding_known")
        pixels = batch.pop("grounding_pixel_values", None)
        names = [name for name in batch if name.startswith(FEATURES)]
        found = {name.removeprefix(FEATURES): batch.pop(name) for name in names}
        made = self._made(model, pixels)
        for number, key in enumerate(keys[~known].tolist()):
            self._store.save(bytes(key), {name: tensor[number].cpu() for name, tensor in made.items()})
        order = torch.cat([known.nonzero()[:, 0], (~known).nonzero()[:, 0]]).argsort()
        dtype = self._accelerator.unwrap_model(model).dtype
        whole = {
            name: torch.cat([part[name] for part in (found, made) if name in part])[order].to(dtype)
            for name in {**found, **made}
        }
        return {**batch, "grounding_features": sam.GroundingFeatures.from_tensors(whole)}

    @torch.no_grad()
    def _made(self, model: nn.Module, pixels: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """The features of pixels float[N, 3, S, S] in float16; of None: {}."""
        whole: Any = self._accelerator.unwrap_model(model)
        if isinstance(model, FSDPModule):
            if not self._registered:
                register_fsdp_forward_method(model, "encode_grounding")
                self._registered = True
            side = whole.config.sam_config.prompt_encoder_config.image_size
            blank = torch.zeros(1, 3, side, side, device=self._accelerator.device)
            for _ in range(self._most(pixels) - (0 if pixels is None else len(pixels))):
                whole.encode_grounding(blank)  # others have more images, and need this process to gather the weights
        if pixels is None:
            return {}
        with self._accelerator.autocast():  # one by one: products of a batch are rounded otherwise in another batch
            found = [whole.encode_grounding(one[None]).tensors() for one in pixels]
        return {name: torch.cat([tensors[name].half() for tensors in found]) for name in found[0]}

    def _most(self, pixels: torch.Tensor | None) -> int:
        """The number of images of the process that has most."""
        count = torch.tensor([0 if pixels is None else len(pixels)], device=self._accelerator.device)
        return int(self._accelerator.gather(count).max())
