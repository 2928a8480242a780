"""Weights of a checkpoint read one by one, and written in shards: memory holds one shard, never the model."""

import json
import pickle
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mglmm.schema import UserError

SHARD_BYTES = 2**30
"""Ours: small enough for any machine that can hold the model."""

_NAMES = ("model.safetensors", "pytorch_model.bin")


class TensorFiles:
    """The tensors in a folder's safetensors or `.bin` files; each is read when it is asked for.

    Args:
        folder: holds `model.safetensors` or `pytorch_model.bin`, whole or in shards with their index.

    Raises:
        UserError: there is no such file, or one is truncated, is no weight file, or holds anything but tensors.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._files = {key: path for path in _weight_files(folder) for key in _keys(path)}
        self._open: tuple[Path, Any] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __contains__(self, key: str) -> bool:
        return key in self._files

    def __getitem__(self, key: str) -> torch.Tensor:
        tensors = self._opened(self._files[key])
        return tensors[key] if isinstance(tensors, dict) else tensors.get_tensor(key)

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of a tensor, which is not read."""
        tensors = self._opened(self._files[key])
        return tuple(tensors[key].shape if isinstance(tensors, dict) else tensors.get_slice(key).get_shape())

    def _opened(self, path: Path) -> Any:
        if self._open is None or self._open[0] != path:
            self._open = (path, _load(path))
        return self._open[1]

    def in_file_order(self) -> list[str]:
        """All keys, those of one file together, so that each file is opened once."""
        return sorted(self._files, key=lambda key: str(self._files[key]))


def _weight_files(folder: Path) -> list[Path]:
    for name in _NAMES:
        index = folder / f"{name}.index.json"
        if index.is_file():
            try:
                table = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
                names = sorted({str(name) for name in table.values()})
            except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError) as error:
                raise UserError(f"{index}: not an index of weight files") from error
            missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
            if missing:
                raise UserError(f"{index}: names {missing[0]}, which is not in the folder; fetch all shards")
            return [folder / name for name in names]
        if (folder / name).is_file():
            return [folder / name]
    raise UserError(f"{folder}: holds no weights ({' or '.join(_NAMES)})")


def _load(path: Path) -> Any:
    """An open safetensors file, or the tensors of a pickle, mapped from disk and without any code being run."""
    try:
        if path.suffix == ".safetensors":
            return safe_open(path, framework="pt")
        # files of before torch 1.6 are no zip archives and cannot be mapped from disk
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: holds more than weights, or is damaged; nothing in it was run") from error
    except (SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise UserError(f"{path}: truncated or no weight file; fetch it again") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise UserError(f"{path}: not a table of weights")
    return tensors


def _keys(path: Path) -> list[str]:
    return list(_load(path).keys())


def write_shards(folder: Path, tensors: Iterable[tuple[str, torch.Tensor]], shard_bytes: int = SHARD_BYTES) -> None:
    """Write named tensors as `model-0000k-of-0000n.safetensors` with their index, as transformers does."""
    shards: list[list[str]] = []
    waiting: dict[str, torch.Tensor] = {}
    total = 0
    for name, tensor in tensors:
        waiting[name] = tensor.contiguous().clone()
        total += tensor.nbytes
        if sum(held.nbytes for held in waiting.values()) >= shard_bytes:
            shards.append(_write(folder, len(shards), waiting))
            waiting = {}
    if waiting:
        shards.append(_write(folder, len(shards), waiting))
    if len(shards) == 1:
        _part(folder, 0).rename(folder / "model.safetensors")
        return
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards):
        final = f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors"
        _part(folder, number).rename(folder / final)
        weight_map |= dict.fromkeys(names, final)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number}.safetensors"


def _write(folder: Path, number: int, tensors: dict[str, torch.Tensor]) -> list[str]:
    save_file(tensors, _part(folder, number), metadata={"format": "pt"})
    return list(tensors)
