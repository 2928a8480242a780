"""What differs between the families of language models that see, in one table.

All of them turn images into features that take the places of image tokens; the language model then reads embeddings
alone. So a family is the names of its parts, the inputs that come with an image, and what its language model wants
beside embeddings and attention mask.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mglmm.schema import UserError

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class ImageFeatures:
    """What the language model sees of B images: for each image float[N_i, D], its features in the order of its tokens;
    `deep` lists what is added behind the first layers of the language model, in the same form."""

    tokens: Sequence[torch.Tensor]
    deep: Sequence[Sequence[torch.Tensor]] = ()


@dataclass(frozen=True)
class Text:
    """R rows of a batch: input_ids int[R, T], attention_mask (or None), is_image bool[R, T] at the image tokens, and
    the image int[R] of each row."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    is_image: torch.Tensor
    image_of_row: torch.Tensor


@dataclass(frozen=True)
class LanguageFamily:
    """One kind of image-text-to-text model.

    vision_tower, projector: names of modules inside the model (of projectors there may be several, in the tower too).
    image_inputs: what the image processor gives beside `pixel_values`.
    decoder_inputs: (model, rows, the batch's image inputs, features) -> what the language model takes beside embeddings
        and attention mask.
    packs: rows may hold several conversations, kept apart by `position_ids` and a 4-dimensional attention mask.
    """

    vision_tower: str
    projector: tuple[str, ...]
    image_inputs: tuple[str, ...] = ()
    decoder_inputs: Callable[[Any, Text, Tensors, ImageFeatures], dict[str, Any]] = lambda *_: {}
    packs: bool = True


def _qwen_inputs(lmm: Any, text: Text, image_inputs: Tensors, features: ImageFeatures) -> dict[str, Any]:
    """Positions in time, height and width int[3, R, T] (M-RoPE), and what is added behind the first layers."""
    positions, _ = lmm.model.get_rope_index(
        text.input_ids,
        mm_token_type_ids=text.is_image.int(),
        image_grid_thw=image_inputs["image_grid_thw"][text.image_of_row],
        attention_mask=text.attention_mask,
    )
    if not features.deep:
        return {"position_ids": positions}
    return {
        "position_ids": positions,
        "visual_pos_masks": text.is_image,
        "deepstack_visual_embeds": [_of_rows(level, text.image_of_row) for level in features.deep],
    }


_SMOLVLM = LanguageFamily("model.vision_model", ("model.connector",), image_inputs=("pixel_attention_mask",))
_LLAVA: tuple[str, tuple[str, ...]] = ("model.vision_tower", ("model.multi_modal_projector",))

FAMILIES: dict[str, LanguageFamily] = {
    "fast_vlm": LanguageFamily(*_LLAVA),
    "llava": LanguageFamily(*_LLAVA),
    "llava_next": LanguageFamily(*_LLAVA, image_inputs=("image_sizes",)),
    "llava_onevision": LanguageFamily(*_LLAVA, image_inputs=("image_sizes", "batch_num_images")),
    "internvl": LanguageFamily(*_LLAVA),
    "smolvlm": _SMOLVLM,
    "idefics3": _SMOLVLM,
    "qwen2_5_vl": LanguageFamily(
        "model.visual",
        ("model.visual.merger",),
        image_inputs=("image_grid_thw",),
        decoder_inputs=_qwen_inputs,
        packs=False,
    ),
    "qwen3_vl": LanguageFamily(
        "model.visual",
        ("model.visual.merger", "model.visual.deepstack_merger_list"),
        image_inputs=("image_grid_thw",),
        decoder_inputs=_qwen_inputs,
        packs=False,
    ),
}
"""transformers' `model_type` of the language side -> its family. FastVLM is the default's, Idefics3 the first
SmolVLM's."""


def family_of(config: Any) -> LanguageFamily:
    """The family of the configuration of an image-text-to-text model.

    Raises:
        UserError: it is none that this version knows.
    """
    if config.model_type not in FAMILIES:
        raise UserError(f"model type {config.model_type!r}: no language model known here; known: {', '.join(FAMILIES)}")
    return FAMILIES[config.model_type]


def look(lmm: Any, pixel_values: torch.Tensor, image_inputs: Tensors, text: Text | None) -> ImageFeatures:
    """What the vision tower and the projector make of the images.

    Args:
        lmm: the image-text-to-text model.
        pixel_values: of B images, as the family's image processor makes them.
        image_inputs: what else it makes.
        text: tells how many tokens each image has, where the model does not; None: only for models that do.

    Raises:
        ValueError: the images' features and their tokens in the text differ in number.
    """
    output = lmm.model.get_image_features(pixel_values, **image_inputs, return_dict=True)
    tokens = output.pooler_output
    if isinstance(tokens, torch.Tensor) and text is not None:
        tokens = _divided(tokens, _tokens_of_images(text))
    counts = [len(features) for features in tokens]
    deep = output.get("deepstack_features") or ()
    # divided among the images already, but not in older releases of transformers (5.17)
    return ImageFeatures(tokens, [_divided(f, counts) if isinstance(f, torch.Tensor) else f for f in deep])


def _divided(features: torch.Tensor, counts: list[int]) -> Sequence[torch.Tensor]:
    """Features float[..., D] of all images in one, as those of each image; `counts` says how many each has."""
    features = features.flatten(0, -2)
    if sum(counts) != len(features):
        raise ValueError(f"{sum(counts)} image tokens in the text of the images but {len(features)} features")
    return features.split(counts)


def embed(embeddings: torch.Tensor, text: Text, features: ImageFeatures) -> torch.Tensor:
    """`embeddings` float[R, T, D] of the rows with the features of their images in place of the image tokens.

    Raises:
        ValueError: there are not as many features as image tokens.
    """
    found = _of_rows(features.tokens, text.image_of_row).to(embeddings)
    num_tokens = int(text.is_image.sum())
    if num_tokens != len(found):
        raise ValueError(f"{num_tokens} image placeholders in the text but {len(found)} features")
    return embeddings.masked_scatter(text.is_image[..., None], found)


def _of_rows(level: Sequence[torch.Tensor], image_of_row: torch.Tensor) -> torch.Tensor:
    """The features of each row's image, one row after the other."""
    return torch.cat([level[image] for image in image_of_row.tolist()])


def _tokens_of_images(text: Text) -> list[int]:
    """How many tokens each image has, told by a row that speaks of it."""
    in_rows = text.is_image.sum(1).tolist()
    counts = dict(zip(text.image_of_row.tolist(), in_rows, strict=True))
    return [counts[image] for image in sorted(counts)]
