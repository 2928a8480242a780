"""What libraries raise about files that make no model, and how it is told in one line."""

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

WRONG_FILES = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    ImportError,
    SafetensorError,
    StrictDataclassError,
)
"""Raised by transformers, PEFT and torch where a file is missing, is damaged, or holds something else."""

MAX_CHARACTERS = 300
"""Of a library's line; ours: transformers may list every model that it knows."""


def first_line(error: Exception) -> str:
    """The first line of what an error says, shortened; its kind where it says nothing."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= MAX_CHARACTERS else line[:MAX_CHARACTERS] + " ..."
