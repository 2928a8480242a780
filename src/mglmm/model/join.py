"""A new model of two published ones: any language model that sees, and any SAM, joined at `[SEG]`.

lmm + sam -> added tokens, a projector between them -> OUT/, a folder like any other model's
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import try_to_load_from_cache
from PIL import Image
from tokenizers import AddedToken
from torch import nn
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoModelForMaskGeneration,
    AutoProcessor,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)

import mglmm
from mglmm import grounding
from mglmm.atomic import atomic_folder
from mglmm.model import families, lmm_processor
from mglmm.model import sam as masks
from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.conversation import MARKUP
from mglmm.model.errors import WRONG_FILES, first_line
from mglmm.model.loading import check_place
from mglmm.model.modeling_mglmm import MGLMMForConditionalGeneration, SegProjector
from mglmm.model.processing_mglmm import MGLMMProcessor
from mglmm.schema import UserError

PROBE_SIDE_PX = 96
"""Side of the blank picture on which processor and vision tower must agree; ours: a small one is quick."""


def build(lmm: str, sam: str, output: Path, dtype: str | None = None, seed: int = 0) -> Path:
    """`output`, the folder of a new model: the weights of `lmm` and `sam`, and an untrained projector between them.

    Args:
        lmm: folder or hub id of an image-text-to-text model of transformers (`families.FAMILIES`).
        sam: folder or hub id of a mask model of transformers (`sam.FAMILIES`), or of the video model around it.
        output: must not exist yet.
        dtype: in which all weights are saved, such as "bfloat16"; None: each part's own.
        seed: of the projector's first weights.

    Raises:
        UserError: a source is no model, lacks files, is of no known family, or the two do not join; nothing is left at
            `output`.
    """
    if output.exists():
        raise UserError(f"{output}: is there already; name a folder that is not")
    lmm_config, sam_config = read_configs(lmm, sam)
    own = _read_processor(lmm)
    known = own.tokenizer.get_vocab()
    processor = join_processors(own, _read_image_processor(sam), sam_config, lmm, sam)
    language = _read_weights(AutoModelForImageTextToText, lmm, lmm_config, dtype)
    _check_features(language, processor, lmm)
    _add_rows(language, len(known), [i for token, i in processor.tokenizer.get_vocab().items() if token not in known])
    mask_model = _read_weights(AutoModelForMaskGeneration, sam, sam_config, dtype)
    model = _join_models(language, mask_model, processor, seed)
    try:
        with atomic_folder(output) as folder:
            model.save_pretrained(str(folder))
            processor.save_pretrained(folder)
            card = _card(lmm, sam, lmm_config, sam_config, dtype, seed)
            (folder / "README.md").write_text(card, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{output}: cannot be written ({error.strerror or error})") from error
    return output


def read_configs(lmm: str, sam: str) -> tuple[PreTrainedConfig, PreTrainedConfig]:
    """The configurations of both sides, of known families; a video model's is that of the image model inside it.

    Raises:
        UserError: there is none, or it is of another kind.
    """
    for name in (lmm, sam):
        check_place(name)
    with _told(lmm):
        lmm_config = AutoConfig.from_pretrained(lmm)
        families.family_of(lmm_config)
    with _told(sam):
        sam_config = image_config(AutoConfig.from_pretrained(sam))
        masks.family_of(sam_config)
    return lmm_config, sam_config


def image_config(config: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration of the mask model for single images that lies in a SAM's configuration.

    SAM 2 and its kin choose, without training, another of their masks where the first is unstable. Here one mask is
    trained and that one is used, so this is switched off.
    """
    values = config.to_dict()
    if "tracker_config" in values:  # SAM 3 for video: a detector and a tracker
        values = values["tracker_config"]
    kind = values["model_type"].removesuffix("_video")
    if kind not in masks.FAMILIES:
        return config
    made = AutoConfig.for_model(kind, **{name: _plain(values[name]) for name in _SAM_PARTS})
    if "dynamic_multimask_via_stability" in made.mask_decoder_config.to_dict():
        made.mask_decoder_config.dynamic_multimask_via_stability = False
    return made


_SAM_PARTS = ("vision_config", "prompt_encoder_config", "mask_decoder_config")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """A part's configuration without its model type where the video model calls the same part by another name."""
    return {k: v for k, v in values.items() if k != "model_type" or "video" not in v}


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Inside, what libraries say of a wrong source becomes one line of ours about `name`."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except WRONG_FILES as error:
        raise UserError(f"{name}: cannot be read ({first_line(error)})") from error


def _read_processor(name: str) -> ProcessorMixin:
    with _told(name):
        processor = AutoProcessor.from_pretrained(name)
        parts = ("tokenizer", "image_processor", "image_token")
        missing = [part for part in parts if not hasattr(processor, part)]
        if missing:
            raise UserError(
                f"no processor for images and text ({type(processor).__name__} has no {missing[0]}); "
                "processor_config.json or preprocessor_config.json is missing"
            )
        if not (processor.chat_template or processor.tokenizer.chat_template):
            raise UserError("no chat template; chat_template.jinja or chat_template.json is missing")
        if processor.tokenizer.eos_token_id is None or processor.tokenizer.pad_token_id is None:
            raise UserError("the tokenizer has no end token or no padding token; tokenizer_config.json must name both")
    return processor


def _read_image_processor(name: str) -> Any:
    with _told(name):
        return AutoImageProcessor.from_pretrained(name)


def join_processors(
    processor: Any, grounding_image_processor: Any, sam_config: PreTrainedConfig, lmm: str, sam: str
) -> MGLMMProcessor:
    """One processor around both, its tokenizer with the markup's tokens.

    Raises:
        UserError: the grounding images are not what the mask model sees.
    """
    # the space before a tag is swallowed with it, and put back by `decode_answer`
    new = [AddedToken(token, lstrip=True, special=False, normalized=False) for token in MARKUP]
    processor.tokenizer.add_tokens(new)
    processor.tokenizer.padding_side = "left"
    with _told(sam):
        side = sam_config.prompt_encoder_config.image_size
        if not isinstance(side, int):
            raise UserError(f"sees images of {tuple(side)} pixels; only squares are supported")
    with _told(lmm):
        joined = MGLMMProcessor(
            image_processor=processor.image_processor,
            tokenizer=processor.tokenizer,
            grounding_image_processor=grounding_image_processor,
            mask_label_size=masks.mask_side(sam_config),
            image_token=processor.image_token,
            chat_template=processor.chat_template or processor.tokenizer.chat_template,
            lmm_processor=lmm_processor.settings_of(processor),
        )
    if joined.frame_side != side:
        raise UserError(f"{sam}: its image processor makes {joined.frame_side} pixels, its mask model sees {side}")
    return joined


def _read_weights(auto: Any, name: str, config: PreTrainedConfig, dtype: str | None) -> PreTrainedModel:
    """The model with all its weights, in memory; without `dtype` in the type they are saved in.

    Raises:
        UserError: weights are missing or have other shapes.
    """
    with _told(name):
        # a weight of another shape is told below, by name; the library's own line says only that there is one
        model, report = auto.from_pretrained(
            name, config=config, dtype=dtype or "auto", output_loading_info=True, ignore_mismatched_sizes=True
        )
        for key, saved, needed in sorted(report["mismatched_keys"]):
            raise UserError(f"{key} has the shape {tuple(saved)}, not {tuple(needed)} as config.json says")
        if report["missing_keys"]:
            missing = sorted(report["missing_keys"])
            raise UserError(f"{len(missing)} weights are missing, such as {missing[0]}")
    return model


@torch.no_grad()
def _add_rows(model: PreTrainedModel, num_known: int, new: Sequence[int]) -> None:
    """Give each new token a row in embedding and head, the mean of the rows of the known tokens; in place.

    Rows that a model keeps in reserve are used first.
    """
    num_rows = len(model.get_input_embeddings().get_parameter("weight"))
    if num_rows <= max(new, default=0):
        model.resize_token_embeddings(max(new) + 1, mean_resizing=False)
    for layer in {model.get_input_embeddings(), model.get_output_embeddings()}:
        for values in layer.parameters():  # a head may have a bias
            values[list(new)] = values[:num_known].float().mean(0).to(values.dtype)


def _join_models(
    lmm: PreTrainedModel, sam: PreTrainedModel, processor: MGLMMProcessor, seed: int
) -> MGLMMForConditionalGeneration:
    """The model of both parts, which are not copied."""
    token_id = processor.tokenizer.convert_tokens_to_ids
    config = MGLMMConfig(
        lmm_config=lmm.config,
        sam_config=sam.config,
        seg_token_id=token_id(grounding.SEG),
        phrase_start_token_id=token_id(grounding.PHRASE_START),
        phrase_end_token_id=token_id(grounding.PHRASE_END),
        tie_word_embeddings=lmm.get_output_embeddings().weight is lmm.get_input_embeddings().weight,
    )
    with torch.device("meta"):
        model = MGLMMForConditionalGeneration(config)
    layers = [layer for layer in model.seg_projector if isinstance(layer, nn.Linear)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projector = SegProjector(layers[0].in_features, layers[0].out_features, layers[1].out_features)
    model.lmm, model.sam, model.seg_projector = lmm, sam, projector.to(lmm.dtype)
    model.generation_config = GenerationConfig(  # greedy: nothing else of how the source answers is taken over
        bos_token_id=processor.tokenizer.bos_token_id,
        eos_token_id=lmm.generation_config.eos_token_id or processor.tokenizer.eos_token_id,
        pad_token_id=processor.tokenizer.pad_token_id,
        suppress_tokens=[lmm.config.image_token_id],
        do_sample=False,
    )
    return model.eval()


@torch.no_grad()
def _check_features(lmm: PreTrainedModel, processor: MGLMMProcessor, name: str) -> None:
    """Nothing, if the vision tower makes as many features of an image as the processor puts tokens into the text."""
    with _told(name):
        inputs, text = processor.look(Image.new("RGB", (PROBE_SIDE_PX, PROBE_SIDE_PX)))
        pixels = inputs.pop("pixel_values").to(lmm.dtype)
        num_features = sum(len(features) for features in families.look(lmm, pixels, inputs, None).tokens)
        num_tokens = text.count(processor.image_token)
        if num_tokens != num_features:
            raise UserError(
                f"the processor puts {num_tokens} tokens into the text for a picture of which the vision tower makes "
                f"{num_features} features; processor_config.json and config.json do not belong together"
            )


def _card(
    lmm: str, sam: str, lmm_config: PreTrainedConfig, sam_config: PreTrainedConfig, dtype: str | None, seed: int
) -> str:
    """The model card."""
    return _CARD.format(
        lmm=_provenance(lmm),
        lmm_type=lmm_config.model_type,
        sam=_provenance(sam),
        sam_type=sam_config.model_type,
        dtype=dtype or "as in each",
        seed=seed,
        version=mglmm.__version__,
        transformers=transformers.__version__,
    )


def _provenance(name: str) -> str:
    """The hub's id with the revision that was read; a folder's name, without its place on this machine."""
    if Path(name).is_dir():
        return Path(name).resolve().name
    cached = try_to_load_from_cache(name, "config.json")  # .../snapshots/REVISION/config.json
    return f"{name} @ {Path(cached).parent.name}" if isinstance(cached, str) else name


_CARD = """---
library_name: mglmm
pipeline_tag: image-text-to-text
---

# {lmm} + {sam}

Joined by `mglmm build` (mglmm {version}, transformers {transformers}):

| part | from | kind | weights |
|---|---|---|---|
| language model, vision tower, projector | `{lmm}` | {lmm_type} | unchanged but for the rows of three new tokens |
| mask encoder, mask decoder | `{sam}` | {sam_type} | unchanged |
| `seg_projector` | new | two linear layers | random, seed {seed} |

Weights are saved in this type: {dtype}. The licences are those of the two sources.

It must be trained before it can mask anything: `mglmm train RECIPE model=FOLDER`. Load it with `mglmm.load(FOLDER)`.
"""
