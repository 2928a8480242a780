"""From a recipe's words to things: sources, mixture, model, starting weights."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from peft import prepare_model_for_kbit_training
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedTokenizerFast

from mglmm.data import photos
from mglmm.data.balance import Step
from mglmm.data.mixture import Capped, Mixture, PhotoSource, SampleSource, Source, WorldSource
from mglmm.model import MGLMMForConditionalGeneration, MGLMMProcessor, build, loading
from mglmm.model.errors import first_line
from mglmm.schema import UserError
from mglmm.train.recipe import Build, Data, EchoData, PhotoData, TrainRecipe, WorldData
from mglmm.train.trainer import checkpoints
from mglmm.world.echo import SIDE, echo_sample
from mglmm.world.samples import world_sample

LEVELS = r"prompt_similarity\.levels\..*"
"""Weights that a model may lack whose configuration was given `prompt_similarity` later: they begin at nothing."""


def make_mixture(
    recipe: TrainRecipe, data: Sequence[Data], length: int, seed: int, step: Step | None = None
) -> Mixture:
    """`length` items of the sources in `data`, mixed by weight; with `step` in such steps as the recipe wants."""
    names = [f"{number}:{entry.source}" for number, entry in enumerate(data)]
    families = {name: entry.family or name for name, entry in zip(names, data, strict=True)}
    return Mixture(
        {name: make_source(entry, recipe.seed) for name, entry in zip(names, data, strict=True)},
        {name: entry.weight for name, entry in zip(names, data, strict=True)},
        length=length,
        seed=seed,
        conversations_per_image=recipe.conversations_per_image,
        task_weights=recipe.task_weights,
        uscdf=recipe.uscdf,
        families=families if step is not None and recipe.batches == "family" else None,
        step=step,
        balanced=step is not None and recipe.balanced,
    )


def make_source(entry: Data, seed: int) -> Source:
    """The source that an entry of `data` describes; `seed` chooses what a cap leaves."""
    source = _whole_source(entry)
    return source if entry.cap is None else Capped(source, entry.cap, seed)


def _whole_source(entry: Data) -> Source:
    if isinstance(entry, WorldData):
        return WorldSource(world_sample, entry.size, entry.start, entry.end)
    if isinstance(entry, EchoData):
        return WorldSource(echo_sample, SIDE, entry.start, entry.end)
    if isinstance(entry, PhotoData):
        return PhotoSource(photos.PhotoSet(entry.root, entry.sets, entry.split), photos.turns, entry.augment)
    samples = SampleSource(entry.paths)
    return PhotoSource(samples, partial(photos.turns, names=entry.tasks), entry.augment) if entry.tasks else samples


def load_model(recipe: TrainRecipe) -> tuple[MGLMMForConditionalGeneration, MGLMMProcessor]:
    """The model a run starts from, in `recipe.dtype`, with `init_from` and the loss weights applied; its processor.

    Raises:
        UserError: the model or a folder of `init_from` cannot be read or does not fit.
    """
    if recipe.build is not None:
        model, processor = new_model(recipe, recipe.build)
    elif recipe.quantize is not None:
        model, processor = quantized_model(recipe, recipe.quantize)
    else:
        model, processor = loading.read_model(recipe.model, may_lack=LEVELS)
    if recipe.resolution is not None:
        if processor.lmm_processor is not None or model.config.lmm_config.model_type != "fast_vlm":
            raise UserError(f"resolution: {recipe.model} is no model that `build` made; leave it out")
        model, processor = build.at_resolution(model, processor, recipe.resolution.image, recipe.resolution.grounding)
    for module, source in recipe.init_from.items():
        folder, _, name = source.partition("#")
        init_from(model, module, folder, name or module)
    model.config.lm_loss_weight = recipe.loss.lm
    model.config.mask_bce_weight = recipe.loss.bce
    model.config.mask_dice_weight = recipe.loss.dice
    model.config.iou_loss_weight = recipe.loss.iou
    model.config.word_loss_weight = recipe.loss.words
    model.config.point_loss_weight = recipe.loss.points
    if recipe.loss.points and model.prompt_similarity is None:
        raise UserError(f"loss.points: {recipe.model} was made without prompt similarity; set it to 0")
    if recipe.loss.words and not processor.sees_square:
        raise UserError(f"loss.words: the image tokens of {recipe.model} are no grid over the image; set it to 0")
    if recipe.packed and not model.family.packs:
        kind = model.config.lmm_config.model_type
        raise UserError(f"packed: {kind} gives its image tokens positions of its own; set packed: false")
    if recipe.mask_threshold is not None:
        processor.mask_threshold = recipe.mask_threshold
    if recipe.quantize is not None:
        return model, processor
    cast: nn.Module = model
    cast.to(getattr(torch, recipe.dtype))
    if not recipe.sharded:  # only contiguous weights can be
        model.put_channels_last()
    return model, processor


def quantized_model(recipe: TrainRecipe, kind: str) -> tuple[MGLMMForConditionalGeneration, MGLMMProcessor]:
    """The model of a recipe on the device of this process, ready for adapters: the language model in few bits, all
    other weights in float32 (arXiv 2305.14314; `trainer.bf16` computes in bfloat16)."""
    device = PartialState(cpu=bool(recipe.trainer.get("use_cpu"))).device
    how = loading.Loading(device=device, dtype=recipe.dtype, quantize=kind)
    model, processor = loading.load_model(recipe.model, how)
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False), processor


def new_model(recipe: TrainRecipe, plan: Build) -> tuple[MGLMMForConditionalGeneration, MGLMMProcessor]:
    """A model as `plan` says, its tokenizer learned from the texts of the recipe's data.

    A run that goes on takes the tokenizer it began with, so that a later version of the world or of the instructions
    cannot give its token ids another meaning.
    """
    folder = Path(recipe.output) / "tokenizer"
    if checkpoints(Path(recipe.output)):
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    else:
        tokenizer = build.train_tokenizer(texts(recipe, plan.tokenizer_samples), plan.vocab_size)
        tokenizer.save_pretrained(folder)
    model = build.new_model(plan.shape, tokenizer)
    if plan.backbone is not None:
        build.load_backbone(model)
    return model, build.new_processor(plan.shape, tokenizer)


def texts(recipe: TrainRecipe, num_samples: int) -> Iterator[str]:
    """The plain text of all turns of the first `num_samples` images of the training data."""
    data = make_mixture(recipe, recipe.data, num_samples, recipe.seed)
    for item in range(num_samples):
        for turn in data[item].sample.turns:
            yield turn.instruction
            yield turn.answer.text


def init_from(model: nn.Module, module: str, folder: str, source: str) -> None:
    """Copy the weights of `module` (a name; "": everything) in place, from those under the name `source` of the model
    `folder` (also a hub id, or `default`); what that one has besides is left alone.

    Raises:
        UserError: there is no such model, it lacks a weight of the module, or has one of another shape.
    """
    saved: dict[str, Any] = {}
    for file in sorted(Path(loading.source_folder(folder)).glob("*.safetensors")):
        try:
            saved |= load_file(file)
        except SafetensorError as error:
            raise UserError(f"init_from: {file}: cannot be read ({first_line(error)})") from error
    target = {n: v for n, v in model.state_dict().items() if not module or f"{n}.".startswith(f"{module}.")}
    if not target:
        raise UserError(f"init_from: the model has no module {module!r}")
    places = Counter(value.data_ptr() for value in model.state_dict().values())
    shared = {place for place, count in places.items() if count > 1}
    for name, value in target.items():
        wanted = (source + name[len(module) :]).lstrip(".")
        if wanted not in saved and value.data_ptr() in shared:
            continue  # a head that is tied to the embedding is not saved
        if wanted not in saved or saved[wanted].shape != value.shape:
            there = tuple(saved[wanted].shape) if wanted in saved else "not there"
            raise UserError(f"init_from: {folder}: {wanted} is {there} but {name} is {tuple(value.shape)} here")
        value.copy_(saved[wanted])
