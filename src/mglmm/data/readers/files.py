"""Files of data sets: paths that stay inside their folder, sizes of pictures without their pixels, safe unpickling."""

import io
import json
import os
import pickle
import re
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn

import numpy as np
from PIL import Image, UnidentifiedImageError

from mglmm.images import MAX_PIXELS
from mglmm.schema import UserError

_TURNED = {5, 6, 7, 8}
"""EXIF orientations that swap height and width. Source: Exif 2.32, tag 274."""

_ORIENTATION_TAG = 0x0112

_BROKEN_PICKLE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    struct.error,
)
"""What `pickle` raises on damaged files. Source: its documentation, and cutting and changing files (the tests)."""

_MAY_LEAD_OUT = re.compile(r"^$|^/|[\\:\0]|\.\.")
"""What there is in every name that leads out of a folder, on whatever machine."""

_BROKEN_PICTURE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def inside(folder: Path, name: str) -> Path:
    """`folder / name`, for a name that stands in a file.

    Raises:
        UserError: the name is empty, absolute, or climbs out of the folder with "..".
    """
    if _MAY_LEAD_OUT.search(name) and _leads_out(name):
        raise UserError(f"{folder}: the file name {name!r} leads out of the folder; only names inside it are read")
    return folder / name


def _leads_out(name: str) -> bool:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    parts = (*posix.parts, *windows.parts)
    return not name or "\0" in name or posix.is_absolute() or bool(windows.anchor) or ".." in parts


def existing(path: Path, what: str) -> Path:
    """The path of a file that is there.

    Raises:
        UserError: it is not; `what` says what it should be.
    """
    # Path.is_file raises for a name that is too long
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file; it should be {what}")
    return path


def first_folder(candidates: Sequence[Path]) -> Path:
    """The first of the folders that exists; where none does the first, so that errors name it."""
    return next((path for path in candidates if path.is_dir()), candidates[0])


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def read_json(path: Path) -> Any:
    """The value in a JSON file (UTF-8) that is small enough to be held.

    Raises:
        UserError: it cannot be read, is cut short, or is not JSON.
    """
    return parse_json(read_bytes(path), str(path))


def parse_json(text: bytes | str, place: str) -> Any:
    """The value in a JSON text; `place` names it in errors.

    Raises:
        UserError: it is cut short, not JSON, or holds half a character ("\\ud800").
    """
    try:
        value = json.loads(text)
        # any other text has come from bytes, or from escapes of whole characters
        raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        if b"\\ud" in raw.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (json.JSONDecodeError, UnicodeError, RecursionError) as error:
        raise UserError(f"{place}: not valid JSON, or cut short ({error})") from None
    return value


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file that are not blank, without the space around them.

    Raises:
        UserError: it cannot be read, or is not UTF-8.
    """
    try:
        return [line.strip() for line in read_bytes(path).decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text") from error


def image_size(path: Path, content: bytes | None = None) -> tuple[int, int]:
    """(height, width) of the upright picture in a file, from its header alone.

    `content`: the picture itself, where it stands inside of another file, that `path` names in errors.

    Raises:
        UserError: missing, not a picture, or above `MAX_PIXELS`.
    """
    try:
        # Pillow's own limit only warns at this size, and says so on the terminal
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path if content is None else io.BytesIO(content)) as file:
                width, height = file.size
                turned = file.getexif().get(_ORIENTATION_TAG) in _TURNED
    except FileNotFoundError:
        raise UserError(f"{path}: no such picture") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not a picture in a known format") from None
    except _BROKEN_PICTURE as error:
        raise UserError(f"{path}: the picture is damaged ({error})") from None
    if width * height > MAX_PIXELS:
        raise UserError(f"{path}: above the limit of {MAX_PIXELS:,} pixels")
    return (width, height) if turned else (height, width)


def check_image(path: Path, size: tuple[int, int]) -> None:
    """Nothing, if there is a picture of `size` (height, width) at `path`.

    Raises:
        UserError: it is missing, no picture, or of another size.
    """
    found = image_size(path)
    if found != size:
        raise UserError(f"{path}: the picture is {found[0]} x {found[1]}, its record says {size[0]} x {size[1]}")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a data set: where they lie, and whether they must be there and of the size stated."""

    root: Path
    folder: Path
    check: bool

    def place(self, name: str, size: tuple[int, int]) -> str:
        """Where the picture called `name` lies, relative to the root, as `Sample.image` has it.

        Raises:
            UserError: the name leads out of the folder, or (if they are checked) there is no picture of this `size`.
        """
        path = inside(self.folder, name)
        if self.check:
            check_image(path, size)
        return self._from_root(name)

    def measure(self, name: str) -> tuple[str, tuple[int, int]]:
        """Where the picture called `name` lies, as `place`, and its size, for data sets that do not state it.

        Raises:
            UserError: the name leads out of the folder, or there is no picture.
        """
        path = inside(self.folder, name)
        return self._from_root(name), image_size(path)

    @cached_property
    def _folder_from_root(self) -> str:
        return os.path.relpath(self.folder, self.root)

    def _from_root(self, name: str) -> str:
        return Path(self._folder_from_root, name).as_posix()


def read_ids(path: Path, content: bytes | None = None, colors: bool = False) -> np.ndarray:
    """int32[H, W] of a PNG whose pixels are ids: grey or palette as they are, color as R + 256 G + 65536 B.

    `content` as of `image_size`. `colors`: a palette stands for its colors (a color PNG that was made smaller).

    Raises:
        UserError: missing, not a picture, damaged, or of a mode that holds no ids.
    """
    image_size(path, content)
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as file:
            picture = file.convert("RGB") if colors and file.mode == "P" else file
            mode, values = picture.mode, np.asarray(picture)
    except _BROKEN_PICTURE as error:
        raise UserError(f"{path}: the picture is damaged ({error})") from None
    if mode in ("RGB", "RGBA"):
        values = values.astype(np.int32)
        return values[:, :, 0] + 256 * values[:, :, 1] + 65536 * values[:, :, 2]
    if values.ndim != 2:
        raise UserError(f"{path}: a picture of mode {mode} holds no ids; a PNG of mode L, P, I or RGB does")
    return values.astype(np.int32)


class _PlainUnpickler(pickle.Unpickler):
    """Builds numbers, texts, lists, tuples, sets and dicts; anything else would be code of the file's choice."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse to look up a class or function."""
        raise UserError(f"asks for {module}.{name}; only numbers, texts, lists and dicts are read from a pickle")

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse to look up an object outside of the file."""
        raise UserError("refers to objects outside of itself; only plain data is read from a pickle")


def read_pickle(path: Path) -> Any:
    """The plain data in a pickle: numbers, texts, lists, tuples, sets and dicts. No code of the file is run.

    Raises:
        UserError: the file cannot be read, is damaged, or asks for anything else.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="utf-8").load()
    except UserError as error:
        raise UserError(f"{path}: the pickle {error}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except _BROKEN_PICKLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: the pickle is damaged ({reason})") from None
