"""One view on the SAM family: encode images once, decode all prompts of a batch together.

`SamModel` has a single feature map; SAM 2, EdgeTAM and their kin add two maps of higher resolution. That is the only
difference this module hides.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class GroundingFeatures:
    """What the grounding encoder makes of `B` images.

    image_embeddings: float[B, C, h, w]; high_resolution: maps float[B, C', 4h, 4w], float[B, C'', 2h, 2w], or empty.
    """

    image_embeddings: torch.Tensor
    high_resolution: tuple[torch.Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.image_embeddings)

    def select(self, index: torch.Tensor) -> "GroundingFeatures":
        """The features of the images at `index` (int[M], repeats allowed)."""
        return GroundingFeatures(self.image_embeddings[index], tuple(level[index] for level in self.high_resolution))


def encode(sam: Any, pixel_values: torch.Tensor) -> GroundingFeatures:
    """The features of `pixel_values` (float[B, 3, S, S], as the grounding image processor makes them)."""
    if not hasattr(sam, "backbone_feature_sizes"):
        return GroundingFeatures(sam.get_image_embeddings(pixel_values))
    maps = list(sam.get_image_features(pixel_values, return_dict=True).fpn_hidden_states)
    maps[-1] = maps[-1] + sam.no_memory_embedding
    levels = [
        level.permute(1, 2, 0).reshape(len(pixel_values), -1, *size)
        for level, size in zip(maps, sam.backbone_feature_sizes, strict=True)
    ]
    return GroundingFeatures(levels[-1], tuple(levels[:-1]))


def decode(
    sam: Any,
    features: GroundingFeatures,
    image_index: torch.Tensor,
    prompts: torch.Tensor,
    chunk: int,
    similarity: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask logits float[M, 4h, 4w] and IoU estimates float[M], one mask for each prompt embedding.

    Args:
        sam: the SAM-family model.
        features: of the batch's images.
        image_index: int[M], the image each prompt speaks of.
        prompts: float[M, N, C], the N sparse tokens of each mask (a `[SEG]` makes one).
        chunk: how many masks go through the decoder at once; bounds the memory.
        similarity: add to the decoder's logits how alike the prompt is to the image embedding at each place (see
            `prompt_similarity`).
    """
    num_masks = len(prompts)
    if num_masks == 0:
        side = 4 * features.image_embeddings.shape[-1]
        return prompts.new_zeros(0, side, side), prompts.new_zeros(0)
    position = sam.get_image_wide_positional_embeddings().to(prompts.dtype)
    dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
    logits, scores = [], []
    for start in range(0, num_masks, chunk):
        part = features.select(image_index[start : start + chunk])
        count = len(part)
        extra = {"high_resolution_features": list(part.high_resolution)} if part.high_resolution else {}
        outputs = sam.mask_decoder(
            image_embeddings=part.image_embeddings,
            image_positional_embeddings=position.expand(count, -1, -1, -1),
            sparse_prompt_embeddings=prompts[start : start + chunk, None],
            dense_prompt_embeddings=dense.expand(count, -1, *part.image_embeddings.shape[-2:]),
            multimask_output=False,
            **extra,
        )
        mask_logits = outputs[0][:, 0, 0]
        if similarity:
            alike = prompt_similarity(part.image_embeddings, prompts[start : start + chunk])
            mask_logits = mask_logits + interpolate(alike[:, None], mask_logits.shape[-2:], mode="bilinear")[:, 0]
        logits.append(mask_logits)
        scores.append(outputs[1][:, 0, 0])
    return torch.cat(logits), torch.cat(scores)


def prompt_similarity(image_embeddings: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """float[M, h, w]: scaled dot product of each mask's prompts (summed) with the image embedding at each place.

    Args:
        image_embeddings: float[M, C, h, w], of the image that each mask lies in.
        prompts: float[M, N, C].
    """
    return torch.einsum("mnc,mchw->mhw", prompts, image_embeddings) / prompts.shape[-1] ** 0.5
