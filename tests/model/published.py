"""Configurations of published checkpoints, as far as they decide about shapes, and what is known about each.

Sources: the makers' configuration files as repositories and logs on GitHub quote them; transformers' conversion scripts
(LLaVA-NeXT, LLaVA-OneVision, InternVL, SAM, SAM-HQ, EdgeTAM); SAM 2's own configuration file; else the defaults of
transformers' configuration classes, which are those of a published checkpoint (SAM 3's tracker). `total` is the number
of parameters that others report of the checkpoint, or its size in bytes by that of a number; None where none was found.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from transformers import (
    CLIPImageProcessor,
    GotOcr2ImageProcessor,
    InternVLProcessor,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaProcessor,
    ProcessorMixin,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen3VLProcessor,
    Sam2ImageProcessor,
    Sam3ImageProcessor,
    SamImageProcessor,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
)

GIB = 2**30

CLIP_LARGE = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}
VICUNA = {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "vocab_size": 32064}
MISTRAL = {
    "model_type": "mistral",
    "intermediate_size": 14336,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-5,
    "vocab_size": 32064,
    "sliding_window": None,
}
QWEN2_7B = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "max_position_embeddings": 32768,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
}
NEXT_TILES = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]


@dataclass(frozen=True)
class Language:
    """A checkpoint of the language side.

    config: arguments of transformers' configuration.
    processor: (a tokenizer with the family's special tokens, a video processor) -> the published settings around them.
    image_tokens: of a picture of 480 x 640, derived beside each from the family's published rule.
    cache: bytes of keys and values of one token in bfloat16: 2 x layers x key-value heads x head size x 2.
    shapes: some weights of ours.
    working: what a picture takes at most beside the weights, in GiB; a guard against estimates that are wildly off.
    """

    config: dict[str, Any]
    processor: Callable[[Any, Any], ProcessorMixin]
    total: int | None
    image_tokens: int
    cache: int
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """transformers' model type."""
        return str(self.config["model_type"])


def _llava(tokenizer: Any, video: Any) -> ProcessorMixin:
    pixels = CLIPImageProcessor(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    return LlavaProcessor(
        pixels, tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )


def _llava_next(tokenizer: Any, video: Any) -> ProcessorMixin:
    pixels = LlavaNextImageProcessor(
        size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}, image_grid_pinpoints=NEXT_TILES
    )
    return LlavaNextProcessor(
        pixels, tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )


def _llava_onevision(tokenizer: Any, video: Any) -> ProcessorMixin:
    return LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(),
        tokenizer,
        video,
        num_image_tokens=729,
        vision_feature_select_strategy="full",
    )


def _internvl(tokenizer: Any, video: Any) -> ProcessorMixin:
    pixels = GotOcr2ImageProcessor(size={"height": 448, "width": 448}, crop_to_patches=True, max_patches=12)
    return InternVLProcessor(pixels, tokenizer, video, image_seq_length=256)


def _smolvlm(tokenizer: Any, video: Any) -> ProcessorMixin:
    pixels = SmolVLMImageProcessor(size={"longest_edge": 4 * 384}, max_image_size={"longest_edge": 384})
    return SmolVLMProcessor(pixels, tokenizer, video, image_seq_len=81)


def _qwen2_5(tokenizer: Any, video: Any) -> ProcessorMixin:
    return Qwen2_5_VLProcessor(Qwen2VLImageProcessor(min_pixels=3136, max_pixels=12845056), tokenizer, video)


def _qwen3(tokenizer: Any, video: Any) -> ProcessorMixin:
    pixels = Qwen2VLImageProcessor(patch_size=16, size={"shortest_edge": 65536, "longest_edge": 16777216})
    return Qwen3VLProcessor(pixels, tokenizer, video)


LANGUAGE = {
    "llava-hf/llava-1.5-7b-hf": Language(
        {"model_type": "llava", "text_config": VICUNA, "vision_config": CLIP_LARGE, "image_token_index": 32000},
        _llava,
        total=7_063_427_072,
        image_tokens=24 * 24,
        cache=2 * 32 * 32 * 128 * 2,
        shapes={
            "lmm.lm_head.weight": (32064, 4096),
            "lmm.model.multi_modal_projector.linear_1.weight": (4096, 1024),
            "seg_projector.0.weight": (4096, 4096),
            "seg_projector.2.weight": (256, 4096),
        },
    ),
    # 672 x 672 loses least: 48 x 48 patches of which 36 rows hold the picture, an end mark each, and the whole in 576
    "llava-hf/llava-v1.6-mistral-7b-hf": Language(
        {
            "model_type": "llava_next",
            "text_config": MISTRAL,
            "vision_config": CLIP_LARGE,
            "image_grid_pinpoints": NEXT_TILES,
            "image_token_index": 32000,
        },
        _llava_next,
        total=None,
        image_tokens=36 * 48 + 36 + 576,
        cache=2 * 32 * 8 * 128 * 2,
        shapes={"lmm.model.image_newline": (4096,), "lmm.lm_head.weight": (32064, 4096)},
    ),
    "llava-hf/llava-v1.6-vicuna-7b-hf": Language(
        {
            "model_type": "llava_next",
            "text_config": VICUNA,
            "vision_config": CLIP_LARGE,
            "image_grid_pinpoints": NEXT_TILES,
            "image_token_index": 32000,
        },
        _llava_next,
        # as LLaVA-1.5, and the mark at the end of a row
        total=7_063_427_072 + 4096,
        image_tokens=36 * 48 + 36 + 576,
        cache=2 * 32 * 32 * 128 * 2,
    ),
    # 768 x 768 loses least: 54 x 54 patches of which 40 rows hold the picture, an end mark each, and the whole in 729
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": Language(
        {
            "model_type": "llava_onevision",
            "text_config": QWEN2_7B,
            "vision_config": {
                "model_type": "siglip_vision_model",
                "hidden_size": 1152,
                "image_size": 384,
                "intermediate_size": 4304,
                "num_attention_heads": 16,
                "num_hidden_layers": 26,
                "patch_size": 14,
                "vision_use_head": False,
            },
            "image_token_index": 151646,
            "video_token_index": 151647,
        },
        _llava_onevision,
        total=None,
        image_tokens=40 * 54 + 40 + 729,
        cache=2 * 28 * 4 * 128 * 2,
        shapes={"lmm.model.multi_modal_projector.linear_1.weight": (3584, 1152)},
    ),
    # the multiples of 28 nearest to 480 and 640
    "Qwen/Qwen2.5-VL-3B-Instruct": Language(
        {
            "model_type": "qwen2_5_vl",
            "text_config": {
                "hidden_size": 2048,
                "intermediate_size": 11008,
                "num_hidden_layers": 36,
                "num_attention_heads": 16,
                "num_key_value_heads": 2,
                "vocab_size": 151936,
                "max_position_embeddings": 128000,
                "tie_word_embeddings": True,
            },
            "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 2048},
            "tie_word_embeddings": True,
        },
        _qwen2_5,
        total=3_754_622_976,
        image_tokens=17 * 23,
        cache=2 * 36 * 2 * 128 * 2,
    ),
    "Qwen/Qwen2.5-VL-7B-Instruct": Language(
        {
            "model_type": "qwen2_5_vl",
            "text_config": {**QWEN2_7B, "model_type": "qwen2_5_vl_text", "max_position_embeddings": 128000},
            "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 3584},
        },
        _qwen2_5,
        total=16_584_333_312 // 2,
        image_tokens=17 * 23,
        cache=2 * 28 * 4 * 128 * 2,
        shapes={"lmm.model.visual.merger.mlp.2.weight": (3584, 5120)},
    ),
    # multiples of 32
    "Qwen/Qwen3-VL-4B-Instruct": Language(
        {
            "model_type": "qwen3_vl",
            "text_config": {
                "hidden_size": 2560,
                "intermediate_size": 9728,
                "num_hidden_layers": 36,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
                "head_dim": 128,
                "vocab_size": 151936,
                "max_position_embeddings": 262144,
                "tie_word_embeddings": True,
            },
            "vision_config": {
                "depth": 24,
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "out_hidden_size": 2560,
                "deepstack_visual_indexes": [5, 11, 17],
            },
            "tie_word_embeddings": True,
        },
        _qwen3,
        total=8_875_631_616 // 2,
        image_tokens=15 * 20,
        cache=2 * 36 * 8 * 128 * 2,
        shapes={"lmm.model.visual.deepstack_merger_list.2.linear_fc2.weight": (2560, 4096)},
    ),
    "Qwen/Qwen3-VL-8B-Instruct": Language(
        {
            "model_type": "qwen3_vl",
            "text_config": {
                "hidden_size": 4096,
                "intermediate_size": 12288,
                "num_hidden_layers": 36,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
                "head_dim": 128,
                "vocab_size": 151936,
                "max_position_embeddings": 262144,
                "tie_word_embeddings": False,
            },
            "vision_config": {"out_hidden_size": 4096, "deepstack_visual_indexes": [8, 16, 24]},
        },
        _qwen3,
        total=17_534_247_392 // 2,
        image_tokens=15 * 20,
        cache=2 * 36 * 8 * 128 * 2,
    ),
    # 3 x 4 tiles of 448, which have its shape, and the whole
    "OpenGVLab/InternVL3-8B-hf": Language(
        {
            "model_type": "internvl",
            "text_config": {**QWEN2_7B, "vocab_size": 151674},
            "vision_config": {"attention_bias": True},
            "tie_word_embeddings": False,
        },
        _internvl,
        total=None,
        image_tokens=13 * 256,
        cache=2 * 28 * 4 * 128 * 2,
        shapes={"lmm.model.multi_modal_projector.linear_1.weight": (3584, 4096)},
    ),
    # 3 x 4 tiles of 384 after the longer side has become 4 x 384, and the whole
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": Language(
        {
            "model_type": "smolvlm",
            "text_config": {
                "model_type": "llama",
                "hidden_size": 2048,
                "intermediate_size": 8192,
                "num_hidden_layers": 24,
                "num_attention_heads": 32,
                "num_key_value_heads": 32,
                "vocab_size": 49280,
                "max_position_embeddings": 8192,
            },
            "vision_config": {
                "hidden_size": 1152,
                "intermediate_size": 4304,
                "num_hidden_layers": 27,
                "num_attention_heads": 16,
                "image_size": 384,
                "patch_size": 14,
            },
            "scale_factor": 3,
            "image_token_id": 49190,
        },
        _smolvlm,
        total=2_246_784_880,
        image_tokens=13 * 81,
        cache=2 * 24 * 32 * 64 * 2,
        shapes={"lmm.model.connector.modality_projection.proj.weight": (2048, 1152 * 9)},
    ),
}


@dataclass(frozen=True)
class Masks:
    """A checkpoint of the mask side; `mask_side`: of its mask logits."""

    config: dict[str, Any]
    image_processor: Callable[[], Any]
    total: int | None
    image_side: int
    mask_side: int


VIT_HUGE = {
    "hidden_size": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "global_attn_indexes": [7, 15, 23, 31],
}

MASKS = {
    "facebook/sam-vit-huge": Masks(
        {"model_type": "sam", "vision_config": VIT_HUGE}, SamImageProcessor, 641_090_864, 1024, 256
    ),
    "syscv-community/sam-hq-vit-huge": Masks(
        {"model_type": "sam_hq", "vision_config": VIT_HUGE, "mask_decoder_config": {"vit_dim": 1280}},
        SamImageProcessor,
        None,
        1024,
        256,
    ),
    "facebook/sam2.1-hiera-large": Masks(
        {
            "model_type": "sam2",
            "vision_config": {
                "backbone_config": {
                    "model_type": "sam2_hiera_det_model",
                    "hidden_size": 144,
                    "num_attention_heads": 2,
                    "blocks_per_stage": [2, 6, 36, 4],
                    "embed_dim_per_stage": [144, 288, 576, 1152],
                    "num_attention_heads_per_stage": [2, 4, 8, 16],
                    "window_size_per_stage": [8, 4, 16, 8],
                    "global_attention_blocks": [23, 33, 43],
                },
                "backbone_channel_list": [1152, 576, 288, 144],
            },
        },
        Sam2ImageProcessor,
        None,
        1024,
        256,
    ),
    "yonigozlan/EdgeTAM-hf": Masks(
        {
            "model_type": "edgetam",
            "vision_config": {
                "backbone_config": {
                    "model_type": "timm_wrapper",
                    "architecture": "repvit_m1",
                    "num_classes": 1,
                    "label_names": ["-"],
                    "model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
                }
            },
        },
        Sam2ImageProcessor,
        None,
        1024,
        256,
    ),
    "facebook/sam3": Masks({"model_type": "sam3_tracker"}, Sam3ImageProcessor, None, 1008, 288),
}
