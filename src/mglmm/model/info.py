"""What a model is made of and what it needs, from its configuration alone: no weight is read."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from transformers import AutoConfig, PreTrainedConfig

from mglmm.images import MAX_PIXELS
from mglmm.model import families
from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.errors import WRONG_FILES, first_line
from mglmm.model.footprint import counted
from mglmm.model.loading import KEPT_WHOLE, source_folder
from mglmm.model.modeling_mglmm import MGLMMForConditionalGeneration
from mglmm.model.processing_mglmm import MGLMMProcessor
from mglmm.schema import UserError

INSTRUCTION_TOKENS = 64
ANSWER_TOKENS = 512
ANSWER_MASKS = 16
"""What the estimate of the peak assumes of one question; ours, and the published limit of an answer (512)."""

SCALE_BYTES = 4
BLOCK_4BIT = 64
"""8 bits: one float32 scale for each row (arXiv 2208.07339); 4 bits: one for each 64 weights (arXiv 2305.14314)."""

_CONFIG_FILES = ["*.json", "*.jinja", "*.model", "*.txt"]


@dataclass(frozen=True)
class ModelInfo:
    """Numbers of a model.

    Attributes:
        language_model, mask_model: their kinds.
        parameters: by part; tied ones count once.
        weight_bytes: by the type the weights are held in.
        kv_cache_bytes_per_token: by type.
        max_tokens: of picture, conversation and answer together.
        image_size: height and width of the picture that the next fields are about.
        image_tokens: what it takes of `max_tokens`; None: the folder holds no processor to ask.
        working_bytes: beside the weights, in bfloat16: the language model's look at it, its reading of the prompt, the
            cache of a whole answer, and the making of masks. These follow one another.
        peak_bytes: by type of the weights: with the largest of them (twice as large in float32).
    """

    language_model: str
    mask_model: str
    parameters: dict[str, int]
    weight_bytes: dict[str, int]
    kv_cache_bytes_per_token: dict[str, int]
    max_tokens: int
    image_size: tuple[int, int]
    image_tokens: int | None
    working_bytes: dict[str, int] | None
    peak_bytes: dict[str, int] | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def describe(name: str, image_size: tuple[int, int] = (480, 640)) -> ModelInfo:
    """The numbers of the model in a folder (which may hold its configuration files alone) or with a hub id.

    Args:
        image_size: height and width of the picture that the estimates are about.

    Raises:
        UserError: there is no such model or picture, it is of another kind, or its files do not belong together.
    """
    if image_size[0] * image_size[1] > MAX_PIXELS:
        raise UserError(f"image size {image_size[0]}x{image_size[1]}: above the limit of {MAX_PIXELS:,} pixels")
    folder = source_folder(name, _CONFIG_FILES)
    try:
        config = AutoConfig.from_pretrained(folder)
    except WRONG_FILES as error:
        raise UserError(f"{name}: config.json is no configuration ({first_line(error)})") from error
    if not isinstance(config, MGLMMConfig):
        raise UserError(
            f"{name}: a model of type {config.model_type!r}, not one of mglmm; join it "
            "(mglmm build), or convert it if it is a published MGLMM, GLaMM or LISA (mglmm convert)"
        )
    processor = None
    if (Path(folder) / "processor_config.json").is_file():
        try:
            processor = MGLMMProcessor.from_pretrained(folder)
        except WRONG_FILES as error:
            raise UserError(f"{name}: the processor's files are not whole ({first_line(error)})") from error
    try:
        return measure(config, processor, image_size)
    except WRONG_FILES as error:
        raise UserError(f"{name}: its files do not belong together ({first_line(error)})") from error


def measure(config: MGLMMConfig, processor: MGLMMProcessor | None, image_size: tuple[int, int]) -> ModelInfo:
    """The numbers of a model with this configuration, which is built without weights (see `describe`).

    Raises:
        ValueError: parts of the configuration do not fit each other, or the processor does not fit them.
    """
    with torch.device("meta"):
        model = MGLMMForConditionalGeneration(config).eval()
    weights = weight_bytes(model)
    tokens = working = peak = None
    if processor is not None:
        inputs, text = processor.look(Image.new("RGB", image_size[::-1], (1, 2, 3)))
        tokens = text.count(processor.image_token)
        working = _working_bytes(model.to(dtype=torch.bfloat16), inputs, tokens)
        largest = max(working.values())
        peak = {kind: held + largest * (2 if kind == "float32" else 1) for kind, held in weights.items()}
    text_config = config.get_text_config()
    return ModelInfo(
        language_model=config.lmm_config.model_type,
        mask_model=config.sam_config.model_type,
        parameters=parameters(model),
        weight_bytes=weights,
        kv_cache_bytes_per_token={kind: size * kv_values(text_config) for kind, size in _SIZES.items()},
        max_tokens=text_config.max_position_embeddings,
        image_size=image_size,
        image_tokens=tokens,
        working_bytes=working,
        peak_bytes=peak,
    )


_SIZES = {"float32": 4, "bfloat16": 2}


def parameters(model: MGLMMForConditionalGeneration) -> dict[str, int]:
    """How many parameters each part has, and "total"."""
    family = model.family
    decoder = next(name for name, module in model.named_modules() if module is model.lmm.get_decoder())
    # the first that fits; what else the language side has (the marks between tiles) comes with the projector
    parts = {
        "projector": tuple(f"lmm.{name}." for name in family.projector),
        "vision tower": (f"lmm.{family.vision_tower}.",),
        "language model": (f"{decoder}.", "lmm.lm_head."),
        "seg_projector": ("seg_projector.",),
        "mask encoder": ("sam.vision_encoder.",),
        "mask decoder": ("sam.", "prompt_similarity."),
    }
    counts = dict.fromkeys(("language model", "vision tower", "projector", *list(parts)[3:]), 0)
    for name, value in model.named_parameters():
        part = next((part for part, prefixes in parts.items() if name.startswith(prefixes)), "projector")
        counts[part] += value.numel()
    return {**counts, "total": sum(counts.values())}


def weight_bytes(model: nn.Module) -> dict[str, int]:
    """What the weights take in each type; quantised, the rest is in bfloat16."""
    whole = sum(value.numel() for value in model.parameters())
    linear = [
        module.get_parameter("weight")
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not any(part in name.split(".") for part in KEPT_WHOLE)
    ]
    values = sum(weight.numel() for weight in linear)
    rest = 2 * (whole - values)
    return {
        "float32": 4 * whole,
        "bfloat16": 2 * whole,
        "8-bit": rest + values + SCALE_BYTES * sum(len(weight) for weight in linear),
        "4-bit": rest + values // 2 + SCALE_BYTES * (values // BLOCK_4BIT),
    }


def kv_values(text_config: PreTrainedConfig) -> int:
    """How many numbers the language model keeps of each token: a key and a value in every layer."""
    heads = text_config.num_attention_heads
    head_dim = text_config.to_dict().get("head_dim") or text_config.hidden_size // heads
    return 2 * text_config.num_hidden_layers * (text_config.num_key_value_heads or heads) * head_dim


def _working_bytes(
    model: MGLMMForConditionalGeneration, inputs: dict[str, torch.Tensor], image_tokens: int
) -> dict[str, int]:
    """The most that each phase of an answer takes beside the weights."""
    lmm, dtype = model.lmm, model.dtype
    text = model.config.get_text_config()
    pixels, others = inputs["pixel_values"].to(dtype), {k: v for k, v in inputs.items() if k != "pixel_values"}
    with counted() as look:
        num_features = sum(len(features) for features in families.look(lmm, pixels, others, None).tokens)
    if num_features != image_tokens:
        raise ValueError(f"{image_tokens} image tokens in the text but {num_features} features")
    prompt = image_tokens + INSTRUCTION_TOKENS
    with counted() as read:
        embeddings = torch.empty(1, prompt, text.hidden_size, dtype=dtype, device="meta")
        lmm.get_decoder()(inputs_embeds=embeddings, use_cache=True)
    with counted() as segment:
        side = model.config.sam_config.prompt_encoder_config.image_size
        features = model.encode_grounding(torch.empty(1, 3, side, side, dtype=dtype, device="meta"))
        index = torch.zeros(ANSWER_MASKS, dtype=torch.long, device="meta")
        prompts = torch.empty(ANSWER_MASKS, model.seg_projector.out_dim, dtype=dtype, device="meta")
        model.decode_masks(features, index, prompts)
    answer = (prompt + ANSWER_TOKENS) * kv_values(text) * dtype.itemsize
    return {"look": look.peak, "read": read.peak, "answer": answer, "segment": segment.peak}
