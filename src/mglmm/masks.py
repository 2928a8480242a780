"""Masks as COCO compressed run-length encoding (RLE): the set operations and geometry the project needs.

A mask is `bool[H, W]`; an RLE is the plain dict that pycocotools works on, with `counts` as text so that it can be
written to JSON. Whatever pycocotools can compute on the runs (area, box, union, intersections) never decodes.
"""

import re
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from pycocotools import mask as coco

_FIRST_CHARACTER = 48
_LAST_CODE = 63
_MORE = 32
"""The bit of a character after which its number goes on."""
_SIGN = 16
"""The bit of a number's last character that is its sign."""
_MAX_RUN_CHARACTERS = 7
"""Of 5 bits each: enough for a run of 32 bits with its sign, which is what the COCO API keeps."""
_MAX_RUN = (1 << 32) - 1
"""The longest run that the COCO API keeps; so many runs that their sum would leave 64 bits fit into no memory."""

_WITHOUT_SECOND_RUN = re.compile(r"[P-o]*[0-O](?:P*0|$)")
"""Counts whose second run, the first of foreground, is missing or has no pixel."""

_AREAS_AT_ONCE = 255
"""pycocotools 2.0.11 puts the number of masks into a byte and raises OverflowError for more."""


class CocoRle(TypedDict):
    """COCO compressed RLE: `size` is [height, width], `counts` the compressed column-major runs (ASCII)."""

    size: list[int]
    counts: str


def encode(mask: np.ndarray) -> CocoRle:
    """The RLE of `mask` (bool[H, W]).

    Raises:
        ValueError: not a two-dimensional boolean array, or one without pixels.

    >>> encode(np.array([[True, False], [True, False]]))["size"]
    [2, 2]
    """
    if mask.ndim != 2 or mask.dtype != np.bool_ or mask.size == 0:
        raise ValueError(f"a mask is bool[H, W] with at least one pixel, not {mask.dtype}{list(mask.shape)}")
    return _from_coco(coco.encode(np.asfortranarray(mask, dtype=np.uint8)))


def encode_many(masks: np.ndarray) -> list[CocoRle]:
    """The RLE of each of `masks` (bool[N, H, W])."""
    if masks.ndim != 3:
        raise ValueError(f"masks are bool[N, H, W], not {masks.dtype}{list(masks.shape)}")
    return [encode(mask) for mask in masks]


def decode(rle: CocoRle) -> np.ndarray:
    """bool[H, W] of an RLE."""
    return np.ascontiguousarray(coco.decode(rle)).astype(np.bool_)


def decode_many(rles: Sequence[CocoRle]) -> np.ndarray:
    """bool[N, H, W] of RLEs of one size.

    Raises:
        ValueError: no RLE (the size would be unknown), or RLEs of different sizes.
    """
    _common_size(rles)
    return np.ascontiguousarray(np.moveaxis(coco.decode(list(rles)), 2, 0)).astype(np.bool_)


def validate(rle: CocoRle, size: tuple[int, int] | None = None) -> None:
    """Returns nothing if `rle` is well formed and, where given, of `size` (height, width).

    The runs are checked before they are handed to pycocotools, which trusts them and would read or write outside its
    buffer when they do not add up to the size.

    Raises:
        ValueError: size not two positive ints, another size than `size`, or runs that do not fill the mask.
    """
    if len(rle["size"]) != 2 or not all(isinstance(n, int) and n > 0 for n in rle["size"]):
        raise ValueError(f"RLE size must be two positive integers (height, width), not {rle['size']}")
    if size is not None and tuple(rle["size"]) != tuple(size):
        raise ValueError(f"RLE size {tuple(rle['size'])} is not the expected {tuple(size)}")
    totals, lowest = _fillings([rle["counts"]])
    pixels = rle["size"][0] * rle["size"][1]
    if totals[0] != pixels or lowest < 0:
        raise ValueError(f"RLE counts fill {totals[0]} pixels of {pixels}, or hold a negative run")


def validate_many(counts: Sequence[str], sizes: Sequence[tuple[int, int]], size: tuple[int, int] | None = None) -> None:
    """As `validate` of each RLE of these `counts` and `sizes`, but a hundred at once take a tenth of the time.

    Raises:
        ValueError: for the first that is wrong.
    """
    if not _all_fill(counts, sizes, size):
        for text, own in zip(counts, sizes, strict=True):
            validate({"size": list(own), "counts": text}, size)


def _all_fill(counts: Sequence[str], sizes: Sequence[tuple[int, int]], size: tuple[int, int] | None) -> bool:
    """Whether the runs of all fill them and, where given, all are of `size`."""
    kinds = set(sizes)
    if any(min(own) < 1 or size not in (None, own) for own in kinds):
        return False
    try:
        totals, lowest = _fillings(counts)
    except ValueError:
        return False
    pixels = {own: own[0] * own[1] for own in kinds}
    return lowest >= 0 and totals.tolist() == [pixels[own] for own in sizes]


def area(rle: CocoRle) -> int:
    """Number of pixels."""
    return int(coco.area(rle))


def is_empty(counts: str) -> bool:
    """Whether a mask of these compressed counts has no pixel; of most it is told by the first few characters."""
    # the area is that of the runs, whatever the size
    return _WITHOUT_SECOND_RUN.match(counts) is not None and area({"size": [1, 1], "counts": counts}) == 0


def areas(rles: Sequence[CocoRle]) -> np.ndarray:
    """int64[N]: number of pixels of each."""
    found = np.zeros(len(rles), dtype=np.int64)
    for start in range(0, len(rles), _AREAS_AT_ONCE):
        found[start : start + _AREAS_AT_ONCE] = coco.area(list(rles[start : start + _AREAS_AT_ONCE]))
    return found


def box(rle: CocoRle) -> tuple[float, float, float, float]:
    """xyxy box in absolute pixels, right and bottom exclusive; all zero for an empty mask."""
    x0, y0, x1, y1 = boxes([rle])[0].tolist()
    return x0, y0, x1, y1


def boxes(rles: Sequence[CocoRle]) -> np.ndarray:
    """float64[N, 4]: xyxy boxes in absolute pixels, right and bottom exclusive; all zero for an empty mask."""
    xywh = np.asarray(coco.toBbox(list(rles)), dtype=np.float64).reshape(len(rles), 4)
    xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    return np.where(xywh[:, 2:].min(axis=1, keepdims=True, initial=np.inf) > 0, xyxy, 0.0)


def intersection_matrix(a: Sequence[CocoRle], b: Sequence[CocoRle]) -> np.ndarray:
    """int64[A, B]: pixels that `a[i]` and `b[j]` share."""
    return np.rint(containment_matrix(a, b) * areas(a)[:, None]).astype(np.int64)


def containment_matrix(a: Sequence[CocoRle], b: Sequence[CocoRle]) -> np.ndarray:
    """float64[A, B]: share of `a[i]`'s pixels that lie inside `b[j]`, 0..1; 0 where `a[i]` is empty.

    pycocotools divides by the area of the first mask alone when the second is marked as a crowd.
    """
    return _coco_iou(a, b, crowd=True)


def iou_matrix(a: Sequence[CocoRle], b: Sequence[CocoRle]) -> np.ndarray:
    """float64[A, B]: intersection over union, 0..1; 0 where both are empty."""
    return _coco_iou(a, b, crowd=False)


def union(rles: Sequence[CocoRle]) -> CocoRle:
    """The RLE of the pixels that are in any of `rles` (at least one, all of one size)."""
    _common_size(rles)
    return _from_coco(coco.merge(list(rles), intersect=False))


def intersect(rles: Sequence[CocoRle]) -> CocoRle:
    """The RLE of the pixels that are in all of `rles` (at least one, all of one size)."""
    _common_size(rles)
    return _from_coco(coco.merge(list(rles), intersect=True))


def subtract(a: CocoRle, b: CocoRle) -> CocoRle:
    """The RLE of the pixels that are in `a` and not in `b`."""
    _common_size([a, b])
    return encode(decode(a) & ~decode(b))


def connected_components(mask: np.ndarray) -> list[np.ndarray]:
    """The 8-connected parts of `mask` (bool[H, W]) as bool[H, W] each, largest first; ties: topmost row first.

    Runs of the rows are joined with a union-find, so the cost grows with the outline and not with the area.
    """
    rows, starts, ends = _row_runs(mask)
    labels = _join_runs(rows, starts, ends)
    names, inverse = np.unique(labels, return_inverse=True)
    sizes = np.bincount(inverse, weights=ends - starts, minlength=len(names))
    parts = []
    for k in np.argsort(-sizes, kind="stable"):
        part = np.zeros(mask.shape, dtype=np.bool_)
        for r in np.flatnonzero(inverse == k):
            part[rows[r], starts[r] : ends[r]] = True
        parts.append(part)
    return parts


def resize(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """bool[h, w] of `mask` (bool[H, W]) at `size` (height, width): true where at least half of the area it covers was.

    Going down each new pixel asks for the exact share of the mask in the rectangle that it covers, so that thin shapes
    keep their area as far as the new grid allows; going up this equals taking the nearest pixel.
    """
    height, width = mask.shape
    rows = _overlaps(height, size[0])
    columns = _overlaps(width, size[1])
    return rows @ mask.astype(np.float64) @ columns.T >= 0.5 - 1e-9


def from_polygons(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> CocoRle:
    """The RLE of the union of polygons, each flat [x0, y0, x1, y1, ...] in absolute pixels, on a mask of `size` (h, w).

    Raises:
        ValueError: no polygon, or one with fewer than three points, an odd number of values or a point farther from the
            image than the image is long (pycocotools walks along every edge, which would fill the memory).
    """
    if not polygons:
        raise ValueError("no polygon")
    height, width = size
    reach = max(size)
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon needs at least 3 points as x, y pairs, not {len(polygon)} values")
        if outside := [v for v in polygon if not -reach <= v <= 2 * reach]:
            raise ValueError(f"a polygon holds {outside[0]}, which is far outside an image of {height} x {width}")
    # pycocotools takes a list of exactly four numbers for a box, so each polygon goes in as a list of floats
    return union([_from_coco(r) for r in coco.frPyObjects([[float(v) for v in p] for p in polygons], height, width)])


def _from_coco(rle: dict[str, Any]) -> CocoRle:
    return {"size": [int(n) for n in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _common_size(rles: Sequence[CocoRle]) -> tuple[int, int]:
    sizes = {(r["size"][0], r["size"][1]) for r in rles}
    if len(sizes) != 1:
        raise ValueError(f"masks must share one size, not {sorted(sizes) or 'none at all'}")
    return sizes.pop()


def _coco_iou(a: Sequence[CocoRle], b: Sequence[CocoRle], crowd: bool) -> np.ndarray:
    if not a or not b:
        return np.zeros((len(a), len(b)))
    _common_size([*a, *b])
    values = np.asarray(coco.iou(list(a), list(b), [int(crowd)] * len(b)), dtype=np.float64).reshape(len(a), len(b))
    # pycocotools skips the runs of masks whose boxes do not touch, and divides zero by zero for empty ones
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).clip(0.0, 1.0)


def _fillings(texts: Sequence[str]) -> tuple[np.ndarray, int]:
    """The sum of the runs in each of some compressed counts (int64[N]), and the shortest run of all.

    Source: `rleFrString` of the COCO API (maskApi.c).

    Raises:
        ValueError: a character outside the alphabet, a run that ends in the middle or needs more than 32 bits.
    """
    numbers, ends = _stored_numbers(texts)
    starts = np.concatenate(([0], ends))[:-1]
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    # from the fourth on a run is stored as its difference from the one before the last: every second number is summed
    # up, through all texts at once, and what the texts before have added is taken off
    sums = np.concatenate(([0, 0], numbers))
    for parity in (0, 1):
        sums[parity::2].cumsum(out=sums[parity::2])
    runs, before_second, before_third = sums[2:], sums[starts + 1], sums[starts + 2]
    for parity in (0, 1):
        count = (ends + 1 - parity) // 2 - (starts + 1 - parity) // 2
        runs[parity::2] -= np.repeat(np.where(starts % 2 == parity, before_third, before_second), count)
    runs[starts] = numbers[starts]
    if runs.max(initial=0) > _MAX_RUN:
        raise ValueError("RLE counts hold a run of more than 32 bits")
    totals = np.zeros(len(texts), dtype=np.int64)
    totals[filled] = np.add.reduceat(runs, starts)
    return totals, int(runs.min(initial=0))


def _stored_numbers(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers in compressed counts, one text after the other (int64[R]), and where those of each end (int64[N]).

    A number has 5 bits a character, the least first; the highest bit of the last character is its sign.
    """
    joined = "".join(texts)
    if not joined:
        return np.zeros(0, dtype=np.int64), np.zeros(len(texts), dtype=np.int64)
    try:
        codes = np.frombuffer(joined.encode("latin-1"), dtype=np.uint8) - np.uint8(_FIRST_CHARACTER)
    except UnicodeEncodeError as error:
        raise ValueError(f"RLE counts hold the character {joined[error.start]!r}") from None
    if codes.max() > _LAST_CODE:
        raise ValueError(f"RLE counts hold the character {joined[int((codes > _LAST_CODE).argmax())]!r}")
    ends = np.fromiter(map(len, texts), np.int64, len(texts)).cumsum()
    more = codes >= _MORE
    if more[ends[ends > 0] - 1].any():
        raise ValueError("RLE counts end in the middle of a run")
    # every character as if it were the last of its number; then those before it are put in, one place back at a time
    numbers = (codes ^ _SIGN).astype(np.int64) - _SIGN
    longer, back = np.flatnonzero(more[:-1] > more[1:]) + 1, 1
    while longer.size:
        if back == _MAX_RUN_CHARACTERS:
            raise ValueError("RLE counts hold a run of more than 32 bits")
        numbers[longer] = numbers[longer] << 5 | codes[longer - back] & _MORE - 1
        back += 1
        longer = longer[more[longer - back]]
    last = np.flatnonzero(~more)
    return numbers[last], last.searchsorted(ends)


def _row_runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, first and one-past-last column of every horizontal run of true pixels, in reading order (int64[R] each)."""
    padded = np.pad(mask.astype(np.int8), ((0, 0), (1, 1)))
    edges = np.diff(padded, axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return rows, starts, ends


def _join_runs(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """int64[R]: for each run the index of the first run of its 8-connected component."""
    root = list(range(len(rows)))

    def _first_of(k: int) -> int:
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    above = 0
    for k in range(len(rows)):
        while rows[above] < rows[k] - 1 or (rows[above] == rows[k] - 1 and ends[above] < starts[k]):
            above += 1
        other = above
        while rows[other] == rows[k] - 1 and starts[other] <= ends[k]:
            first, second = sorted((_first_of(other), _first_of(k)))
            root[second] = first
            other += 1
    return np.array([_first_of(k) for k in range(len(rows))], dtype=np.int64)


def _overlaps(old: int, new: int) -> np.ndarray:
    """float64[new, old]: share of each new cell that each old cell covers, when both grids span the same length."""
    edges = np.arange(new + 1) * (old / new)
    left = np.maximum(edges[:-1, None], np.arange(old)[None, :])
    right = np.minimum(edges[1:, None], np.arange(1, old + 1)[None, :])
    return np.clip(right - left, 0.0, None) * (new / old)
