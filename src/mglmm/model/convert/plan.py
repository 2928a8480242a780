"""Which weights of a checkpoint make which of ours: names and shapes are checked before the first one is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.convert import layouts, sam_shapes
from mglmm.model.convert.layouts import Layout
from mglmm.model.convert.tensors import TensorFiles
from mglmm.model.errors import WRONG_FILES, first_line
from mglmm.model.modeling_mglmm import MGLMMForConditionalGeneration
from mglmm.schema import UserError

Shape = tuple[int, ...]

_TOWER = "lmm.model.vision_tower."
_SECOND_LAYER = layouts.PROJECTOR + "linear_2."
_TIED = {"sam.prompt_encoder.shared_embedding.positional_embedding"}
"""One matrix under two names; the other one is saved."""
_LORA_NAMES = ("lora_A.default.weight", "lora_B.default.weight")


@dataclass(frozen=True)
class Planned:
    """One of our weights before it is there.

    Attributes:
        shape: that it will have.
        read: makes it.
        source: the folder that it comes from.
    """

    shape: Shape
    read: Callable[[], torch.Tensor]
    source: Path


def plan_weights(
    weights: TensorFiles, tower: TensorFiles, layout: Layout, config: MGLMMConfig, lora_alpha: float
) -> dict[str, Planned]:
    """Our name -> the weight, for every weight of the model, those of one file together.

    Args:
        weights: of the checkpoint.
        tower: of CLIP.
        layout: of the checkpoint.
        config: of our model.
        lora_alpha: scales LoRA weights that have not been merged yet, by alpha / rank.

    Raises:
        UserError: a weight is unknown, missing, or of another shape.
    """
    ours = _our_shapes(config, weights.folder)
    plan, unknown = _language_and_mask_weights(weights, layout, lora_alpha)
    plan |= _tower_weights(tower, ours)
    if has_single_projector(weights):
        plan |= _identity_layer(ours, weights)
    unknown += [name for name in plan if name not in ours]
    missing = [name for name in ours if name not in plan and name not in _TIED]
    if unknown or missing:
        said = [f"{what}: {', '.join(names)}" for what, names in (("unknown", unknown), ("missing", missing)) if names]
        raise UserError(
            f"{weights.folder}: not the weights of a {layout.name} that this version knows; {'; '.join(said)}"
        )
    for name, planned in plan.items():
        if planned.shape != ours[name]:
            raise UserError(f"{planned.source}: {name} has the shape {planned.shape}, not {ours[name]}")
    return plan


def has_single_projector(weights: TensorFiles) -> bool:
    """Whether image features go through one linear layer (LISA) instead of two with a GELU in between."""
    return any(layouts.bare(key) == "model.mm_projector.weight" for key in weights)


def stored_dtype(weights: TensorFiles) -> torch.dtype:
    """The type that the checkpoint is stored in.

    Raises:
        UserError: it has no output layer.
    """
    for key in weights:
        if layouts.bare(key) == "lm_head.weight":
            return weights[key].dtype
    raise UserError(f"{weights.folder}: the weight lm_head.weight is missing")


def _our_shapes(config: MGLMMConfig, where: Path) -> dict[str, Shape]:
    """The shapes of all weights of the model with this configuration, which is not built."""
    try:
        with torch.device("meta"):
            model = MGLMMForConditionalGeneration(config)
    except (*WRONG_FILES, ZeroDivisionError) as error:
        raise UserError(f"{where}: no model has this configuration ({first_line(error)})") from error
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _language_and_mask_weights(
    weights: TensorFiles, layout: Layout, lora_alpha: float
) -> tuple[dict[str, Planned], list[str]]:
    """What the checkpoint itself holds, and its weights that have no place."""
    shapes = {layouts.bare(key).removeprefix(layout.sam_prefix): weights.shape(key) for key in weights}
    depth = sam_shapes.mlp_depth(shapes)
    plan: dict[str, Planned] = {}
    unknown = []
    for key in weights.in_file_order():
        if not _has_partners(weights, key):
            unknown.append(key)
            continue
        try:
            name = layouts.our_name(key, layout, depth)
        except KeyError:
            unknown.append(key)
            continue
        if name is not None:
            with_image_row = name.endswith(("embed_tokens.weight", "lm_head.weight"))
            plan[name] = _merged(weights, key, lora_alpha, with_image_row)
    return plan, unknown


def _tower_weights(tower: TensorFiles, ours: dict[str, Shape]) -> dict[str, Planned]:
    """What CLIP's folder holds."""
    inner = "vision_model." if any(name.startswith(f"{_TOWER}vision_model.") for name in ours) else ""
    names = {key: layouts.tower_name(key) for key in tower.in_file_order()}
    return {_TOWER + inner + name: _as_stored(tower, key) for key, name in names.items() if name is not None}


def _identity_layer(ours: dict[str, Shape], weights: TensorFiles) -> dict[str, Planned]:
    """The second layer of a projector that has one only: it lets everything through."""
    (width,) = ours[_SECOND_LAYER + "bias"]
    dtype = stored_dtype(weights)
    return {
        _SECOND_LAYER + "weight": Planned((width, width), lambda: torch.eye(width, dtype=dtype), weights.folder),
        _SECOND_LAYER + "bias": Planned((width,), lambda: torch.zeros(width, dtype=dtype), weights.folder),
    }


def _has_partners(weights: TensorFiles, key: str) -> bool:
    """Whether the other half of a LoRA weight and the weight that both change are there; true of any other weight."""
    base, found, _ = key.partition("lora_")
    return not found or all(base + name in weights for name in ("weight", *_LORA_NAMES))


def _as_stored(files: TensorFiles, key: str) -> Planned:
    return Planned(files.shape(key), lambda: files[key], files.folder)


def _merged(weights: TensorFiles, key: str, lora_alpha: float, with_image_row: bool) -> Planned:
    """A weight with LoRA merged into it, and a row for `<image>` (the mean of the others) behind it."""
    shape = weights.shape(key)
    down, up = (key.removesuffix("weight") + name for name in _LORA_NAMES)
    adapted = down in weights
    if adapted:
        (rank, width), made = weights.shape(down), weights.shape(up)
        if (made, (made[0], width)) != ((shape[0], rank), shape):
            raise UserError(
                f"{weights.folder}: {key} of shape {shape} cannot be merged with its LoRA weights "
                f"of shapes {(rank, width)} and {made}"
            )

    def _read() -> torch.Tensor:
        value = weights[key]
        if adapted:
            a, b = weights[down].float(), weights[up].float()
            value = (value.float() + lora_alpha / len(a) * (b @ a)).to(value.dtype)
        if with_image_row:
            value = torch.cat([value, value.float().mean(0, keepdim=True).to(value.dtype)])
        return value

    return Planned((shape[0] + 1, *shape[1:]) if with_image_row else shape, _read, weights.folder)
