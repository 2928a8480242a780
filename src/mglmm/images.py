"""Any picture a user can hand over -> one upright RGB picture; every way it can be broken -> one clear line."""

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mglmm.schema import UserError

ImageSource = str | Path | bytes | Image.Image | np.ndarray
"""A file's path, a file's content, a PIL picture in any mode, or an array (see `from_array`)."""

MAX_PIXELS = 89_478_485
"""The largest picture that is opened (about 9,450 x 9,450). Source: Pillow's `MAX_IMAGE_PIXELS`, beyond which a file of
a few kilobytes may be made to fill the memory."""

WEB_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
"""Pillow's names of what a server reads. Source: those that OpenAI's API takes; others may run programs (EPS) or
rarely tried decoders."""

KEY_BYTES = 20
"""Length of a picture's key. Ours: SHA-1's, so that two pictures never share one."""

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files, as found by damaging files (tests/test_images.py)."""

_STRIP_PIXELS = 2**20
"""So many are converted at once; ours: what they take on the way is little beside a picture that could be too large."""

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what makes the picture upright; 1 is upright. Source: Exif 2.32, tag 274."""


def load_image(
    source: ImageSource, *, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] | None = None
) -> Image.Image:
    """The upright picture in mode RGB, independent of `source`; the first frame of an animation.

    EXIF rotation is applied, transparent pixels are laid on white, 16-bit grey keeps its full range (65535 is white),
    32-bit and float grey is stretched from its darkest to its brightest pixel.

    Args:
        max_pixels: of a file, at most `MAX_PIXELS`; checked before its pixels are unpacked.
        formats: Pillow's names of those that a file may have; None: all that Pillow knows.

    Raises:
        UserError: missing, a folder, unreadable, not a picture, damaged, without pixels or above `max_pixels`.
    """
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, Image.Image):
        return _upright_rgb(source, "the picture")
    name = "the picture" if isinstance(source, bytes) else str(source)
    content = source if isinstance(source, bytes) else _read(Path(source))
    if not content:
        raise UserError(f"{name}: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=formats)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(f"{name}: above the limit of {max_pixels:,} pixels; make it smaller first") from None
    except UnidentifiedImageError:
        known = ", ".join(formats or ("PNG", "JPEG", "WebP", "GIF", "TIFF", "BMP", "..."))
        raise UserError(f"{name}: not a picture in a known format ({known})") from None
    except _BROKEN as error:
        raise UserError(f"{name}: the picture is damaged ({_reason(error)})") from None
    _check_size(*picture.size, name, max_pixels)
    rgb, turn = _rgb_and_turn(picture, name)
    del picture  # before there is a third one
    return rgb.transpose(turn) if turn is not None else rgb


def from_array(array: np.ndarray) -> Image.Image:
    """The picture of an array, mode RGB.

    `array` is [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4] (RGBA) of uint8 0..255, uint16 0..65535, bool, or
    float 0..1.

    Raises:
        UserError: any other shape or type, or values outside the range.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise UserError(f"an array of shape {array.shape} is no picture; give [H, W], [H, W, 3] or [H, W, 4]")
    if array.dtype == np.uint16:
        array = _to_8_bit(array, 0.0, 65535.0)
    elif array.dtype == bool or np.issubdtype(array.dtype, np.floating):
        # the comparison is false for NaN too
        if array.size and not (array.min() >= 0 and array.max() <= 1):
            raise UserError("an array of floats must lie between 0 and 1 to be a picture")
        array = _to_8_bit(array, 0.0, 1.0)
    elif array.dtype != np.uint8:
        raise UserError(f"an array of type {array.dtype} is no picture; give uint8, uint16, bool or float")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    _check_size(array.shape[1], array.shape[0], "the picture")
    return _upright_rgb(Image.fromarray(np.ascontiguousarray(array)), "the picture")


def picture_key(image: Image.Image) -> bytes:
    """`KEY_BYTES` bytes that stand for the pixels of an image, its mode and its size."""
    content = hashlib.blake2b(f"{image.mode} {image.size}".encode(), digest_size=KEY_BYTES)
    content.update(image.tobytes())
    return content.digest()


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path}: is a folder, not a picture")
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if not path.is_file():
        raise UserError(f"{path}: not a file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _upright_rgb(picture: Image.Image, name: str) -> Image.Image:
    rgb, turn = _rgb_and_turn(picture, name)
    return rgb.transpose(turn) if turn is not None else rgb


def _rgb_and_turn(picture: Image.Image, name: str) -> tuple[Image.Image, Image.Transpose | None]:
    """The picture in mode RGB, a copy also when it is RGB already, and what makes it upright."""
    _check_size(*picture.size, name)
    try:
        picture.load()
        turn = _UPRIGHT.get(picture.getexif().get(_ORIENTATION_TAG, 1))
        return _to_rgb(picture), turn
    except _BROKEN as error:
        raise UserError(f"{name}: the picture is damaged ({_reason(error)})") from None


def _check_size(width: int, height: int, name: str, most: int = MAX_PIXELS) -> None:
    if width < 1 or height < 1:
        raise UserError(f"{name}: has no pixels ({width} x {height})")
    if width * height > most:
        raise UserError(f"{name}: {width} x {height} is above the limit of {most:,} pixels; make it smaller first")


def _to_rgb(picture: Image.Image) -> Image.Image:
    """A copy in mode RGB, made strip by strip: what is needed on the way takes little memory."""
    black, white = _range(picture)
    rgb = Image.new("RGB", picture.size)
    for top, strip in _strips(picture):
        if _is_wide(picture):
            strip = Image.fromarray(_to_8_bit(_values(strip), black, white))
        if strip.has_transparency_data:
            rgba = strip.convert("RGBA")
            strip = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        rgb.paste(strip.convert("RGB"), (0, top))
    return rgb


def _strips(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(top, strip) of the picture from top to bottom."""
    rows = max(1, _STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _is_wide(picture: Image.Image) -> bool:
    """Whether it is grey of more than 8 bits."""
    return picture.mode in ("I", "F") or picture.mode.startswith("I;16")


def _range(picture: Image.Image) -> tuple[float, float]:
    """What becomes black and what becomes white in wide grey."""
    if picture.mode not in ("I", "F"):
        return 0.0, 65535.0
    ranges = [(values.min(), values.max()) for _, strip in _strips(picture) for values in [_values(strip)]]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _values(strip: Image.Image) -> np.ndarray:
    """float64 [h, w] of wide grey."""
    return np.nan_to_num(np.asarray(strip, dtype=np.float64))


def _to_8_bit(values: np.ndarray, black: float, white: float) -> np.ndarray:
    """`values` with `black` at 0 and `white` at 255, uint8 of the same shape."""
    scale = 255.0 / max(white - black, 1e-12)
    return np.round((values.astype(np.float64) - black) * scale).clip(0, 255).astype(np.uint8)


def _reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
