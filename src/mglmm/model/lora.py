"""LoRA on the joined model: adapters on some linear layers, other modules trained in full beside them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from mglmm.model.errors import first_line
from mglmm.schema import UserError


def add_lora(model: PreTrainedModel, lora: Mapping[str, Any], trained: Sequence[str]) -> PeftModel:
    """`model` with LoRA adapters; the modules named by `trained` are copied and trained in full.

    Everything else is frozen. The copies and the adapters together are what `save_pretrained` of the result writes.

    Args:
        lora: arguments of `peft.LoraConfig`. `target_modules` as a list matches by the end of the name and would
            catch layers of the image encoders too; a string is a regular expression over the full name.
        trained: patterns that must match full module names, e.g. `seg_projector`, `sam.mask_decoder`,
            `lmm.lm_head`. Tied embeddings stay tied.

    Raises:
        UserError: LoraConfig refuses the arguments, they target no layer, or a pattern names no module.
    """
    if "modules_to_save" in lora:
        raise UserError("lora.modules_to_save is not yours to set; list those modules under trainable")
    names = module_names(model, trained)
    arguments: dict[str, Any] = {**lora, "modules_to_save": names}
    head, embedding = (_name_of(model, m) for m in (model.get_output_embeddings(), model.get_input_embeddings()))
    if _show_tying(model) and {head, embedding} & set(names):
        arguments["modules_to_save"] = sorted({*names, embedding} - {head})  # PEFT adds the head, tied to it
        arguments["ensure_weight_tying"] = True
    try:
        return get_peft_model(model, LoraConfig(**arguments))
    except (TypeError, ValueError) as error:
        raise UserError(f"lora: {first_line(error)}") from error


def module_names(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """The full names of the outermost modules that the patterns match.

    Containers (lists, dicts, sequences of modules) are replaced by their members, since a container that PEFT has
    wrapped can no longer be indexed.

    Raises:
        UserError: a pattern matches no module.
    """
    found: set[str] = set()
    for pattern in patterns:
        names = [name for name, module in model.named_modules() if name and re.fullmatch(pattern, name)]
        if not names:
            top = sorted({".".join(name.split(".")[:2]) for name, _ in model.named_modules() if name})
            raise UserError(f"trainable: {pattern!r} matches no module; modules are {', '.join(top)}")
        found |= {member for name in names for member in _members(model, name)}
    return sorted(name for name in found if not any(name.startswith(other + ".") for other in found))


def _members(model: nn.Module, name: str) -> list[str]:
    """A module's own name; of a container the names of its members that hold parameters."""
    module = model.get_submodule(name)
    if not isinstance(module, nn.ModuleList | nn.ModuleDict | nn.Sequential):
        return [name]
    members = [f"{name}.{key}" for key, member in module.named_children() if any(True for _ in member.parameters())]
    return [inner for member in members for inner in _members(model, member)]


def merge(model: PeftModel) -> PreTrainedModel:
    """The plain model with adapters and fully trained modules folded in; `model` must not be used afterwards."""
    return model.merge_and_unload()


def load_lora(base: PreTrainedModel, folder: str | Path) -> PeftModel:
    """`base` with the unmerged adapter and the fully trained modules saved in `folder`."""
    _show_tying(base)
    return PeftModel.from_pretrained(base, str(folder))


def _show_tying(model: PreTrainedModel) -> bool:
    """True if the language model's head is its token embedding.

    PEFT looks for tied weights in sub-models only if the outer model has a table of its own, be it empty.
    """
    if model._tied_weights_keys is None:
        model._tied_weights_keys = {}
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


def _name_of(model: nn.Module, wanted: nn.Module) -> str:
    """The full name of a module of `model`."""
    return next(name for name, module in model.named_modules() if module is wanted)
