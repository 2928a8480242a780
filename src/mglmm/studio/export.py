"""What can be downloaded of a session: the picture with masks, the masks, and its sample in two forms."""

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, NamedTuple
from urllib.parse import quote

from PIL import Image
from pydantic import Field, model_validator

from mglmm import viz
from mglmm.data.export import Options, to_coco
from mglmm.images import WEB_FORMATS, load_image
from mglmm.schema import Record, Sample, UserError, write_jsonl
from mglmm.studio.pictures import MAX_SIDE_PX
from mglmm.studio.session import Session

LEGIBLE_SIDE_PX = 1024
"""Smaller pictures are enlarged by a whole factor before masks and labels are drawn. Ours."""

MAX_DRAWN = 128
"""Masks of one overlay. Ours: an answer of the usual length has room for half of them."""

MAX_STEM_CHARACTERS = 60
"""Ours: of four bytes each, with the ending they are within the 255 bytes that file systems allow a name."""


class Wanted(Record):
    """A session, and how its overlay is drawn: the masks of which turn (None: all wholes), and in which manner."""

    session: Session
    turn: Annotated[int | None, Field(ge=0)] = None
    opacity: Annotated[float, Field(ge=0, le=1)] = 0.45
    outlines: bool = True
    labels: bool = True

    @model_validator(mode="after")
    def _turn_is_there(self) -> "Wanted":
        turns = self.session.sample.turns
        if self.turn is not None and self.turn >= len(turns):
            raise ValueError(f"turn {self.turn} of a session of {len(turns)}")
        return self


class File(NamedTuple):
    """A file to download."""

    name: str
    media_type: str
    content: bytes

    @property
    def disposition(self) -> str:
        """The header Content-Disposition; a name beyond ASCII is encoded, with a plain one beside it (RFC 6266)."""
        plain = re.sub(r"[^ -~]", "_", self.name)
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name)}"


def export(form: str, wanted: Wanted) -> File:
    """The session in a form of `FORMS`.

    Raises:
        UserError: an unknown form, a picture that cannot be used (see `picture_of`), or too many masks to draw.
    """
    if form not in FORMS:
        raise UserError(f"no form {form!r}; there are {', '.join(FORMS)}")
    return FORMS[form](wanted, picture_of(wanted.session))


def to_overlay(wanted: Wanted, image: Image.Image) -> File:
    """A PNG of the picture with the masks and labels of one answer.

    Raises:
        UserError: there are more than `MAX_DRAWN` masks.
    """
    sample = wanted.session.sample
    answer = sample.turns[wanted.turn].answer if wanted.turn is not None else None
    segments = sample.children(None) if wanted.turn is None else wanted.session.segments_of(wanted.turn)
    if len(segments) > MAX_DRAWN:
        raise UserError(f"{len(segments)} masks are too many for one picture; the limit is {MAX_DRAWN}")
    scale = max(1, -(-LEGIBLE_SIDE_PX // max(image.size)))
    painted = viz.overlay(
        image,
        segments,
        answer,
        labels=wanted.labels,
        scale=scale,
        opacity=wanted.opacity,
        outlines=wanted.outlines,
    )
    return File(f"{_stem(sample)}-overlay.png", "image/png", _png(painted))


def to_masks(wanted: Wanted, _: Image.Image) -> File:
    """A ZIP of one PNG for each segment, white on black in the picture's size, named by id and label."""
    sample = wanted.session.sample
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for segment in sample.segments:
            name = "-".join([f"{segment.id:03d}", *re.findall(r"\w+", segment.label.lower())])[:MAX_STEM_CHARACTERS]
            archive.writestr(f"{name}.png", _png(Image.fromarray(segment.mask)))
    return File(f"{_stem(sample)}-masks.zip", "application/zip", buffer.getvalue())


def to_samples(wanted: Wanted, _: Image.Image) -> File:
    """One line of JSON lines in the project's format, as every command about data reads it."""
    sample = wanted.session.sample
    return File(f"{_stem(sample)}.jsonl", "application/jsonl", (sample.model_dump_json() + "\n").encode())


def to_coco_instances(wanted: Wanted, _: Image.Image) -> File:
    """COCO instances, as `mglmm data export coco` writes them."""
    sample = wanted.session.sample
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.jsonl"
        write_jsonl(path, [sample])
        to_coco(path, folder, Options(name="session"))
        found = json.loads((Path(folder) / "annotations" / "session.json").read_text(encoding="utf-8"))
    found["images"][0]["file_name"] = sample.image
    return File(f"{_stem(sample)}-coco.json", "application/json", json.dumps(found, ensure_ascii=False).encode())


FORMS: Mapping[str, Callable[[Wanted, Image.Image], File]] = {
    "overlay": to_overlay,
    "masks": to_masks,
    "samples": to_samples,
    "coco": to_coco_instances,
}
"""Name in the address -> what makes the file of a session and its picture."""


def picture_of(session: Session) -> Image.Image:
    """The picture of a session, mode RGB.

    Raises:
        UserError: it cannot be read, is larger than the studio makes any, or has not the size of the masks.
    """
    try:
        image = load_image(session.content, max_pixels=MAX_SIDE_PX**2, formats=WEB_FORMATS)
    except (ValueError, UserError) as error:
        raise UserError(f"the session: {error}") from None
    if (image.height, image.width) != session.sample.size:
        raise UserError(
            f"the session: its picture is {image.width} x {image.height}, "
            f"but its masks are {session.sample.size[1]} x {session.sample.size[0]}"
        )
    return image


def _stem(sample: Sample) -> str:
    """The name of the picture without folder and ending, safe as the name of a file."""
    return "-".join(re.findall(r"\w+", PurePosixPath(sample.image).stem))[:MAX_STEM_CHARACTERS] or "picture"


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
