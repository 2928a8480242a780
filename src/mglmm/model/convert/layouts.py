"""How the authors of MGLMM, GLaMM and LISA name their weights, and which of our weights each of them is.

Source: the key lists of the three code bases; SAM's original layout is that of its release.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mglmm.model.processing_mglmm import ADDED_TOKENS
from mglmm.schema import UserError

SAM = "sam."
LANGUAGE = "lmm.model.language_model."
PROJECTOR = "lmm.model.multi_modal_projector."


@dataclass(frozen=True)
class Layout:
    """One family of checkpoints.

    Attributes:
        name: as people say it.
        sam_prefix: what its SAM weights begin with; tells the layouts apart.
        tokens: added to the base vocabulary, in order of their ids.
        head: what stands before the first instruction about an image.
    """

    name: str
    sam_prefix: str
    tokens: tuple[str, ...]
    head: str


OVERVIEW = "The <im_start><image><im_end> provides an overview of the picture.\n"
LAYOUTS = (
    Layout("MGLMM", "model.segment_encoder.", ADDED_TOKENS, OVERVIEW),
    Layout("GLaMM", "model.grounding_encoder.", ADDED_TOKENS, OVERVIEW),
    Layout("LISA", "model.visual_model.", ("[SEG]", "<im_start>", "<im_end>"), "<im_start><image><im_end>\n"),
)

_DROPPED = (
    re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"),  # a buffer that is computed anew
    re.compile(r"model\.vision_tower\..*"),  # frozen; taken from the folder that the checkpoint names
    re.compile(r"model\.region_encoder\..*"),  # GLaMM's <bbox> prompts, which are refused
    re.compile(r".*\.lora_[AB]\.default\.weight"),  # merged into the weight beside them
)
_TOWER_DROPPED = re.compile(
    r"(text_model\..*|logit_scale|(visual|text)_projection\..*|vision_model\.embeddings\.position_ids)"
)

_OUTER = (
    (r"model\.(embed_tokens|layers|norm)\.(.*)", LANGUAGE + r"\1.\2"),
    (r"lm_head\.(.*)", r"lmm.lm_head.\1"),
    (r"model\.mm_projector\.0\.(.*)", PROJECTOR + r"linear_1.\1"),
    (r"model\.mm_projector\.2\.(.*)", PROJECTOR + r"linear_2.\1"),
    (r"model\.mm_projector\.(weight|bias)", PROJECTOR + r"linear_1.\1"),
    (r"model\.text_hidden_fcs\.0\.([02])\.(.*)", r"seg_projector.\1.\2"),
)
_SAM = (
    (r"image_encoder\.patch_embed\.proj\.", "vision_encoder.patch_embed.projection."),
    (r"image_encoder\.blocks\.(\d+)\.norm([12])\.", r"vision_encoder.layers.\1.layer_norm\2."),
    (r"image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"image_encoder\.neck\.0\.", "vision_encoder.neck.conv1."),
    (r"image_encoder\.neck\.1\.", "vision_encoder.neck.layer_norm1."),
    (r"image_encoder\.neck\.2\.", "vision_encoder.neck.conv2."),
    (r"image_encoder\.neck\.3\.", "vision_encoder.neck.layer_norm2."),
    (r"image_encoder\.", "vision_encoder."),
    (r"prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix", "shared_image_embedding.positional_embedding"),
    (r"prompt_encoder\.point_embeddings\.", "prompt_encoder.point_embed."),
    (r"prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"mask_decoder\.transformer\.layers\.(\d+)\.norm(\d)\.", r"mask_decoder.transformer.layers.\1.layer_norm\2."),
    (r"mask_decoder\.transformer\.norm_final_attn\.", "mask_decoder.transformer.layer_norm_final_attn."),
    (r"mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
)
_MLP = re.compile(r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\.layers\.(\d+)\.(.*)")
"""An MLP of n layers: SAM numbers them, transformers calls the first proj_in and the last proj_out."""


def bare(key: str) -> str:
    """A key without the prefix that PEFT puts before it."""
    return key.removeprefix("base_model.model.")


def detect(keys: Iterable[str], where: str) -> Layout:
    """The layout that the keys of a checkpoint belong to.

    Raises:
        UserError: to none.
    """
    found = [layout for layout in LAYOUTS if any(bare(key).startswith(layout.sam_prefix) for key in keys)]
    if len(found) != 1:
        names = ", ".join(layout.name for layout in LAYOUTS)
        raise UserError(f"{where}: no checkpoint of {names}; its weights are named by none of their prefixes")
    return found[0]


def our_name(key: str, layout: Layout, mlp_depth: int) -> str | None:
    """Our name of an official weight; None if it is left out knowingly.

    Args:
        key: official name.
        layout: of the checkpoint.
        mlp_depth: number of layers of the MLPs in SAM's mask decoder.

    Raises:
        KeyError: the layout has no such weight.
    """
    key = bare(key)
    if any(pattern.fullmatch(key) for pattern in _DROPPED):
        return None
    if key.startswith(layout.sam_prefix):
        return SAM + _sam_name(key.removeprefix(layout.sam_prefix), mlp_depth)
    for pattern, replacement in _OUTER:
        if match := re.fullmatch(pattern, key):
            return match.expand(replacement)
    raise KeyError(key)


def _sam_name(key: str, mlp_depth: int) -> str:
    """transformers' name of a weight of the original SAM."""
    if match := _MLP.fullmatch(key):
        head, number, rest = match[1], int(match[2]), match[3]
        inner = "proj_in" if number == 0 else "proj_out" if number == mlp_depth - 1 else f"layers.{number - 1}"
        return f"{head}.{inner}.{rest}"
    for pattern, replacement in _SAM:
        if match := re.match(pattern, key):
            return match.expand(replacement) + key[match.end() :]
    return key


def tower_name(key: str) -> str | None:
    """The name inside CLIP's vision model; None for what belongs to CLIP's text half."""
    if _TOWER_DROPPED.fullmatch(key):
        return None
    return key.removeprefix("vision_model.")
