"""Which parameters are trained, and how fast: patterns over module names."""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from mglmm.schema import UserError


def matches(pattern: str, parameter_name: str) -> bool:
    """True if `pattern` fully matches the name of a parameter or of a module that holds it.

    >>> matches("sam.mask_decoder", "sam.mask_decoder.iou_token.weight"), matches("sam", "lmm.sam.weight")
    (True, False)
    """
    parts = parameter_name.split(".")
    return any(re.fullmatch(pattern, ".".join(parts[:n])) for n in range(1, len(parts) + 1))


def freeze_all_but(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Names of the parameters left trainable; every other one no longer requires a gradient.

    Raises:
        UserError: a pattern matches nothing.
    """
    names = [name for name, _ in model.named_parameters()]
    check_patterns("trainable", patterns, names)
    trained = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(matches(pattern, name) for pattern in patterns))
        if parameter.requires_grad:
            trained.append(name)
    return trained


def keep_in_float32(model: nn.Module) -> None:
    """Hold what is trained in float32, whatever the rest is held in: bfloat16 rounds small updates away."""
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.is_floating_point():
            parameter.data = parameter.data.float()


def check_patterns(field: str, patterns: Sequence[str], names: Sequence[str]) -> None:
    """Nothing, if every pattern matches one of the names.

    Raises:
        UserError: one does not; lists the modules two levels deep.
    """
    for pattern in patterns:
        if not any(matches(pattern, name) for name in names):
            known = sorted({".".join(name.split(".")[:2]) for name in names})
            raise UserError(f"{field}: {pattern!r} matches no parameter; modules are {', '.join(known)}")


def frozen_modules(model: nn.Module) -> list[nn.Module]:
    """The largest modules that hold parameters of which none is trained (they are kept in evaluation mode)."""
    found = []
    for child in model.children():
        parameters = list(child.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            found.append(child)
        else:
            found.extend(frozen_modules(child))
    return found


def parameter_groups(
    model: nn.Module, decayed: Sequence[str], factors: Mapping[str, float], learning_rate: float, weight_decay: float
) -> list[dict[str, object]]:
    """Optimizer groups of the trainable parameters, one per (learning-rate factor, decayed or not).

    Args:
        decayed: names of the parameters that weight decay acts on.
        factors: pattern -> factor on the learning rate; the first that matches counts, else 1.

    Raises:
        UserError: a pattern matches nothing.
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    bare = {name: bare_name(name) for name, _ in trained}
    check_patterns("lr_groups", list(factors), list(bare.values()))
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    with_decay = set(decayed)
    for name, parameter in trained:
        factor = next((f for pattern, f in factors.items() if matches(pattern, bare[name])), 1.0)
        groups.setdefault((factor, name in with_decay), []).append(parameter)
    return [
        {"params": parameters, "lr": learning_rate * factor, "weight_decay": weight_decay if decay else 0.0}
        for (factor, decay), parameters in groups.items()
    ]


def bare_name(name: str) -> str:
    """The name a parameter has in the model itself, without what PEFT puts around it.

    >>> bare_name("base_model.model.seg_projector.modules_to_save.default.0.weight")
    'seg_projector.0.weight'
    """
    name = name.removeprefix("base_model.model.").replace(".base_layer", "")
    return re.sub(r"\.(modules_to_save|original_module)(\.default)?(?=\.)", "", name)
