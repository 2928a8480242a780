"""Uploaded pictures: made plain, kept in memory under a name made from their content, the oldest forgotten first."""

import hashlib
import io
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from mglmm.images import WEB_FORMATS, load_image
from mglmm.schema import UserError

MAX_UPLOAD_BYTES = 48 * 2**20
"""Of one picture. Ours: a photograph of `MAX_UPLOAD_PIXELS` as JPEG of high quality."""
MAX_UPLOAD_PIXELS = 2**26
"""Of one picture, such as 8,192 x 8,192. Ours: more than full-frame cameras make; to be unpacked it takes up to 1.1 GB
(WebP, as measured)."""
MAX_SIDE_PX = 2048
"""Larger pictures are made smaller. Ours: twice what the largest grounding encoder sees, and a mask of it is quick."""
MAX_KEPT_BYTES = 512 * 2**20
"""Of all pictures in memory. Ours: some five hundred photographs; a browser sends one that was forgotten again."""

_JPEG_QUALITY = 95
_END_OF_JPEG = b"\xff\xd9"
_JFIF_HEADER_BYTES = 14
"""Without a thumbnail. Source: JFIF 1.02, page 5, less the two bytes of the length."""


@dataclass(frozen=True)
class Kept:
    """A picture as the studio works with it: upright, RGB, at most `MAX_SIDE_PX` long, without metadata.

    `content` is a PNG or JPEG file. `uploaded_size` and `size` are (height, width) before and after.
    """

    content: bytes
    media_type: str
    size: tuple[int, int]
    uploaded_size: tuple[int, int]

    @property
    def id(self) -> str:
        """A name that only somebody who has the picture can know."""
        return hashlib.sha256(self.content).hexdigest()[:32]

    def image(self) -> Image.Image:
        """The picture, mode RGB."""
        return load_image(self.content, formats=WEB_FORMATS)


def keep(content: bytes) -> Kept:
    """The picture in an uploaded file; of one that was kept before, the same bytes again.

    What was JPEG stays JPEG, anything else becomes PNG. Nothing but pixels is kept: no metadata (such as where a
    photograph was taken), no comment, no color profile, nothing that follows the picture in its file.

    Raises:
        UserError: the file is too large, or no picture in one of `WEB_FORMATS` that can be used (see `load_image`).
    """
    if len(content) > MAX_UPLOAD_BYTES:
        raise UserError(too_large("the picture", MAX_UPLOAD_BYTES))
    image = load_image(content, max_pixels=MAX_UPLOAD_PIXELS, formats=WEB_FORMATS)
    uploaded_size = (image.height, image.width)
    image.info.clear()  # Pillow would write comments and color profiles again
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
    size = (image.height, image.width)
    with Image.open(io.BytesIO(content), formats=WEB_FORMATS) as file:
        jpeg = file.format == "JPEG"
        plain = isinstance(file, JpegImageFile) and file.mode == "RGB" and _holds_pixels_alone(file, content)
    if plain and size == uploaded_size:
        return Kept(content, "image/jpeg", size, uploaded_size)
    buffer = io.BytesIO()
    if jpeg:
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return Kept(buffer.getvalue(), "image/jpeg", size, uploaded_size)
    image.save(buffer, "PNG")
    return Kept(buffer.getvalue(), "image/png", size, uploaded_size)


def _holds_pixels_alone(file: JpegImageFile, content: bytes) -> bool:
    """Whether a JPEG has no header but JFIF's own, no comment, no thumbnail, and nothing behind its end."""
    headers = [(name, len(data)) for name, data in file.applist]
    return headers == [("APP0", _JFIF_HEADER_BYTES)] and content.find(_END_OF_JPEG) == len(content) - 2


def too_large(what: str, limit: int) -> str:
    """What a user is told about `what`, which is above `limit` bytes."""
    return f"{what} is larger than {limit // 2**20} MiB; make it smaller first"


class PictureStore:
    """The pictures that were uploaded last, by id; safe to use from several threads."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES):
        self._max_bytes = max_bytes
        self._pictures: OrderedDict[str, Kept] = OrderedDict()
        self._lock = Lock()

    def add(self, content: bytes) -> Kept:
        """Keep the picture in a file, forgetting the oldest when there is no room; Raises as `keep`."""
        kept = keep(content)
        with self._lock:
            self._pictures[kept.id] = kept
            self._pictures.move_to_end(kept.id)
            while len(self._pictures) > 1 and sum(len(p.content) for p in self._pictures.values()) > self._max_bytes:
                self._pictures.popitem(last=False)
        return kept

    def get(self, picture_id: str) -> Kept | None:
        """The picture; None if it was never uploaded or has been forgotten."""
        with self._lock:
            if picture_id in self._pictures:
                self._pictures.move_to_end(picture_id)
            return self._pictures.get(picture_id)
