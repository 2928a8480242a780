"""Instruction-guided multi-granularity segmentation and captioning: `mglmm.load("default").ask(image, instruction)`.

Importing this package makes its model known to transformers' Auto classes and pipelines, without importing them: each
of our modules registers its class when the Auto class that it belongs to is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

if TYPE_CHECKING:
    from mglmm.predict import load as load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def _register(kind: str) -> None:
    """From now on our module of that kind is imported when that of transformers' Auto classes has been."""
    register_post_import_hook(
        lambda _: import_module(f"mglmm.model.{kind}_mglmm"), f"transformers.models.auto.{kind}_auto"
    )


for _kind in ("configuration", "modeling", "processing", "tokenization"):
    _register(_kind)


def __getattr__(name: str) -> Any:
    """`load`, imported when it is first used, so that importing the package does not import torch."""
    if name == "load":
        from mglmm.predict import load

        return load
    raise AttributeError(f"module 'mglmm' has no attribute {name!r}")
