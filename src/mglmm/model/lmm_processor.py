"""The language model's own processor inside ours: what an image becomes, and which tokens stand for it.

Each family has a class of its own in transformers that cuts an image into tiles and says how many tokens each takes.
It is kept as that class, saved by name and settings, and asked about one image at a time, so that an image becomes the
same whatever stands beside it.
"""

from collections.abc import Sequence
from typing import Any

import torch
import transformers
from PIL import Image
from transformers import ProcessorMixin

from mglmm.schema import UserError

_OURS = {"image_processor", "tokenizer"}
"""Parts that our processor holds itself."""


def settings_of(processor: ProcessorMixin) -> dict[str, Any]:
    """What `restore` needs to make this processor again around the same tokenizer and image processor."""
    return {key: value for key, value in processor.to_dict().items() if key not in _OURS}


def restore(settings: dict[str, Any], image_processor: Any, tokenizer: Any) -> ProcessorMixin:
    """The processor with these settings.

    Raises:
        UserError: transformers has no such class, or it needs a package that is not installed.
    """
    arguments = {**settings, "image_processor": image_processor, "tokenizer": tokenizer}
    if isinstance(video := arguments.get("video_processor"), dict):
        # asked for by several classes, though nothing here shows them a video
        arguments["video_processor"] = _class(video["video_processor_type"])(**video)
    made = _class(arguments.pop("processor_class"))
    try:
        return made(**arguments)
    except ImportError as error:
        raise UserError(f"{made.__name__}: {' '.join(str(error).split())}") from error


def look(processor: Any, image: Image.Image) -> tuple[dict[str, torch.Tensor], str]:
    """What the vision tower sees of one image, and the text of the tokens that stand for it.

    Raises:
        UserError: the family does not take an image of this shape.
    """
    try:
        seen = processor(
            images=[image], text=[processor.image_token], return_tensors="pt", return_text_replacement_offsets=True
        )
    except ValueError as error:
        raise UserError(f"a picture of {image.width} x {image.height} pixels cannot be looked at ({error})") from error
    inputs = {name: seen[name] for name in processor.image_processor.model_input_names if name in seen}
    return inputs, seen["text_replacement_offsets"][0][0]["replacement"]


def join(images: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The inputs of several images as one batch, one behind the other along the first axis.

    Where other axes differ in length (numbers of tiles), the shorter are filled up with zeros, as the families' own
    processors do; their models leave such tiles out.
    """
    return {name: _concatenated([image[name] for image in images]) for name in images[0]}


def _concatenated(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    longest = [max(lengths) for lengths in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    padded = []
    for tensor in tensors:
        missing = [0] * (2 * len(longest))  # from the last axis to the second, at its beginning and at its end
        missing[1::2] = [most - length for most, length in zip(longest, tensor.shape[1:], strict=True)][::-1]
        padded.append(torch.nn.functional.pad(tensor, missing))
    return torch.cat(padded)


def _class(name: str) -> Any:
    """A class of transformers; UserError if this version has none of the name."""
    if not hasattr(transformers, name):
        raise UserError(f"transformers {transformers.__version__} has no {name}; install a newer transformers")
    return getattr(transformers, name)
