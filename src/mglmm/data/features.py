"""What a frozen encoder makes of pictures, kept on disk: a file for each, in float16, found by its pixels.

Many processes may read and write one folder: a file is there whole or not at all, and who writes it again writes the
same.
"""

import contextlib
import tempfile
import time
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mglmm.atomic import atomic_file
from mglmm.schema import UserError

Tensors = dict[str, torch.Tensor]

ABANDONED_S = 3600.0
"""Age in seconds from which on an unfinished file is written by nobody any more. Ours."""


class FeatureStore:
    """Features by picture, in a folder of their own for each encoder.

    Args:
        folder: where all of them lie.
        encoder: what stands for the encoder: its weights, its settings and those of its image processor.
    """

    def __init__(self, folder: str | Path, encoder: str) -> None:
        self._folder = Path(folder) / encoder

    def path(self, key: bytes) -> Path:
        """Where the features of a picture lie, if they are there."""
        name = key.hex()
        return self._folder / name[:2] / f"{name}.safetensors"

    def load(self, key: bytes) -> Tensors | None:
        """The features of a picture (float16); None if they are not there.

        A file that is damaged or cannot be read counts as not there, with a warning: who makes the features anew
        replaces it.
        """
        path = self.path(key)
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
                fault = None if (file.metadata() or {}).get("crc32") == _checksum(tensors) else "damaged"
        except FileNotFoundError:
            return None
        except SafetensorError:
            fault = "damaged"
        except OSError as error:
            fault = f"cannot be read ({error.strerror or error})"
        if fault is not None:
            warnings.warn(f"{path}: {fault}; its features are made anew", stacklevel=2)
            return None
        return tensors

    def save(self, key: bytes, tensors: Mapping[str, torch.Tensor]) -> None:
        """Keep the features of a picture (float16).

        Raises:
            UserError: they do not fit into float16, or the folder cannot be written.
        """
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise UserError("cache_grounding: the encoder's features exceed float16; leave it out")
        path = self.path(key)
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path, "wb", shared=True) as file:
                file.write(save(whole, {"crc32": _checksum(whole)}))
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error})") from error

    def sweep(self) -> None:
        """Remove what processes that were killed while they wrote have left."""
        for partial in self._folder.glob("*/*.partial"):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps too
                if time.time() - partial.stat().st_mtime > ABANDONED_S:
                    partial.unlink()


def check_writable(folder: Path, key: str) -> None:
    """Nothing, if files can be written into the folder that a recipe names at `key`; it is made if it is not there.

    Raises:
        UserError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{key}: {folder}: cannot be written ({error.strerror})") from error


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    """Of all bytes, in the order of the names."""
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(tensors[name].contiguous().numpy().tobytes(), zlib.crc32(name.encode(), value))
    return f"{value:08x}"
