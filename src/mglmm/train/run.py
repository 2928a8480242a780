"""One training run from start to end: recipe -> data, model, trainer -> model folder."""

import json
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from peft import PeftModel
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from torch import nn
from transformers import PreTrainedModel, PrinterCallback, TrainingArguments, set_seed
from transformers.utils.logging import disable_progress_bar

from mglmm.atomic import atomic_file, atomic_folder
from mglmm.config import load_recipe
from mglmm.data.balance import Step
from mglmm.data.collate import Collator
from mglmm.data.features import check_writable
from mglmm.model.lora import add_lora, merge
from mglmm.schema import UserError
from mglmm.train.callbacks import ConsoleLog, JsonLog, Measuring, Steering
from mglmm.train.frozen import open_store
from mglmm.train.measure import HeldOut
from mglmm.train.recipe import OWNED_TRAINER_KEYS, TrainRecipe
from mglmm.train.selection import freeze_all_but, keep_in_float32
from mglmm.train.setup import load_model, make_mixture
from mglmm.train.sharding import check_engine, check_sharded, own_weights, rebuilt
from mglmm.train.speed import Work
from mglmm.train.trainer import EMA_FILE, RUN_FILE, GroundingTrainer, checkpoints

FREE_KEYS = {"output", "evaluate", "checkpoint_minutes"}
FREE_TRAINER_KEYS = {
    "logging_steps",
    "save_strategy",
    "save_steps",
    "save_total_limit",
    "report_to",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "activation_checkpointing",
}
"""What may change when a run goes on (besides `trainer.dataloader_*`): nothing here moves the weights. The two batch
sizes may, as long as their product with the number of processes stays (a run may go on with fewer processes).
`save_dtype` may too, as long as the result is not saved."""

ENDLESS = 10**6
"""Steps of a run that only time ends."""


def train(recipe_path: str | Path, overrides: Sequence[str] = ()) -> Path:
    """The folder of the trained model (model and processor), after running a recipe.

    If the recipe's output folder holds checkpoints of the same recipe the run goes on from the last; if it holds the
    finished model that is returned at once.

    Raises:
        UserError: the recipe is wrong, its files are missing, or the output folder belongs to another recipe.
        KeyboardInterrupt: Ctrl-C was pressed before the last step; a checkpoint has been saved.
    """
    recipe = load_recipe(recipe_path, TrainRecipe, overrides)
    finished = finished_model(recipe)
    if finished is not None:
        Console().print(f"{finished}: this recipe has been trained already")
        return finished
    check_engine(training_arguments(recipe))
    if recipe.cache_grounding is not None:
        check_writable(Path(recipe.cache_grounding), "cache_grounding")
    check_writable(Path(recipe.output), "output")
    disable_progress_bar()  # the library's own bars tear ours apart
    set_seed(recipe.seed)
    model, processor = load_model(recipe)
    return train_model(
        recipe,
        model,
        processor,
        Collator(
            processor,
            recipe.with_image,
            recipe.packed,
            recipe.grounded_share,
            words=recipe.loss.words > 0,
            points=recipe.loss.points > 0,
        ),
    )


def train_model(
    recipe: TrainRecipe,
    model: PreTrainedModel,
    processor: Any,
    collator: Collator,
) -> Path:
    """The folder of the trained model, after training `model` in place.

    Args:
        processor: saved beside the model.
        collator: items of the mixture -> batch.
    """
    output = Path(recipe.output)
    output.mkdir(parents=True, exist_ok=True)
    args = training_arguments(recipe)
    check_engine(args)
    step = Step(args.train_batch_size, args.gradient_accumulation_steps, args.world_size)
    checkpoint, spent = last_checkpoint(recipe, step.items)
    trained: nn.Module = model
    if recipe.lora is None:
        freeze_all_but(model, recipe.trainable)
    else:
        trained = add_lora(model, recipe.lora, recipe.trainable)
    if args.bf16 or args.fp16:
        keep_in_float32(trained)
    data = make_mixture(recipe, recipe.data, args.max_steps * step.items, recipe.seed, step)
    measure = None if recipe.evaluate is None else HeldOut(recipe, recipe.evaluate, args, collator, processor)
    features = open_store(recipe, trained, processor)
    collate = replace(collator, features=features)
    work = Work.of(trained, processor)
    trainer = GroundingTrainer(trained, args, recipe, data, measure, features, work, data_collator=collate)
    check_sharded(trainer)
    if checkpoint is not None and trainer.ema is not None:
        trainer.ema.load(checkpoint / EMA_FILE, int(checkpoint.name.rsplit("-", 1)[1]))
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Steering(trainer, spent))
    trainer.add_callback(JsonLog(output / "log.jsonl"))
    console = ConsoleLog(trainer, Console())
    trainer.add_callback(console)
    if recipe.evaluate is not None:
        trainer.add_callback(Measuring(recipe.evaluate.every))
    with closing(console), _saving_on_interrupt(trainer):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if trainer.clock.progress >= 1:  # also if Ctrl-C was pressed after the last step, which no checkpoint follows
            return save_result(trainer, processor)
    where = checkpoints(output)[-1]
    raise KeyboardInterrupt(f"stopped; {where} is saved, and the same command goes on from there")


def training_arguments(recipe: TrainRecipe) -> TrainingArguments:
    """`trainer:` of the recipe over our defaults.

    Raises:
        UserError: an unknown setting, or one that TrainingArguments refuses.
    """
    known = {f.name for f in fields(TrainingArguments) if f.init}
    unknown = sorted(set(recipe.trainer) - known)
    if unknown:
        valid = ", ".join(sorted(known - set(OWNED_TRAINER_KEYS)))
        raise UserError(f"trainer.{unknown[0]}: no setting of TrainingArguments; valid keys are: {valid}")
    _check_kinds(recipe.trainer)
    on_accelerator = torch.accelerator.is_available()
    num_workers = recipe.trainer.get("dataloader_num_workers", 1)
    settings = {
        "max_steps": ENDLESS,
        "use_cpu": not on_accelerator,
        "dataloader_pin_memory": on_accelerator,
        "dataloader_num_workers": num_workers,
        "dataloader_persistent_workers": num_workers > 0,
        "dataloader_prefetch_factor": 4 if num_workers > 0 else None,
        "ddp_find_unused_parameters": True,  # a process whose images have no masks does not reach the mask decoder
        "logging_steps": 20,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "save_total_limit": 2,
        "report_to": ["tensorboard"],
        "disable_tqdm": True,
        **recipe.trainer,
        "output_dir": recipe.output,
        "seed": recipe.seed,
        "remove_unused_columns": False,
    }
    try:
        args = TrainingArguments(**settings)
    except (TypeError, ValueError, ImportError) as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from error
    args._n_gpu = min(args.n_gpu, 1)  # several devices without torchrun: use one, never DataParallel
    return args


def _check_kinds(trainer: Mapping[str, Any]) -> None:
    """Nothing, if every setting that is a number or a switch has such a value: TrainingArguments takes any.

    Raises:
        UserError: one has not.
    """
    hints = get_type_hints(TrainingArguments)
    for key, value in trainer.items():
        if {bool, int, float, type(None)}.issuperset(get_args(hints[key]) or [hints[key]]):
            try:
                TypeAdapter(hints[key]).validate_python(value, strict=True)
            except ValidationError as error:
                raise UserError(f"trainer.{key}: {error.errors()[0]['msg']}, not {value!r}") from error


def last_checkpoint(recipe: TrainRecipe, images_per_step: int) -> tuple[Path | None, float]:
    """The checkpoint from which a run goes on, and the seconds it had taken; (None, 0) for a new run.

    Raises:
        UserError: it belongs to another recipe (names the first difference), or to steps of another size.
    """
    found = checkpoints(Path(recipe.output))
    if not found:
        return None, 0.0
    record = json.loads((found[-1] / RUN_FILE).read_text(encoding="utf-8"))
    _check_same(recipe, record["recipe"], FREE_KEYS | {"save_dtype"})
    if record["images_per_step"] != images_per_step:
        raise UserError(
            f"{recipe.output}: holds a run with {record['images_per_step']} images a step, now it would be "
            f"{images_per_step}; change trainer.gradient_accumulation_steps or the number of processes"
        )
    return found[-1], record["spent"]


def finished_model(recipe: TrainRecipe) -> Path | None:
    """The model folder, if this recipe has been trained to its end.

    Raises:
        UserError: the folder holds the model of another recipe, or the model is not there any more.
    """
    record, model = Path(recipe.output) / RUN_FILE, Path(recipe.output) / "model"
    if not record.is_file():
        return None
    _check_same(recipe, json.loads(record.read_text(encoding="utf-8"))["recipe"], FREE_KEYS)
    if not model.is_dir():
        raise UserError(
            f"{recipe.output}: has been trained already, but its {model.name}/ is gone; put it back, or delete "
            f"{RUN_FILE} to train again (from the last checkpoint, if there is one)"
        )
    return model


def _check_same(recipe: TrainRecipe, before: Mapping[str, Any], free: set[str]) -> None:
    """Nothing, if two recipes train the same weights (a field that the old one did not know had its default).

    `free`: keys that may differ, besides those of `trainer`.
    """
    try:
        old = _flat(TrainRecipe.model_validate(before).model_dump(mode="json", exclude=free))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UserError(f"{recipe.output}: holds a run of another version ({where}); choose another folder") from error
    new = _flat(recipe.model_dump(mode="json", exclude=free))
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            raise UserError(
                f"{recipe.output}: holds a run with {key} = {old.get(key)!r}, the recipe now says {new.get(key)!r}; "
                "choose another output folder or delete this one"
            )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """What moves the weights, as {"a.b": value}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if prefix == "trainer." and (key in FREE_TRAINER_KEYS or key.startswith("dataloader_")):
            continue
        if key == "cache_grounding" and not prefix:
            flat[key] = value and "a folder"  # whether there is one moves the weights, not where it lies
        elif isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


@contextmanager
def _saving_on_interrupt(trainer: GroundingTrainer) -> Iterator[None]:
    """Inside, the first Ctrl-C (or SIGTERM) ends training after the step, with a checkpoint; a second one at once.

    After the last step the first one ends nothing: what is left to do is to save the result.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def _interrupt(number: int, frame: Any) -> None:
        trainer.clock.interrupted = True
        signal.signal(number, signal.default_int_handler)

    for number in before:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def save_result(trainer: GroundingTrainer, processor: Any) -> Path:
    """`model/` (and with LoRA the unmerged `adapter/`) in the output folder, each there whole or not at all."""
    output = Path(trainer.recipe.output)
    if trainer.ema is not None:
        trainer.ema.copy_to_model()
    model = trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False)
    weights = own_weights(trainer, trainer.recipe)
    if trainer.args.should_save and weights is not None:
        model = rebuilt(trainer.recipe, weights)
    if trainer.args.should_save and isinstance(model, PeftModel):
        with atomic_folder(output / "adapter") as folder:
            model.save_pretrained(str(folder))
            processor.save_pretrained(folder)
        model = merge(model)
    if trainer.args.should_save:
        if trainer.recipe.save_dtype is not None:
            model = model.to(dtype=getattr(torch, trainer.recipe.save_dtype))
        with atomic_folder(output / "model") as folder:
            model.save_pretrained(str(folder))
            processor.save_pretrained(folder)
        with atomic_file(output / RUN_FILE) as file:
            file.write(trainer.record())
    trainer.accelerator.wait_for_everyone()
    return output / "model"
