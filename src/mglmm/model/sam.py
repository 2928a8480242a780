"""One view on the SAM family: encode images once, decode all prompts of a batch together.

The members differ in what the mask decoder takes beside the image embedding: SAM nothing, SAM-HQ a map of an early
layer of the encoder, SAM 2 and its kin two maps of higher resolution. `FAMILIES` says which is which; that is the only
difference this module hides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import grid_sample, interpolate

from mglmm.schema import UserError


@dataclass(frozen=True)
class GroundingFeatures:
    """What the grounding encoder makes of `B` images.

    image_embeddings: float[B, C, h, w]; high_resolution: maps float[B, C', 4h, 4w], float[B, C'', 2h, 2w], or empty;
    early: SAM-HQ's map float[B, h, w, C] of the encoder's first layer with global attention, or empty.
    """

    image_embeddings: torch.Tensor
    high_resolution: tuple[torch.Tensor, ...] = ()
    early: tuple[torch.Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.image_embeddings)

    def select(self, index: torch.Tensor) -> "GroundingFeatures":
        """The features of the images at `index` (int[M], repeats allowed)."""
        return GroundingFeatures(
            self.image_embeddings[index],
            tuple(level[index] for level in self.high_resolution),
            tuple(level[index] for level in self.early),
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it by name; `from_tensors` puts it together again."""
        maps = {"high_resolution": self.high_resolution, "early": self.early}
        levels = {f"{name}.{number}": level for name, of in maps.items() for number, level in enumerate(of)}
        return {"image_embeddings": self.image_embeddings, **levels}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> "GroundingFeatures":
        """What `tensors` took apart."""
        maps = {
            name: tuple(tensors[f"{name}.{number}"] for number in range(sum(f"{name}." in key for key in tensors)))
            for name in ("high_resolution", "early")
        }
        return cls(tensors["image_embeddings"], **maps)

    @staticmethod
    def join(parts: "Sequence[GroundingFeatures]") -> "GroundingFeatures":
        """The features of the images of all parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        return GroundingFeatures(
            torch.cat([part.image_embeddings for part in parts]),
            tuple(torch.cat(level) for level in zip(*(part.high_resolution for part in parts), strict=True)),
            tuple(torch.cat(level) for level in zip(*(part.early for part in parts), strict=True)),
        )

    @property
    def num_bytes(self) -> int:
        """Memory of all maps."""
        return sum(level.nbytes for level in (self.image_embeddings, *self.high_resolution, *self.early))


@dataclass(frozen=True)
class MaskFamily:
    """How one kind of SAM is driven.

    encode: (model, pixel values) -> features, with gradients (the models' own `get_image_embeddings` has none).
    decoder_inputs: features of M masks -> what the mask decoder takes of them beside the image embedding.
    encoder: names of the modules and parameters that make the features; no other weight moves them.
    """

    encode: Callable[[Any, torch.Tensor], GroundingFeatures]
    decoder_inputs: Callable[[GroundingFeatures], dict[str, Any]]
    encoder: tuple[str, ...] = ("vision_encoder",)


def _encode_plain(sam: Any, pixel_values: torch.Tensor) -> GroundingFeatures:
    return GroundingFeatures(sam.vision_encoder(pixel_values).last_hidden_state)


def _encode_hq(sam: Any, pixel_values: torch.Tensor) -> GroundingFeatures:
    seen = sam.vision_encoder(pixel_values)
    return GroundingFeatures(seen.last_hidden_state, early=(seen.intermediate_embeddings[0],))


def _encode_pyramid(sam: Any, pixel_values: torch.Tensor) -> GroundingFeatures:
    maps = list(sam.get_image_features(pixel_values, return_dict=True).fpn_hidden_states)
    maps[-1] = maps[-1] + sam.no_memory_embedding
    levels = [  # SAM 3 makes a map more than it uses
        level.permute(1, 2, 0).reshape(len(pixel_values), -1, *size)
        for level, size in zip(maps, sam.backbone_feature_sizes, strict=False)
    ]
    return GroundingFeatures(levels[-1], tuple(levels[:-1]))


_PLAIN = MaskFamily(_encode_plain, lambda features: {})
_HQ = MaskFamily(
    # SAM-HQ's own default: the coarse mask and the fine one are added
    _encode_hq,
    lambda features: {"intermediate_embeddings": list(features.early), "hq_token_only": False},
)
_PYRAMID = MaskFamily(
    _encode_pyramid,
    lambda features: {"high_resolution_features": list(features.high_resolution)},
    ("vision_encoder", "mask_decoder.conv_s0", "mask_decoder.conv_s1", "no_memory_embedding"),
)

FAMILIES: dict[str, MaskFamily] = {
    "sam": _PLAIN,
    "sam_hq": _HQ,
    "sam2": _PYRAMID,
    "edgetam": _PYRAMID,
    "sam3_tracker": _PYRAMID,
}
"""transformers' `model_type` of the mask side -> how it is driven."""


def family_of(config: Any) -> MaskFamily:
    """The family of a SAM configuration.

    Raises:
        UserError: it is none that this version drives.
    """
    if config.model_type not in FAMILIES:
        raise UserError(f"model type {config.model_type!r}: no mask model known here; known: {', '.join(FAMILIES)}")
    return FAMILIES[config.model_type]


class NoPositions(nn.Module):
    """In the neck of a SAM 2 and its kin, in place of what tells where each place of a map is.

    Only the tracking of things through videos reads that; worked out anew for every image it takes a fourth of the
    default's encoder's time.
    """

    def forward(self, shape: torch.Size, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """float[B, 0, h, w]: nothing, for maps of a shape [B, C, h, w]."""
        return torch.empty(shape[0], 0, *shape[2:], device=device, dtype=dtype)


def without_positions(sam: Any) -> Any:
    """The model, that no longer works out positions which nothing reads."""
    if family_of(sam.config) is _PYRAMID:
        sam.vision_encoder.neck.position_encoding = NoPositions()
    return sam


def mask_side(config: Any) -> int:
    """Side in pixels of the square of mask logits that a SAM of this configuration makes."""
    prompt = config.prompt_encoder_config
    side: int = 4 * (prompt.image_size // prompt.patch_size)
    return side


def encode(sam: Any, pixel_values: torch.Tensor) -> GroundingFeatures:
    """The features of `pixel_values` (float[B, 3, S, S], as the grounding image processor makes them)."""
    return family_of(sam.config).encode(sam, pixel_values)


def decode(
    sam: Any,
    features: GroundingFeatures,
    image_index: torch.Tensor,
    prompts: torch.Tensor,
    chunk: int,
    similarity: "PromptSimilarity | None" = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask logits float[M, 4h, 4w] and IoU estimates float[M], one mask for each prompt embedding.

    Args:
        sam: the SAM-family model.
        features: of the batch's images.
        image_index: int[M], the image each prompt speaks of.
        prompts: float[M, N, C], the N sparse tokens of each mask (a `[SEG]` makes one).
        chunk: how many masks go through the decoder at once; bounds the memory.
        similarity: its logits are added to the decoder's.
    """
    num_masks = len(prompts)
    if num_masks == 0:
        side = 4 * features.image_embeddings.shape[-1]
        return prompts.new_zeros(0, side, side), prompts.new_zeros(0)
    position = sam.get_image_wide_positional_embeddings().to(prompts.dtype)
    dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
    family = family_of(sam.config)
    logits, scores = [], []
    for start in range(0, num_masks, chunk):
        part = features.select(image_index[start : start + chunk])
        count = len(part)
        outputs = sam.mask_decoder(
            image_embeddings=part.image_embeddings,
            image_positional_embeddings=position.expand(count, -1, -1, -1),
            sparse_prompt_embeddings=prompts[start : start + chunk, None],
            dense_prompt_embeddings=dense.expand(count, -1, *part.image_embeddings.shape[-2:]),
            multimask_output=False,
            **family.decoder_inputs(part),
        )
        mask_logits = outputs[0][:, 0, 0]
        if similarity is not None:
            mask_logits = mask_logits + similarity(part, prompts[start : start + chunk])
        logits.append(mask_logits)
        scores.append(outputs[1][:, 0, 0])
    return torch.cat(logits), torch.cat(scores)


class PromptSimilarity(nn.Module):
    """Mask logits from how alike a prompt is to the image at each place: the dot product with the image embedding, and
    of linear images of the prompt with each map of higher resolution. Learned in far fewer steps than the decoder.

    Args:
        sam: the model whose features are compared.
    """

    def __init__(self, sam: Any):
        super().__init__()
        decoder = sam.mask_decoder
        convolutions = [decoder.conv_s0, decoder.conv_s1] if family_of(sam.config) is _PYRAMID else []
        width = sam.config.mask_decoder_config.hidden_size
        self.levels = nn.ParameterList(torch.zeros(level.out_channels, width) for level in convolutions)

    def forward(self, features: GroundingFeatures, prompts: torch.Tensor) -> torch.Tensor:
        """float[M, 4h, 4w].

        Args:
            features: M, those of the image that each mask lies in.
            prompts: float[M, N, C], summed over N.
        """
        prompt = prompts.sum(1)
        maps = [_dot(prompt, features.image_embeddings) / prompt.shape[-1] ** 0.5]
        for weight, level in zip(self.levels, features.high_resolution, strict=True):
            maps.append(_dot(prompt @ weight.T, level))
        side = [4 * length for length in features.image_embeddings.shape[-2:]]
        return torch.stack([interpolate(one[:, None], side, mode="bilinear")[:, 0] for one in maps]).sum(0)

    def at_points(self, features: GroundingFeatures, points: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """float[B, P, V]: how alike each of V prompts is to each of P points of B images.

        Args:
            features: of B images.
            points: float[B, P, 2], x and y in -1..1 over the grounding frame.
            prompts: float[V, C].
        """
        found = [
            grid_sample(level, points[:, :, None].to(level.dtype), padding_mode="border", align_corners=False)[..., 0]
            for level in (features.image_embeddings, *features.high_resolution)
        ]
        of_prompts = [prompts / prompts.shape[-1] ** 0.5, *(prompts @ weight.T for weight in self.levels)]
        return torch.cat(found, 1).transpose(1, 2) @ torch.cat(of_prompts, 1).T


def _dot(vectors: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """float[M, h, w]: the dot product of float[M, C] with float[M, C, h, w] at each place."""
    return torch.einsum("mc,mchw->mhw", vectors, features)
