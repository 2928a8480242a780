"""A model of the default's architecture, small enough to be built in every test run."""

from functools import cache

import torch
from transformers import PreTrainedTokenizerFast

from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor
from mglmm.model.build import new_model, new_processor, train_tokenizer

SHAPE = {
    "backbone": "resnet10t",
    "backbone_channels": [64, 128, 256, 512],
    "feature_width": 512,
    "image_size": 64,
    "grounding_size": 64,
    "text": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
    },
    "mask_width": 32,
    "mask_mlp": 64,
}

TEXTS = ["the red car on the road", "a man wears a blue hat", "Segment the dog .", "There is no cat in the image ."]


@cache
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of about 300 tokens."""
    return train_tokenizer(TEXTS * 4, 400)


def tiny_model(seed: int = 0) -> MGLMMForConditionalGeneration:
    """A model with random weights of this seed, in evaluation mode."""
    torch.manual_seed(seed)
    return new_model(SHAPE, tiny_tokenizer()).eval()


def tiny_processor() -> MGLMMProcessor:
    """The processor of `tiny_model`."""
    return new_processor(SHAPE, tiny_tokenizer())
