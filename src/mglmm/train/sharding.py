"""Training whose weights are sharded over processes (FSDP2, DeepSpeed): what it cannot do, and whole weights again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel, Trainer, TrainingArguments

from mglmm.model.lora import add_lora
from mglmm.schema import UserError
from mglmm.train.recipe import TrainRecipe
from mglmm.train.selection import freeze_all_but
from mglmm.train.setup import load_model


def check_engine(args: TrainingArguments) -> None:
    """Nothing, if FSDP and DeepSpeed are asked for nothing that models here cannot be trained with.

    Raises:
        UserError: ZeRO-3, which takes hold of every model that is made, also of those that only tell shapes; FSDP
            in one process.
    """
    if args.fsdp and args.world_size == 1:
        raise UserError("trainer.fsdp: there is one process, and nothing to share; start several with torchrun")
    if args.deepspeed and args.hf_deepspeed_config.is_zero3():
        raise UserError("trainer.deepspeed: weights cannot be divided by ZeRO-3 here; use stage 2, or trainer.fsdp")


def check_sharded(trainer: Trainer) -> None:
    """Nothing, if the weights are sharded as the recipe asks.

    Raises:
        UserError: accelerate has not taken up `trainer.fsdp`, which it leaves without a word on processors.
    """
    if trainer.args.fsdp and not trainer.accelerator.is_fsdp2:
        raise UserError(
            "trainer.fsdp: FSDP2 needs accelerators and torchrun; without it the processes share the batch alone"
        )


@contextmanager
def outermost_gathered(model: nn.Module) -> Iterator[None]:
    """Inside, parts of `model` may be called: its weights that no inner unit of FSDP2 gathers are whole."""
    if not isinstance(model, FSDPModule):
        yield
        return
    model.unshard()
    try:
        yield
    finally:
        model.reshard()


def complete_state(optimizer: torch.optim.Optimizer) -> None:
    """Give parameters that no gradient has reached yet a state of zeros, as their first step would: the state of
    sharded weights can be read back only if it knows them all."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    known = next(((p, optimizer.state[p]) for p in parameters if optimizer.state.get(p)), None)
    if known is None:
        return
    like, example = known
    for parameter in parameters:
        if not optimizer.state.get(parameter):
            optimizer.state[parameter] = {
                name: torch.zeros_like(parameter if value.shape == like.shape else value)
                for name, value in example.items()
            }


def own_weights(trainer: Trainer, recipe: TrainRecipe) -> dict[str, torch.Tensor] | None:
    """What must be put into a model loaded anew to have the trained one whole; None: the model at hand is whole.

    To be called by every process; sharded weights are there on the first alone.
    """
    if recipe.sharded:
        weights: dict[str, torch.Tensor] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        return weights
    if recipe.quantize is not None:
        model: Any = trainer.model
        return {name: value.detach().cpu() for name, value in _trained(model)}
    return None


def _trained(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The trained parameters, and what their own modules keep beside them (statistics of a batch norm)."""
    for place, module in model.named_modules():
        own = dict(module.named_parameters(prefix=place, recurse=False))
        yield from ((name, p) for name, p in own.items() if p.requires_grad)
        if any(p.requires_grad for p in own.values()):
            kept = module.state_dict(prefix=f"{place}." if place else "")
            yield from ((name, b) for name, b in module.named_buffers(prefix=place, recurse=False) if name in kept)


def rebuilt(recipe: TrainRecipe, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """The model of a recipe, loaded anew without quantisation, with its adapters if it has any, and these weights.

    Raises:
        RuntimeError: a weight has no place in the model, or a trained one is missing.
    """
    model, _ = load_model(recipe.model_copy(update={"quantize": None}))
    whole: Any = model
    if recipe.lora is None:
        freeze_all_but(model, recipe.trainable)
    else:
        whole = add_lora(model, recipe.lora, recipe.trainable)
    unexpected = sorted(set(weights) - set(whole.state_dict()))
    if unexpected:
        raise RuntimeError(f"{len(unexpected)} trained weights have no place in the model, such as {unexpected[0]}")
    trained = {name: p for name, p in whole.named_parameters() if p.requires_grad}
    missing = sorted(set(trained) - set(weights))
    if missing:
        raise RuntimeError(f"{len(missing)} trained weights are not there, such as {missing[0]}")
    for name, parameter in trained.items():  # held as they were trained, which is more than the rest may be held in
        parameter.data = parameter.data.to(weights[name].dtype)
    whole.load_state_dict(weights, strict=False)
    return whole
