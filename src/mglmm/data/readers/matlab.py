"""Matlab's files of version 5: texts, numbers, structs and cells.

Read here and not with SciPy, whose reader ends the process (segmentation fault) on some damaged files. Source of the
format: "MAT-File Format", MathWorks.
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from mglmm.data.readers.files import read_bytes
from mglmm.schema import UserError

MAX_BYTES = 1 << 28
"""A variable that is larger when unpacked is refused. Ours: an image of Pascal-Part with its masks has up to 30 MB."""

_HEADER_BYTES = 128
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)


def read_matlab(path: Path) -> dict[str, Any]:
    """The variables of a file by name.

    Numbers are arrays of Matlab's shape; a text is a str; a cell array is a list, a struct array a list of dicts, both
    in Matlab's order (column by column).

    Raises:
        UserError: it cannot be read, is damaged, is of another version, or holds something else (objects, sparse).
    """
    content = read_bytes(path)
    try:
        if len(content) < _HEADER_BYTES or content[126:128] not in (b"IM", b"MI"):
            raise ValueError("it does not begin as files of version 5 do")
        order = "<" if content[126:128] == b"IM" else ">"
        return dict(_variable(kind, data, order) for kind, data in _elements(content[_HEADER_BYTES:], order))
    except (ValueError, TypeError, struct.error, zlib.error, LookupError, RecursionError) as error:
        raise UserError(f"{path}: the Matlab file is damaged ({' '.join(str(error).split())})") from None


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of every element."""
    place = 0
    while place < len(content):
        kind, size = struct.unpack_from(order + "II", content, place)
        start = place + 8
        if kind >> 16:  # up to four bytes stand in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
        if start + size > len(content) or (start == place + 4 and size > 4):
            raise ValueError(f"an element of {size} bytes is cut short")
        yield kind, content[start : start + size]
        place = start + size if kind == _COMPRESSED else -(-(start + size) // 8) * 8


def _variable(kind: int, data: bytes, order: str) -> tuple[str, Any]:
    """Name and value of a top-level element."""
    if kind == _COMPRESSED:
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(data, MAX_BYTES)
        if not unpacker.eof:
            raise ValueError("a compressed variable is cut short, or too large")
        kind, data = next(_elements(unpacked, order), (0, b""))
    if kind != _MATRIX:
        raise ValueError(f"a variable of type {kind} is no array")
    return _matrix(data, order)


def _matrix(data: bytes, order: str) -> tuple[str, Any]:
    """Name and value of an array."""
    if not data:  # how empty arrays inside of others are written
        return "", np.zeros((0, 0))
    parts = _elements(data, order)
    kind = int(_numbers(next(parts, None), order)[0]) & 0xFF
    shape = _numbers(next(parts, None), order).tolist()
    name = _text(next(parts, None))
    if min(shape, default=-1) < 0:
        raise ValueError(f"an array has the shape {shape}")
    count = prod(shape)
    if kind == _CELL:
        return name, _values(parts, count, order)
    if kind == _STRUCT:
        width = int(_numbers(next(parts, None), order)[0])
        names = _text(next(parts, None))
        if width < 1:
            raise ValueError("the fields of a struct have no names")
        fields = [names[k : k + width].partition("\0")[0] for k in range(0, len(names), width)]
        values = _values(parts, count * len(fields), order)
        return name, [dict(zip(fields, values[k * len(fields) :], strict=False)) for k in range(count if fields else 0)]
    if kind == _CHAR:
        return name, _text(next(parts, None), order)
    if kind not in _NUMERIC:
        raise ValueError(f"arrays of class {kind} are not read")
    return name, _numbers(next(parts, None), order).reshape(shape, order="F")


def _values(parts: Iterator[tuple[int, bytes]], count: int, order: str) -> list[Any]:
    """The next `count` arrays."""
    found = []
    for _ in range(count):
        kind, data = next(parts, (0, b""))
        if kind != _MATRIX:
            raise ValueError("a cell or struct array is cut short")
        found.append(_matrix(data, order)[1])
    return found


def _numbers(element: tuple[int, bytes] | None, order: str) -> np.ndarray:
    """The numbers of an element."""
    if element is None:
        raise ValueError("an array is cut short")
    return np.frombuffer(element[1], dtype=order + _NUMBERS[element[0]])


def _text(element: tuple[int, bytes] | None, order: str = "<") -> str:
    """The text of an element."""
    if element is None:
        raise ValueError("an array is cut short")
    encoding = _TEXTS[element[0]]
    return element[1].decode(encoding + ("-le" if order == "<" else "-be") if encoding == "utf-16" else encoding)
