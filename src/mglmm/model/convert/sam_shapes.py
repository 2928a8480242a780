"""The sizes of a SAM, read from the shapes of its weights: checkpoints do not write them down."""

import re
from collections.abc import Mapping

from transformers import SamConfig

Shape = tuple[int, ...]


def mlp_depth(shapes: Mapping[str, Shape]) -> int:
    """Number of layers of the MLPs in the mask decoder."""
    return _count(shapes, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\.weight")


def read_sam_config(shapes: Mapping[str, Shape], num_decoder_heads: int = 8) -> SamConfig:
    """The configuration of the SAM with these weights.

    Args:
        shapes: of all weights, by their original names without the checkpoint's prefix.
        num_decoder_heads: of the mask decoder's attention; shapes do not tell (SAM: 8).

    Raises:
        KeyError: a weight is missing that tells a size.
        ValueError, IndexError, ZeroDivisionError: the shapes are not those of a SAM.
    """
    width, channels, patch, _ = shapes["image_encoder.patch_embed.proj.weight"]
    grid = shapes["image_encoder.pos_embed"][1]
    depth = _count(shapes, r"image_encoder\.blocks\.(\d+)\.norm1\.weight")
    spans = [shapes[f"image_encoder.blocks.{n}.attn.rel_pos_h"] for n in range(depth)]
    everywhere = [n for n, (length, _) in enumerate(spans) if length == 2 * grid - 1]
    windows = {(length + 1) // 2 for n, (length, _) in enumerate(spans) if n not in everywhere}
    inner = shapes["image_encoder.blocks.0.mlp.lin1.weight"][0]
    prompt = shapes["prompt_encoder.no_mask_embed.weight"][1]
    attention = shapes["mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"][0]
    if attention % num_decoder_heads:
        raise ValueError(f"the mask decoder's attention of width {attention} cannot have {num_decoder_heads} heads")
    image_size = grid * patch
    return SamConfig(
        vision_config={
            "hidden_size": width,
            "output_channels": shapes["image_encoder.neck.0.weight"][0],
            "num_hidden_layers": depth,
            "num_attention_heads": width // spans[0][1],
            "num_channels": channels,
            "image_size": image_size,
            "patch_size": patch,
            "mlp_dim": inner,
            "mlp_ratio": inner / width,
            "window_size": windows.pop() if len(windows) == 1 else grid,
            "global_attn_indexes": everywhere,
            "num_pos_feats": prompt // 2,
        },
        prompt_encoder_config={
            "hidden_size": prompt,
            "image_size": image_size,
            "patch_size": patch,
            "mask_input_channels": shapes["prompt_encoder.mask_downscaling.3.weight"][0],
        },
        mask_decoder_config={
            "hidden_size": prompt,
            "mlp_dim": shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
            "num_hidden_layers": _count(shapes, r"mask_decoder\.transformer\.layers\.(\d+)\.norm1\.weight"),
            "num_attention_heads": num_decoder_heads,
            "attention_downsample_rate": prompt // attention,
            "num_multimask_outputs": shapes["mask_decoder.mask_tokens.weight"][0] - 1,
            "iou_head_depth": mlp_depth(shapes),
            "iou_head_hidden_dim": shapes["mask_decoder.iou_prediction_head.layers.0.weight"][0],
        },
    )


def _count(shapes: Mapping[str, Shape], pattern: str) -> int:
    return len({match[1] for key in shapes if (match := re.fullmatch(pattern, key))})
