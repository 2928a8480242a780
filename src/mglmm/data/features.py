"""What a frozen encoder makes of pictures, kept on disk: a file for each, in float16, found by its pixels.

Many processes may read and write one folder: a file is there whole or not at all, and who writes it again writes the
same.
"""

import hashlib
import os
import tempfile
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mglmm.schema import UserError

Tensors = dict[str, torch.Tensor]

KEY_BYTES = 20
"""Length of a picture's key. Ours: SHA-1's, so that two pictures never share one."""


def picture_key(image: Image.Image) -> bytes:
    """`KEY_BYTES` bytes that stand for the pixels of an image."""
    content = hashlib.blake2b(f"{image.mode} {image.size}".encode(), digest_size=KEY_BYTES)
    content.update(image.tobytes())
    return content.digest()


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

        A damaged file counts as not there, with a warning: who makes the features anew replaces it.
        """
        path = self.path(key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
                intact = (file.metadata() or {}).get("crc32") == _checksum(tensors)
        except SafetensorError:
            intact = False
        if not intact:
            warnings.warn(f"{path}: damaged; its features are made anew", stacklevel=2)
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
            handle, partial = tempfile.mkstemp(prefix=path.name, suffix=".partial", dir=path.parent)
            os.close(handle)
            try:
                save_file(whole, partial, {"crc32": _checksum(whole)})
                os.replace(partial, path)
            finally:
                Path(partial).unlink(missing_ok=True)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: cannot be written ({error})") from error


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    """Of all bytes, in the order of the names."""
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(tensors[name].contiguous().numpy().tobytes(), zlib.crc32(name.encode(), value))
    return f"{value:08x}"
