"""Checkpoints in the official layouts, made here: names and shapes as the authors' code has them, values random."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from sentencepiece import SentencePieceTrainer
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

from mglmm.model.convert.layouts import LAYOUTS, Layout

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    """The dimensions of a checkpoint. `global_blocks`: SAM's blocks whose attention sees the whole picture."""

    vocab: int = 320
    text_width: int = 32
    text_mlp: int = 48
    text_layers: int = 2
    text_heads: int = 2
    clip_width: int = 24
    clip_mlp: int = 40
    clip_layers: int = 2
    clip_heads: int = 2
    clip_image: int = 28
    clip_patch: int = 14
    sam_width: int = 16
    sam_mlp: int = 64
    sam_layers: int = 2
    sam_heads: int = 2
    sam_image: int = 64
    sam_patch: int = 16
    sam_window: int = 3
    global_blocks: tuple[int, ...] = (1,)
    mask_width: int = 32
    mask_mlp: int = 48


FULL = Sizes(
    vocab=32000,
    text_width=4096,
    text_mlp=11008,
    text_layers=32,
    text_heads=32,
    clip_width=1024,
    clip_mlp=4096,
    clip_layers=24,
    clip_heads=16,
    clip_image=336,
    sam_width=1280,
    sam_mlp=5120,
    sam_layers=32,
    sam_heads=16,
    sam_image=1024,
    sam_window=14,
    global_blocks=(7, 15, 23, 31),
    mask_width=256,
    mask_mlp=2048,
)
"""LLaVA-1.5 7B with SAM ViT-H. Source: the published configurations."""


def layout_named(name: str) -> Layout:
    """MGLMM, GLaMM or LISA."""
    return next(layout for layout in LAYOUTS if layout.name == name)


def official_shapes(sizes: Sizes, layout: Layout) -> Shapes:
    """Every weight of a checkpoint."""
    vocab, width = sizes.vocab + len(layout.tokens), sizes.text_width
    shapes: Shapes = {"model.embed_tokens.weight": (vocab, width)}
    for n in range(sizes.text_layers):
        block = f"model.layers.{n}."
        shapes |= {f"{block}self_attn.{name}_proj.weight": (width, width) for name in "qkvo"}
        shapes[f"{block}self_attn.rotary_emb.inv_freq"] = (width // sizes.text_heads // 2,)
        shapes |= {f"{block}mlp.{name}_proj.weight": (sizes.text_mlp, width) for name in ("gate", "up")}
        shapes[f"{block}mlp.down_proj.weight"] = (width, sizes.text_mlp)
        shapes |= {f"{block}{name}_layernorm.weight": (width,) for name in ("input", "post_attention")}
    shapes["model.norm.weight"] = (width,)
    if layout.name == "LISA":
        shapes |= _layer("model.mm_projector", sizes.clip_width, width)
    else:
        shapes |= _layer("model.mm_projector.0", sizes.clip_width, width) | _layer("model.mm_projector.2", width, width)
    shapes |= {layout.sam_prefix + name: shape for name, shape in sam_shapes(sizes).items()}
    shapes |= _layer("model.text_hidden_fcs.0.0", width, width)
    shapes |= _layer("model.text_hidden_fcs.0.2", width, sizes.mask_width)
    return shapes | {"lm_head.weight": (vocab, width)}


def sam_shapes(sizes: Sizes) -> Shapes:
    """Every weight of SAM, by its original name."""
    width, out, grid = sizes.sam_width, sizes.mask_width, sizes.sam_image // sizes.sam_patch
    shapes: Shapes = {"image_encoder.pos_embed": (1, grid, grid, width)}
    shapes["image_encoder.patch_embed.proj.weight"] = (width, 3, sizes.sam_patch, sizes.sam_patch)
    shapes["image_encoder.patch_embed.proj.bias"] = (width,)
    for n in range(sizes.sam_layers):
        block = f"image_encoder.blocks.{n}."
        span = 2 * (grid if n in sizes.global_blocks else sizes.sam_window) - 1
        shapes |= {f"{block}attn.rel_pos_{side}": (span, width // sizes.sam_heads) for side in "hw"}
        shapes |= _norm(f"{block}norm1", width) | _norm(f"{block}norm2", width)
        shapes |= _layer(f"{block}attn.qkv", width, 3 * width) | _layer(f"{block}attn.proj", width, width)
        shapes |= _layer(f"{block}mlp.lin1", width, sizes.sam_mlp) | _layer(f"{block}mlp.lin2", sizes.sam_mlp, width)
    shapes["image_encoder.neck.0.weight"] = (out, width, 1, 1)
    shapes["image_encoder.neck.2.weight"] = (out, out, 3, 3)
    shapes |= _norm("image_encoder.neck.1", out) | _norm("image_encoder.neck.3", out)
    return shapes | _prompt_encoder(out) | _mask_decoder(out, sizes.mask_mlp)


def _prompt_encoder(width: int) -> Shapes:
    encoder = "prompt_encoder."
    shapes: Shapes = {f"{encoder}pe_layer.positional_encoding_gaussian_matrix": (2, width // 2)}
    shapes |= {f"{encoder}point_embeddings.{n}.weight": (1, width) for n in range(4)}
    shapes |= {f"{encoder}{name}_embed.weight": (1, width) for name in ("not_a_point", "no_mask")}
    down = f"{encoder}mask_downscaling."
    for number, shape in ((0, (4, 1, 2, 2)), (3, (16, 4, 2, 2)), (6, (width, 16, 1, 1))):
        shapes |= {f"{down}{number}.weight": shape, f"{down}{number}.bias": shape[:1]}
    return shapes | _norm(f"{down}1", 4) | _norm(f"{down}4", 16)


def _mask_decoder(width: int, mlp: int) -> Shapes:
    decoder = "mask_decoder."
    shapes: Shapes = {f"{decoder}iou_token.weight": (1, width), f"{decoder}mask_tokens.weight": (4, width)}
    for n in range(2):
        block = f"{decoder}transformer.layers.{n}."
        shapes |= _attention(f"{block}self_attn", width, width)
        for name in ("cross_attn_token_to_image", "cross_attn_image_to_token"):
            shapes |= _attention(block + name, width, width // 2)
        shapes |= _layer(f"{block}mlp.lin1", width, mlp) | _layer(f"{block}mlp.lin2", mlp, width)
        for number in range(1, 5):
            shapes |= _norm(f"{block}norm{number}", width)
    shapes |= _attention(f"{decoder}transformer.final_attn_token_to_image", width, width // 2)
    shapes |= _norm(f"{decoder}transformer.norm_final_attn", width)
    up = f"{decoder}output_upscaling."
    shapes |= {f"{up}0.weight": (width, width // 4, 2, 2), f"{up}0.bias": (width // 4,)}
    shapes |= {f"{up}3.weight": (width // 4, width // 8, 2, 2), f"{up}3.bias": (width // 8,)}
    shapes |= _norm(f"{up}1", width // 4)
    for n in range(4):
        shapes |= _mlp(f"{decoder}output_hypernetworks_mlps.{n}", width, width // 8)
    return shapes | _mlp(f"{decoder}iou_prediction_head", width, 4)


def _mlp(name: str, width: int, out: int) -> Shapes:
    layers = ((0, width), (1, width), (2, out))
    return {key: shape for n, o in layers for key, shape in _layer(f"{name}.layers.{n}", width, o).items()}


def _attention(name: str, width: int, inner: int) -> Shapes:
    shapes = _layer(f"{name}.out_proj", inner, width)
    for part in "qkv":
        shapes |= _layer(f"{name}.{part}_proj", width, inner)
    return shapes


def _layer(name: str, width: int, out: int) -> Shapes:
    return {f"{name}.weight": (out, width), f"{name}.bias": (out,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def write_checkpoint(
    folder: Path, layout: Layout, sizes: Sizes = Sizes(), num_shards: int = 1, dtype: torch.dtype = torch.float32
) -> Path:
    """A checkpoint with random weights in `folder/checkpoint`, which is returned, and its tower in `folder/clip`."""
    source = folder / "checkpoint"
    source.mkdir(parents=True)
    write_tokenizer(source / "tokenizer.model", sizes.vocab)
    (source / "config.json").write_text(json.dumps(_config(layout, sizes)), encoding="utf-8")
    shapes = official_shapes(sizes, layout)
    weight_map: dict[str, str] = {}
    for number, names in enumerate(_shares(shapes, num_shards)):
        name = "pytorch_model.bin" if num_shards == 1 else f"pytorch_model-{number + 1:05d}-of-{num_shards:05d}.bin"
        torch.save({key: torch.randn(shapes[key], dtype=dtype) * 0.05 for key in names}, source / name)
        weight_map |= dict.fromkeys(names, name)
    if num_shards > 1:
        index = {"metadata": {}, "weight_map": weight_map}
        (source / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    write_tower(folder / "clip", sizes)
    return source


def _shares(shapes: Shapes, num_shards: int) -> Iterator[list[str]]:
    names = list(shapes)
    size = -(-len(names) // num_shards)
    yield from (names[start : start + size] for start in range(0, len(names), size))


def _config(layout: Layout, sizes: Sizes) -> dict[str, object]:
    return {
        "model_type": "llava",
        "vocab_size": sizes.vocab + len(layout.tokens),
        "hidden_size": sizes.text_width,
        "intermediate_size": sizes.text_mlp,
        "num_hidden_layers": sizes.text_layers,
        "num_attention_heads": sizes.text_heads,
        "max_position_embeddings": 2048,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "mm_vision_tower": "clip",
        "mm_vision_select_layer": -2,
        "seg_token_idx": sizes.vocab + layout.tokens.index("[SEG]"),
    }


def write_tower(folder: Path, sizes: Sizes) -> None:
    """CLIP's vision model with random weights."""
    config = CLIPVisionConfig(
        hidden_size=sizes.clip_width,
        intermediate_size=sizes.clip_mlp,
        num_hidden_layers=sizes.clip_layers,
        num_attention_heads=sizes.clip_heads,
        image_size=sizes.clip_image,
        patch_size=sizes.clip_patch,
    )
    CLIPVisionModel(config).save_pretrained(folder)
    side = sizes.clip_image
    CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side}).save_pretrained(folder)


def write_tokenizer(path: Path, num_pieces: int) -> None:
    """A sentencepiece model of byte pairs as Llama's, filled up with control pieces where the texts give too few."""
    words = "the red car on a road dog man wears blue hat segment please describe it is there no picture of and with"
    texts = [f"{a} {b}." for a in words.split() for b in words.split()]
    known = 320
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="bpe",
        vocab_size=num_pieces,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        remove_extra_whitespaces=False,
        character_coverage=1.0,
        bos_id=1,
        eos_id=2,
        unk_id=0,
        control_symbols=[f"<extra_{n}>" for n in range(num_pieces - known)],
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())
