"""The address of a picture in a request -> the picture, within the limits; the server's own files are never read."""

import base64
import binascii
import re

from PIL import Image

from mglmm.images import WEB_FORMATS, load_image
from mglmm.schema import UserError
from mglmm.serve.errors import ApiError
from mglmm.serve.limits import Limits

_DATA_URL = re.compile(r"data:image/[\w.+-]{1,64};base64,", re.ASCII | re.IGNORECASE)
_SHOWN = 60
"""Characters of a wrong address that the refusal repeats."""


def is_remote(url: str) -> bool:
    """Whether the picture is at another host."""
    return url[:8].lower().startswith(("http://", "https://"))


def content_of(url: str, limits: Limits, param: str) -> bytes:
    """The file in a data URL.

    Raises:
        ApiError: another kind of address, broken base64, or too large.
    """
    head = _DATA_URL.match(url)
    if head is None:
        shown = url.partition(",")[0][:_SHOWN]
        raise ApiError(
            400,
            f"{param}: {shown!r} is no data:image/...;base64, address; only those and allowed https hosts are read",
            code="invalid_image_url",
            param=param,
        )
    encoded = url[head.end() :]
    # four characters stand for three bytes, the last two of which may be padding
    if len(encoded) // 4 * 3 - 2 > limits.max_image_bytes:
        raise too_large(limits, param)
    if len(encoded) % 4 or encoded.endswith("==="):
        raise ApiError(400, f"{param}: broken base64 (wrong padding)", code="invalid_base64", param=param)
    try:
        # in its strict mode: nothing outside the alphabet is skipped
        content = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, f"{param}: broken base64 ({error})", code="invalid_base64", param=param) from error
    if len(content) > limits.max_image_bytes:
        raise too_large(limits, param)
    return content


def too_large(limits: Limits, param: str) -> ApiError:
    """The refusal of a file that has too many bytes."""
    said = f"{param}: the picture's file is above the limit of {limits.max_image_bytes:,} bytes"
    return ApiError(413, said, code="image_too_large", param=param)


def decoded(content: bytes, limits: Limits, param: str) -> Image.Image:
    """The upright RGB picture in a file's content; its size is read from its header before anything is unpacked.

    Raises:
        ApiError: no picture in one of `WEB_FORMATS`, damaged, or with too many pixels.
    """
    try:
        return load_image(content, max_pixels=limits.max_pixels, formats=WEB_FORMATS)
    except UserError as error:
        raise ApiError(400, f"{param}: {error}", code="invalid_image", param=param) from error


def data_url(content: bytes, kind: str = "png") -> str:
    """The address that holds a picture's file.

    >>> data_url(b"abc")
    'data:image/png;base64,YWJj'
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
