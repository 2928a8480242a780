"""Joined models at their published sizes, on the meta device: no weights, all names, shapes, counts and tokens."""

import copy
from functools import cache

import pytest
import torch
from PIL import Image
from transformers import AutoConfig

from mglmm.model import MGLMMConfig, MGLMMForConditionalGeneration, MGLMMProcessor, sam
from mglmm.model.info import ANSWER_TOKENS, INSTRUCTION_TOKENS, ModelInfo, measure
from mglmm.model.join import image_config, join_processors
from tests.model import backbones
from tests.model.published import GIB, LANGUAGE, MASKS

PICTURE = (480, 640)

QUICK = [
    ("llava-hf/llava-1.5-7b-hf", "facebook/sam-vit-huge"),
    ("Qwen/Qwen3-VL-4B-Instruct", "facebook/sam2.1-hiera-large"),
    ("HuggingFaceTB/SmolVLM2-2.2B-Instruct", "yonigozlan/EdgeTAM-hf"),
]
OTHERS = [(name, "facebook/sam-vit-huge") for name in LANGUAGE] + [("llava-hf/llava-1.5-7b-hf", name) for name in MASKS]
MEASURED = QUICK + [pytest.param(*pair, marks=pytest.mark.slow) for pair in OTHERS if pair not in QUICK]
"""Every checkpoint of both sides."""


def config_of(lmm: str, mask: str) -> MGLMMConfig:
    return MGLMMConfig(
        lmm_config=AutoConfig.for_model(**copy.deepcopy(LANGUAGE[lmm].config)),
        sam_config=image_config(AutoConfig.for_model(**copy.deepcopy(MASKS[mask].config))),
    )


def processor_of(lmm: str, mask: str) -> MGLMMProcessor:
    """The published settings around a tiny tokenizer with the family's special tokens and chat template."""
    _, tiny = backbones.LANGUAGE[LANGUAGE[lmm].family]()
    full = LANGUAGE[lmm].processor(tiny.tokenizer, tiny.video_processor if hasattr(tiny, "video_processor") else None)
    full.chat_template = tiny.chat_template
    return join_processors(full, MASKS[mask].image_processor(), config_of(lmm, mask).sam_config, lmm, mask)


@cache
def model_of(lmm: str, mask: str) -> MGLMMForConditionalGeneration:
    with torch.device("meta"):
        return MGLMMForConditionalGeneration(config_of(lmm, mask))


@cache
def info_of(lmm: str, mask: str) -> ModelInfo:
    return measure(config_of(lmm, mask), processor_of(lmm, mask), PICTURE)


pair = pytest.mark.parametrize("lmm, mask", MEASURED, ids=lambda name: name.split("/")[1])


@pair
def test_parameters_are_as_many_as_published(lmm, mask) -> None:
    counts = info_of(lmm, mask).parameters
    language = counts["language model"] + counts["vision tower"] + counts["projector"]
    masks = counts["mask encoder"] + counts["mask decoder"]
    assert LANGUAGE[lmm].total in (None, language)
    assert MASKS[mask].total in (None, masks)
    width = model_of(lmm, mask).config.get_text_config().hidden_size
    assert counts["seg_projector"] == width * width + width + 256 * width + 256
    assert counts["total"] == language + masks + counts["seg_projector"]
    assert all(count > 0 for count in counts.values())


@pair
def test_names_and_shapes(lmm, mask) -> None:
    model = model_of(lmm, mask)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert {name: shapes[name] for name in LANGUAGE[lmm].shapes} == LANGUAGE[lmm].shapes
    assert {name.split(".")[0] for name in shapes} == {"lmm", "sam", "seg_projector"}
    assert {value.device.type for value in model.state_dict().values()} == {"meta"}
    assert sam.mask_side(model.config.sam_config) == MASKS[mask].mask_side
    assert model.config.sam_config.prompt_encoder_config.image_size == MASKS[mask].image_side


@pair
def test_a_picture_takes_the_published_number_of_tokens(lmm, mask) -> None:
    """`measure` has compared it with the features that the vision tower makes."""
    assert info_of(lmm, mask).image_tokens == LANGUAGE[lmm].image_tokens
    processor = processor_of(lmm, mask)
    prompt = processor.prompt([Image.new("RGB", PICTURE[::-1])], [[("Segment the car", None)]])
    image = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
    assert int((prompt["input_ids"] == image).sum()) == LANGUAGE[lmm].image_tokens
    text = processor.tokenizer.decode(prompt["input_ids"][0])
    assert text.count("Segment the car") == 1
    assert processor.frame_side == MASKS[mask].image_side and processor.mask_label_size == MASKS[mask].mask_side


@pair
def test_memory(lmm, mask) -> None:
    info = info_of(lmm, mask)
    total = info.parameters["total"]
    assert info.weight_bytes["float32"] == 2 * info.weight_bytes["bfloat16"] == 4 * total
    assert info.weight_bytes["4-bit"] < info.weight_bytes["8-bit"] < info.weight_bytes["bfloat16"]
    # what is quantised takes a half and a quarter, and its scales
    saved = info.weight_bytes["bfloat16"] - info.weight_bytes["8-bit"]
    assert info.weight_bytes["bfloat16"] - info.weight_bytes["4-bit"] == pytest.approx(1.5 * saved, rel=0.06)
    assert info.kv_cache_bytes_per_token == {"float32": 2 * LANGUAGE[lmm].cache, "bfloat16": LANGUAGE[lmm].cache}
    tokens = LANGUAGE[lmm].image_tokens + INSTRUCTION_TOKENS
    assert info.working_bytes["answer"] == (tokens + ANSWER_TOKENS) * LANGUAGE[lmm].cache
    # the cache of the prompt is part of reading it
    assert info.working_bytes["read"] > tokens * LANGUAGE[lmm].cache
    working = max(info.working_bytes.values())
    assert info.peak_bytes["bfloat16"] == info.weight_bytes["bfloat16"] + working
    assert 0.1 * GIB < working < 4 * GIB


@pytest.mark.slow
@pytest.mark.parametrize("mask", MASKS, ids=lambda name: name.split("/")[1])
@pytest.mark.parametrize("lmm", LANGUAGE, ids=lambda name: name.split("/")[1])
def test_every_pair_joins(lmm, mask) -> None:
    model = model_of(lmm, mask)
    names = {name.split(".")[0] for name, _ in model.named_parameters()}
    assert names == {"lmm", "sam", "seg_projector"}
    assert model.seg_projector[-1].out_features == model.config.sam_config.prompt_encoder_config.hidden_size
