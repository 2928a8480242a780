"""Files that others write: COCO-style truth, COCO results, the per-image predictions of GLaMM and MGLMM.

Everything is checked while it is read; what is wrong is told by file, item and field, and nothing is left out.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pycocotools import mask as coco
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainValidator,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from mglmm import masks
from mglmm.masks import CocoRle
from mglmm.schema import UserError

ImageId = int | str
"""As the file has it: 9 and "9" are two images, and they sort differently (quirk G2)."""

Size = tuple[int, int]

_MAX_PIXELS = 2**32
"""A mask has fewer. Source: pycocotools keeps run lengths in 32 bits."""

_ContentT = TypeVar("_ContentT")
_RecordT = TypeVar("_RecordT", bound=BaseModel)


def checked_rle(value: Any) -> CocoRle:
    """`value` as compressed RLE; it may hold its runs as a list of lengths.

    Raises:
        ValueError: it is no RLE, or its runs do not fill its size.
    """
    if not isinstance(value, dict) or not {"size", "counts"} <= value.keys():
        raise ValueError("no RLE: give {'size': [height, width], 'counts': ...}")
    size, counts = value["size"], value["counts"]
    if not isinstance(size, list) or len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
        raise ValueError(f"RLE size must be two positive integers [height, width], not {size!r}")
    if isinstance(counts, list):
        if not all(type(n) is int and 0 <= n < _MAX_PIXELS for n in counts) or sum(counts) != size[0] * size[1]:
            raise ValueError(f"RLE counts must be lengths that fill {size[0]} x {size[1]} pixels")
        counts = coco.frPyObjects({"size": size, "counts": counts}, *size)["counts"].decode("ascii")
    if not isinstance(counts, str):
        raise ValueError(f"RLE counts must be text or a list of lengths, not {type(counts).__name__}")
    rle: CocoRle = {"size": size, "counts": counts}
    masks.validate(rle)
    return rle


def _image_id(value: Any) -> ImageId:
    if type(value) not in (int, str):
        raise ValueError(f"{value!r} is no id: give a whole number or text")
    return value


def _rle_or_polygons(value: Any) -> CocoRle | list[list[float]]:
    """A truth mask: RLE, or polygons, which become a mask when the size of their image is known."""
    if isinstance(value, dict):
        return checked_rle(value)
    return TypeAdapter(list[list[FiniteFloat]]).validate_python(value)


CheckedRle = Annotated[Any, PlainValidator(checked_rle)]
CheckedId = Annotated[ImageId, PlainValidator(_image_id)]


class _Lenient(BaseModel):
    """Base of what others write: a field of the wrong type is an error, one that is not known is passed over."""

    model_config = ConfigDict(strict=True, frozen=True)


class CocoImage(_Lenient):
    """One image of a truth file; many files leave out its size."""

    id: CheckedId
    file_name: str = ""
    height: PositiveInt | None = None
    width: PositiveInt | None = None


class TruthMask(_Lenient):
    """One mask of an instances-style truth file. `area`: as the file states it, in pixels (COCO's AP sorts by it)."""

    id: int
    image_id: CheckedId
    segmentation: Annotated[Any, PlainValidator(_rle_or_polygons)]
    category_id: int = 1
    area: Annotated[FiniteFloat, Field(ge=0, lt=_MAX_PIXELS)] | None = None
    iscrowd: Literal[0, 1] = 0

    def rle(self, size: Size | None) -> CocoRle:
        """The mask; `size` (height, width) is needed where it is given as polygons.

        Raises:
            ValueError: polygons without a size or with too few points, or a mask of another size.
        """
        if isinstance(self.segmentation, list):
            if size is None:
                raise ValueError("polygons need the height and width of their image")
            return masks.from_polygons(self.segmentation, size)
        if size is not None and tuple(self.segmentation["size"]) != size:
            raise ValueError(f"mask size {tuple(self.segmentation['size'])} is not {size}")
        found: CocoRle = self.segmentation
        return found


class TruthCaption(_Lenient):
    """One reference caption; `labels`: the phrases of the image's masks, in their order (GCG, MGSC)."""

    image_id: CheckedId
    caption: str
    labels: list[str] | None = None


class Category(_Lenient):
    """One class of a truth file."""

    id: int
    name: str
    isthing: Literal[0, 1] = 1


class MaskTruth(_Lenient):
    """COCO instances-style truth."""

    images: list[CocoImage]
    annotations: list[TruthMask]
    categories: list[Category] = []


class SegmentInfo(_Lenient):
    """One segment of a panoptic PNG file."""

    id: int
    category_id: int
    iscrowd: Literal[0, 1] = 0
    area: Annotated[int, Field(ge=0, lt=_MAX_PIXELS)] | None = None


class PanopticAnnotation(_Lenient):
    """The segments of one image; `file_name`: its PNG file."""

    image_id: CheckedId
    file_name: str
    segments_info: list[SegmentInfo]


class PanopticTruth(_Lenient):
    """COCO panoptic-style truth, or predictions, which may leave out images and categories."""

    images: list[CocoImage] = []
    annotations: list[PanopticAnnotation]
    categories: list[Category] = []


class CaptionTruth(_Lenient):
    """COCO captions-style truth."""

    images: list[CocoImage]
    annotations: list[TruthCaption]


class GroundedPrediction(_Lenient):
    """The answer about one image as GLaMM and MGLMM write it; the k-th phrase belongs to the k-th mask."""

    image_id: CheckedId
    caption: str
    phrases: list[str]
    pred_masks: list[CheckedRle]


class CaptionResult(_Lenient):
    """One entry of a COCO captions results file."""

    image_id: CheckedId
    caption: str


class MaskResult(_Lenient):
    """One entry of a COCO segmentation results file."""

    image_id: CheckedId
    category_id: int
    segmentation: CheckedRle
    score: FiniteFloat = 1.0


def read_as(path: Path, content: type[_ContentT]) -> _ContentT:
    """The checked content of a JSON file.

    Raises:
        UserError: it cannot be read, is no JSON, or holds something else; names file, item and field.
    """
    try:
        return TypeAdapter(content).validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}{_place(first['loc'])}: {message}") from error


def size_of(image: CocoImage) -> Size | None:
    """(height, width) of an image, where the file says it."""
    return (image.height, image.width) if image.height and image.width else None


def unique(path: Path, where: str, records: Iterable[_RecordT], field: str) -> dict[Any, _RecordT]:
    """`field` of each record -> the record, in the order of the file.

    Raises:
        UserError: two records have one key.
    """
    found: dict[Any, _RecordT] = {}
    for k, record in enumerate(records):
        if (name := getattr(record, field)) in found:
            raise UserError(f"{path}, {where} {k}, field {field}: {name!r} stands there twice")
        found[name] = record
    return found


def by_image(
    path: Path, where: str, records: Iterable[_RecordT], images: Mapping[ImageId, Any]
) -> dict[ImageId, list[_RecordT]]:
    """Image -> its records in the order of the file, an empty list where an image has none.

    Raises:
        UserError: a record names an image that is not among `images`.
    """
    found: dict[ImageId, list[_RecordT]] = {image: [] for image in images}
    for k, record in enumerate(records):
        name: ImageId = record.image_id  # type: ignore[attr-defined]
        if name not in found:
            raise UserError(f"{path}, {where} {k}, field image_id: {name!r} is no image of the truth")
        found[name].append(record)
    return found


def _place(location: tuple[int | str, ...]) -> str:
    """The item and field of a place in a JSON document, as in ", annotations 17, field area"."""
    number = next((k for k, part in enumerate(location) if isinstance(part, int)), None)
    if number is None or number == len(location) - 1:
        return f", field {'.'.join(map(str, location))}" if location else ""
    item = " ".join(map(str, location[: number + 1])) if number else f"item {location[0]}"
    return f", {item}, field {'.'.join(map(str, location[number + 1 :]))}"
