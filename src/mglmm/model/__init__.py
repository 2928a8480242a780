"""The model: a language model that sees (`lmm`) and a SAM that masks, joined at `[SEG]`.

Each class is imported when it is first used: transformers' Auto classes import the modules one by one (see `mglmm`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mglmm.model.configuration_mglmm import MGLMMConfig
    from mglmm.model.modeling_mglmm import MGLMMForConditionalGeneration, MGLMMOutput
    from mglmm.model.processing_mglmm import MGLMMProcessor

__all__ = ["MGLMMConfig", "MGLMMForConditionalGeneration", "MGLMMOutput", "MGLMMProcessor"]

_HOMES = {
    "MGLMMConfig": "configuration",
    "MGLMMForConditionalGeneration": "modeling",
    "MGLMMOutput": "modeling",
    "MGLMMProcessor": "processing",
}


def __getattr__(name: str) -> Any:
    """One of the classes above."""
    if name in _HOMES:
        return getattr(import_module(f"mglmm.model.{_HOMES[name]}_mglmm"), name)
    raise AttributeError(f"module 'mglmm.model' has no attribute {name!r}")
