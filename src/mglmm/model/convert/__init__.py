"""Published checkpoints become ordinary model folders: official files -> key map -> our names, tensor by tensor."""

from mglmm.model.convert.official import convert

__all__ = ["convert"]
