"""Instruction-guided multi-granularity segmentation and captioning: `mglmm.load("default").ask(image, instruction)`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mglmm.predict import load as load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """`load`, imported when it is first used, so that importing the package does not import torch."""
    if name == "load":
        from mglmm.predict import load

        return load
    raise AttributeError(f"module 'mglmm' has no attribute {name!r}")
