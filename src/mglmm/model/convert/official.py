"""From the files of a published checkpoint to a model folder.

    config.json + weights + tokenizer.model + CLIP's folder -> MGLMMConfig, our names, processor -> OUT/

One tensor is in memory at a time (and one shard on its way out); nothing in a checkpoint is ever run.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import CLIPVisionConfig, GenerationConfig, LlamaConfig, LlavaConfig, SamConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

from mglmm.atomic import atomic_folder
from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.model.convert import layouts, sam_shapes
from mglmm.model.convert.layouts import Layout
from mglmm.model.convert.plan import has_single_projector, plan_weights, stored_dtype
from mglmm.model.convert.tensors import TensorFiles, write_shards
from mglmm.model.modeling_mglmm import MGLMMForConditionalGeneration
from mglmm.model.processing_mglmm import MGLMMProcessor
from mglmm.model.tokenization_mglmm import LegacyLlamaTokenizer, load_llama_tokenizer
from mglmm.schema import UserError

LORA_ALPHA = 16.0
"""As published; a checkpoint of adapters does not say it."""

SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)
"""Of the conversation template LLaVA v1, which the checkpoints were trained with."""

_TEXT_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "initializer_range",
    "rms_norm_eps",
    "rope_theta",
    "rope_scaling",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)


def convert(
    source: Path,
    output: Path,
    tower: Path | None = None,
    lora_alpha: float = LORA_ALPHA,
    num_decoder_heads: int = 8,
) -> Path:
    """The model folder `output`, converted from an official checkpoint of MGLMM, GLaMM or LISA.

    Args:
        source: its folder: config.json, weights (`.bin` or safetensors, in shards or not), tokenizer.model.
        output: the new folder; must not exist.
        tower: the folder of the CLIP model; None: where the checkpoint names it, seen from here, from `source` or from
            the folder above.
        lora_alpha: scales LoRA weights that have not been merged yet, by alpha / rank.
        num_decoder_heads: of SAM's mask decoder; shapes do not tell.

    Raises:
        UserError: a file is missing or damaged, or the weights are not those of a known layout; nothing is left behind.
    """
    if output.exists():
        raise UserError(f"{output}: exists already; name a folder that does not")
    official = _read_json(source / "config.json")
    weights = TensorFiles(source)
    layout = layouts.detect(list(weights), str(source))
    tower = _find_tower(official, source) if tower is None else tower
    tokenizer = load_llama_tokenizer(source / "tokenizer.model", layout.tokens)
    _check_tokens(tokenizer, official, source)
    config = _config(official, layout, weights, tower, tokenizer, num_decoder_heads)
    plan = plan_weights(weights, TensorFiles(tower), layout, config, lora_alpha)
    try:
        image_processor = CLIPImageProcessorPil.from_pretrained(tower)
    except (OSError, ValueError) as error:
        raise UserError(f"{tower}: preprocessor_config.json is missing or no configuration; fetch it") from error
    try:
        with atomic_folder(output) as folder:
            write_shards(folder, ((name, planned.read()) for name, planned in plan.items()))
            _write_rest(folder, config, tokenizer, layout, image_processor, source)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{output}: cannot be written ({error})") from error
    return output


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: no such file; name the folder of a checkpoint") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a configuration; name the folder of a checkpoint")
    return value


def _find_tower(official: dict[str, Any], source: Path) -> Path:
    """The folder of the CLIP model that a checkpoint names."""
    name = official.get("mm_vision_tower") or official.get("vision_tower")
    if not isinstance(name, str) or not name:
        raise UserError(f"{source / 'config.json'}: names no vision tower (mm_vision_tower); give --tower FOLDER")
    for folder in (Path(name), source / name, source.parent / name):
        if folder.is_dir():
            return folder
    raise UserError(
        f"{source / 'config.json'}: its vision tower {name!r} is in no folder here; fetch it, --tower FOLDER"
    )


def _check_tokens(tokenizer: LegacyLlamaTokenizer, official: dict[str, Any], source: Path) -> None:
    """Nothing, if every token has the row that the checkpoint gave it."""
    image, vocab_size = tokenizer.convert_tokens_to_ids("<image>"), official.get("vocab_size")
    if image != vocab_size:
        raise UserError(
            f"{source}: config.json says vocab_size {vocab_size}, but tokenizer.model and the added tokens make {image}"
        )
    seg = tokenizer.convert_tokens_to_ids("[SEG]")
    if official.get("seg_token_idx", seg) != seg:
        raise UserError(f"{source}: config.json says seg_token_idx {official['seg_token_idx']}, the tokenizer {seg}")


def _config(
    official: dict[str, Any],
    layout: Layout,
    weights: TensorFiles,
    tower: Path,
    tokenizer: LegacyLlamaTokenizer,
    num_decoder_heads: int,
) -> MGLMMConfig:
    """Our configuration of the checkpoint; SAM's sizes are read from its weights."""
    text = {name: official[name] for name in _TEXT_FIELDS if official.get(name) is not None}
    vision = _read_json(tower / "config.json")
    added = tokenizer.get_added_vocab()
    with _refused(weights.folder / "config.json"):
        text_config = LlamaConfig(vocab_size=added["<image>"] + 1, tie_word_embeddings=False, **text)
    with _refused(tower / "config.json"):
        vision = {**vision.get("vision_config", vision), "model_type": "clip_vision_model"}
        vision_config = CLIPVisionConfig(**vision)
        num_image_tokens = (vision["image_size"] // vision["patch_size"]) ** 2
    with _refused(weights.folder / "config.json"):
        lmm = LlavaConfig(
            text_config=text_config,
            vision_config=vision_config,
            image_token_index=added["<image>"],
            vision_feature_layer=official.get("mm_vision_select_layer", -2),
            vision_feature_select_strategy="default",
            projector_hidden_act="linear" if has_single_projector(weights) else "gelu",
            image_seq_length=num_image_tokens,
            tie_word_embeddings=False,
        )
    return MGLMMConfig(
        lmm_config=lmm,
        sam_config=_sam_config(layout, weights, num_decoder_heads),
        seg_token_id=added["[SEG]"],
        phrase_start_token_id=added.get("<p>"),
        phrase_end_token_id=added.get("</p>"),
        constrain_markup=False,
        tie_word_embeddings=False,
        dtype=stored_dtype(weights),
    )


def _sam_config(layout: Layout, weights: TensorFiles, num_heads: int) -> SamConfig:
    """SAM's configuration, read from the shapes of its weights."""
    keys = [key for key in weights if layouts.bare(key).startswith(layout.sam_prefix)]
    shapes = {layouts.bare(key).removeprefix(layout.sam_prefix): weights.shape(key) for key in keys}
    try:
        return sam_shapes.read_sam_config(shapes, num_heads)
    except KeyError as error:
        raise UserError(f"{weights.folder}: the weight {layout.sam_prefix}{error.args[0]} is missing") from error
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise UserError(f"{weights.folder}: the shapes of {layout.sam_prefix}* are none of a SAM ({error})") from error


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Values of a configuration file that make no configuration end in one line."""
    try:
        yield
    except (StrictDataclassError, TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        raise UserError(f"{path}: not the configuration of a model ({' '.join(str(error).split())})") from error


def _write_rest(
    folder: Path,
    config: MGLMMConfig,
    tokenizer: LegacyLlamaTokenizer,
    layout: Layout,
    image_processor: Any,
    source: Path,
) -> None:
    """Everything but the weights."""
    config.architectures = [MGLMMForConditionalGeneration.__name__]
    config.save_pretrained(folder)
    text = config.get_text_config()
    GenerationConfig(
        bos_token_id=text.bos_token_id,
        eos_token_id=text.eos_token_id,
        pad_token_id=text.pad_token_id,
        suppress_tokens=[config.lmm_config.image_token_id],
        do_sample=False,
    ).save_pretrained(folder)
    side = config.sam_config.vision_config.image_size
    MGLMMProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        grounding_image_processor=SamImageProcessorPil(
            size={"longest_edge": side}, pad_size={"height": side, "width": side}
        ),
        image_seq_length=config.lmm_config.image_seq_length,
        mask_label_size=side // 4,
        image_backend="pil",
        chat_template=chat_template(layout.head),
    ).save_pretrained(folder)
    card = _CARD.format(name=layout.name, source=source.name)
    (folder / "README.md").write_text(card, encoding="utf-8")


def chat_template(head: str) -> str:
    """LLaVA v1's conversation with `head` before the first instruction about an image.

    No space stands before an answer: the tokenizer puts one before each text that it is given.
    """
    return (
        "{{ '<s>" + SYSTEM.replace("'", "\\'") + " ' }}"
        "{% for message in messages %}"
        "{{ 'USER: ' if message.role == 'user' else '' }}"
        "{% for part in message.content %}"
        "{{ '" + head.replace("\n", "\\n") + "' if part.type == 'image' else part.text }}"
        "{% endfor %}"
        "{{ ' ASSISTANT:' if message.role == 'user' else '</s>' }}"
        "{% endfor %}"
    )


_CARD = """---
library_name: mglmm
pipeline_tag: image-text-to-text
---

# {name}, converted

Converted by `mglmm convert` from the official {name} checkpoint in the folder `{source}`; the weights are unchanged,
and their licence is that of the checkpoint. Load it with `mglmm.load(FOLDER)`.
"""
