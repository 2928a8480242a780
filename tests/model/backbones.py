"""Tiny checkpoints with random weights of every family that `mglmm build` joins, saved as their makers would save them.

Sizes are ours; chat templates and special tokens behave as those of the published checkpoints do.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoModelForMaskGeneration,
    CLIPImageProcessor,
    GotOcr2ImageProcessor,
    GPT2Tokenizer,
    Idefics3ImageProcessor,
    Idefics3Processor,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlamaTokenizer,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    LlavaProcessor,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    Sam2ImageProcessor,
    Sam2Processor,
    Sam3ImageProcessor,
    Sam3TrackerProcessor,
    SamHQProcessor,
    SamImageProcessor,
    SamProcessor,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from tests.model.templates import TEMPLATES

TEXTS = ["the red car on the road", "a man wears a blue hat", "Segment the dog .", "There is no cat in the image ."] * 4

TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 1024,
}
CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
    "projection_dim": 32,
}
TILES = [[28, 56], [56, 28], [56, 56]]
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}


def _trained(pre_tokenizer: Any, alphabet: list[str], special: list[str]) -> tuple[dict[str, int], list[Any]]:
    """Vocabulary and merges of byte pairs learned from `TEXTS`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def bytes_tokenizer(cls: Any, special: list[str], **names: Any) -> PreTrainedTokenizerBase:
    """A tokenizer of byte-level pairs, as of Qwen2 and GPT-2."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocab, merges = _trained(byte_level, pre_tokenizers.ByteLevel.alphabet(), [])
    tokenizer = cls(vocab=vocab, merges=merges, **names)
    tokenizer.add_special_tokens({"additional_special_tokens": special}, replace_extra_special_tokens=False)
    return tokenizer


def llama_tokenizer(**names: Any) -> PreTrainedTokenizerBase:
    """A tokenizer as Llama's: "▁" for spaces, single bytes for what is unknown, `<s>` before every text."""
    byte_tokens = [f"<0x{i:02X}>" for i in range(256)]
    characters = sorted({c for text in TEXTS for c in text.replace(" ", "▁")} | set("▁ERSUINTA:[]/"))
    vocab, merges = _trained(pre_tokenizers.Metaspace(), characters, ["<unk>", "<s>", "</s>", *byte_tokens])
    return LlamaTokenizer(vocab=vocab, merges=merges, add_bos_token=True, pad_token="<unk>", **names)


def _ids(tokenizer: Any, **tokens: str) -> dict[str, int]:
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in tokens.items()}


def _ends(tokenizer: Any) -> dict[str, int | None]:
    return {
        name: tokenizer.convert_tokens_to_ids(token)
        if (token := getattr(tokenizer, name.removesuffix("_id")))
        else None
        for name in ("bos_token_id", "eos_token_id", "pad_token_id")
    }


Made = tuple[Any, ProcessorMixin]
"""Configuration and processor."""


def llava() -> Made:
    tokenizer = llama_tokenizer()
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATES["llava"],
    )
    config = AutoConfig.for_model(
        "llava",
        # rows beyond the vocabulary, as the published one has
        text_config={"model_type": "llama", "vocab_size": len(tokenizer) + 30, **TEXT, **_ends(tokenizer)},
        vision_config=CLIP,
        image_seq_length=16,
        **_ids(tokenizer, image_token_index="<image>"),
    )
    return config, processor


def llava_next() -> Made:
    tokenizer = llama_tokenizer()
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    processor = LlavaNextProcessor(
        LlavaNextImageProcessor(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, image_grid_pinpoints=TILES
        ),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATES["llava_next"],
    )
    config = AutoConfig.for_model(
        "llava_next",
        text_config={"model_type": "mistral", "vocab_size": len(tokenizer), **TEXT, **_ends(tokenizer)},
        vision_config={**CLIP, "image_size": 28},
        image_grid_pinpoints=TILES,
        **_ids(tokenizer, image_token_index="<image>"),
    )
    return config, processor


def _qwen_tokenizer(special: list[str], **names: Any) -> PreTrainedTokenizerBase:
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *special]
    return bytes_tokenizer(Qwen2Tokenizer, special, eos_token="<|im_end|>", pad_token="<|endoftext|>", **names)


def llava_onevision() -> Made:
    tokenizer = _qwen_tokenizer(["<image>", "<video>"])
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size={"height": 28, "width": 28}, image_grid_pinpoints=TILES),
        tokenizer,
        LlavaOnevisionVideoProcessor(size={"height": 28, "width": 28}),
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=TEMPLATES["llava_onevision"],
    )
    config = AutoConfig.for_model(
        "llava_onevision",
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **TEXT, **_ends(tokenizer)},
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
            "vision_use_head": False,
        },
        image_grid_pinpoints=TILES,
        **_ids(tokenizer, image_token_index="<image>", video_token_index="<video>"),
    )
    return config, processor


QWEN_VISION = ["<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]


def _qwen_ids(tokenizer: Any) -> dict[str, int]:
    return _ids(
        tokenizer,
        image_token_id="<|image_pad|>",
        video_token_id="<|video_pad|>",
        vision_start_token_id="<|vision_start|>",
        vision_end_token_id="<|vision_end|>",
    )


def qwen2_5_vl() -> Made:
    tokenizer = _qwen_tokenizer(QWEN_VISION)
    pixels = {"min_pixels": 28 * 28, "max_pixels": 84 * 84}
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**pixels),
        tokenizer,
        Qwen2VLVideoProcessor(**pixels),
        chat_template=TEMPLATES["qwen2_5_vl"],
    )
    config = AutoConfig.for_model(
        "qwen2_5_vl",
        text_config={
            "vocab_size": len(tokenizer) + 20,
            **TEXT,
            "rope_parameters": MROPE,
            **_ends(tokenizer),
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "fullatt_block_indexes": [1],
            "window_size": 56,
        },
        tie_word_embeddings=True,
        **_qwen_ids(tokenizer),
    )
    return config, processor


def qwen3_vl() -> Made:
    tokenizer = _qwen_tokenizer(QWEN_VISION)
    pixels = {"min_pixels": 32 * 32, "max_pixels": 96 * 96}
    processor = Qwen3VLProcessor(
        Qwen2VLImageProcessor(patch_size=16, **pixels),
        tokenizer,
        Qwen3VLVideoProcessor(),
        chat_template=TEMPLATES["qwen3_vl"],
    )
    config = AutoConfig.for_model(
        "qwen3_vl",
        text_config={
            "vocab_size": len(tokenizer) + 20,
            **TEXT,
            "head_dim": 16,
            "rope_parameters": {**MROPE, "mrope_interleaved": True},
            **_ends(tokenizer),
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0, 1],
        },
        tie_word_embeddings=True,
        **_qwen_ids(tokenizer),
    )
    return config, processor


def internvl() -> Made:
    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = _qwen_tokenizer([], extra_special_tokens=names)
    tile = {"height": 56, "width": 56}
    processor = InternVLProcessor(
        GotOcr2ImageProcessor(size=tile, crop_to_patches=True, max_patches=4),
        tokenizer,
        InternVLVideoProcessor(size=tile),
        image_seq_length=4,
        chat_template=TEMPLATES["internvl"],
    )
    config = AutoConfig.for_model(
        "internvl",
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            **TEXT,
            **_ends(tokenizer),
            "tie_word_embeddings": False,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": [56, 56],
            "patch_size": [14, 14],
        },
        image_seq_length=4,
        tie_word_embeddings=False,
        **_ids(tokenizer, image_token_id="<IMG_CONTEXT>"),
    )
    return config, processor


def _smolvlm(model_type: str, make_processor: Callable[[Any], ProcessorMixin]) -> Made:
    names = {
        "image_token": "<image>",
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    }
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    tokenizer = bytes_tokenizer(
        GPT2Tokenizer,
        ["<|im_start|>", *rows],
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        extra_special_tokens=names,
    )
    config = AutoConfig.for_model(
        model_type,
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            **TEXT,
            **_ends(tokenizer),
            "tie_word_embeddings": False,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        scale_factor=2,
        tie_word_embeddings=False,
        **_ids(tokenizer, image_token_id="<image>"),
    )
    return config, make_processor(tokenizer)


def smolvlm() -> Made:
    tile = {"longest_edge": 32}
    return _smolvlm(
        "smolvlm",
        lambda tokenizer: SmolVLMProcessor(
            SmolVLMImageProcessor(size={"longest_edge": 64}, max_image_size=tile, do_image_splitting=True),
            tokenizer,
            SmolVLMVideoProcessor(size=tile, max_image_size=tile, fps=1, num_frames=4),
            image_seq_len=4,
            chat_template=TEMPLATES["smolvlm"],
        ),
    )


def idefics3() -> Made:
    return _smolvlm(
        "idefics3",
        lambda tokenizer: Idefics3Processor(
            Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32}),
            tokenizer,
            image_seq_len=4,
            chat_template=TEMPLATES["smolvlm"],
        ),
    )


DECODER = {"hidden_size": 32, "mlp_dim": 64, "iou_head_hidden_dim": 32, "num_attention_heads": 2}
PROMPT = {"hidden_size": 32, "image_size": 64, "patch_size": 16}
SAM_VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 64,
    "patch_size": 16,
    "mlp_dim": 64,
    "output_channels": 32,
    "num_pos_feats": 16,
    "global_attn_indexes": [1],
    "window_size": 2,
}
PYRAMID = [[16, 16], [8, 8], [4, 4]]
HIERA = {
    "model_type": "sam2_vision_model",
    "backbone_config": {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [64, 64],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 2, 2, 2],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
    },
    "backbone_channel_list": [64, 32, 16, 8],
    "backbone_feature_sizes": PYRAMID,
    "fpn_hidden_size": 32,
}


def _sam_image_processor() -> SamImageProcessor:
    return SamImageProcessor(
        size={"longest_edge": 64},
        pad_size={"height": 64, "width": 64},
        mask_size={"longest_edge": 16},
        mask_pad_size={"height": 16, "width": 16},
    )


def _square(cls: Any, side: int = 64) -> Any:
    return cls(size={"height": side, "width": side}, mask_size={"height": side // 4, "width": side // 4})


def sam() -> Made:
    config = AutoConfig.for_model(
        "sam", vision_config=SAM_VIT, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER
    )
    return config, SamProcessor(_sam_image_processor())


def sam_hq() -> Made:
    config = AutoConfig.for_model(
        "sam_hq",
        vision_config=SAM_VIT,
        prompt_encoder_config=PROMPT,
        mask_decoder_config={**DECODER, "vit_dim": 32},
    )
    return config, SamHQProcessor(_sam_image_processor())


def sam2() -> Made:
    config = AutoConfig.for_model(
        "sam2", vision_config=HIERA, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER
    )
    return config, Sam2Processor(_square(Sam2ImageProcessor))


def edgetam() -> Made:
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": {
            "model_type": "timm_wrapper",
            "architecture": "resnet10t",
            "num_classes": 1,
            "label_names": ["-"],
            "model_args": {"features_only": True, "out_indices": [1, 2, 3, 4]},
        },
        "backbone_channel_list": [512, 256, 128, 64],
        "backbone_feature_sizes": PYRAMID,
        "fpn_hidden_size": 32,
    }
    config = AutoConfig.for_model(
        "edgetam", vision_config=vision, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER
    )
    return config, Sam2Processor(_square(Sam2ImageProcessor))


def sam3_tracker() -> Made:
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
            "pretrain_image_size": 28,
            "window_size": 2,
            "global_attn_indexes": [1],
        },
        "backbone_feature_sizes": PYRAMID,
        "fpn_hidden_size": 32,
    }
    config = AutoConfig.for_model(
        "sam3_tracker",
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 56, "patch_size": 14},
        mask_decoder_config=DECODER,
    )
    return config, Sam3TrackerProcessor(_square(Sam3ImageProcessor, 56))


LANGUAGE: dict[str, Callable[[], Made]] = {
    maker.__name__: maker
    for maker in (llava, llava_next, llava_onevision, qwen2_5_vl, qwen3_vl, internvl, smolvlm, idefics3)
}
MASKS: dict[str, Callable[[], Made]] = {maker.__name__: maker for maker in (sam, sam_hq, sam2, edgetam, sam3_tracker)}


def save(name: str, folder: Path) -> Path:
    """The folder of a tiny checkpoint of this family, with random weights."""
    maker, auto = (
        (LANGUAGE[name], AutoModelForImageTextToText) if name in LANGUAGE else (MASKS[name], AutoModelForMaskGeneration)
    )
    config, processor = maker()
    torch.manual_seed(0)
    model = auto.from_config(config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
