"""Plain folders of your own: pictures, masks as PNG, and a table of phrases."""

import csv
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BeforeValidator

from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import existing, image_size, inside, parse_json, read_ids
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.instructions import instruction
from mglmm.phrasing import Mention, grounded
from mglmm.schema import Rle, Sample, Segment, Turn, UserError

MaybeInt = Annotated[int | None, BeforeValidator(lambda value: None if value == "" else value)]
"""A whole number, or an empty cell."""


class Row(SourceRecord):
    """A row of the table: a phrase for a mask of a picture. Only the first three are needed.

    `value`: the mask is where the PNG has this value (default: where it is not zero). `label`: short name (default: the
    phrase). `caption`: a longer description. `id`, `parent`: number of the segment and of the whole that it is part of.
    """

    image: str
    mask: str
    phrase: str
    value: MaybeInt = None
    label: str = ""
    caption: str = ""
    id: MaybeInt = None
    parent: MaybeInt = None


class _Line(NamedTuple):
    """A row with the line of the file that it stands in; `row` is the error where it is broken."""

    number: int
    image: str
    row: Row | UserError


def folder(root: Path, split: str, *, on_bad: OnBad = refuse, check_images: bool = True) -> Reading:
    """Your own pictures with mask PNGs and phrases: one row a mask, the rows of a picture one after the other.

    The table is `SPLIT.csv` (with a header) or `SPLIT.jsonl`; its columns are `image`, `mask`, `phrase` and, if wanted,
    `value`, `label`, `caption`, `id`, `parent` (see `Row`). Each phrase becomes a turn that asks for it; rows of a
    picture with the same phrase are one turn with several masks. Pictures must be there: `check_images` makes no
    difference.

    Source: you.
    Licence: yours.
    Tree: `ROOT/SPLIT.csv` or `ROOT/SPLIT.jsonl`, pictures `ROOT/images/IMAGE`, masks `ROOT/masks/MASK`.
    Convert: `mglmm data convert folder --root mine --split train --out mine-train.jsonl`
    """
    path = root / f"{split}.csv"
    if not path.is_file():
        path = existing(root / f"{split}.jsonl", f"the phrases (or {split}.csv)")

    def _build(lines: list[_Line]) -> Sample:
        name = lines[0].image
        rows = []
        for line in lines:
            if isinstance(line.row, UserError):
                raise line.row
            rows.append(line.row)
        picture = inside(root / "images", name)
        size = image_size(picture)
        taken = [row.id if row.id is not None else number for number, row in enumerate(rows, start=1)]
        segments = [
            _segment(row, segment_id, root, size, f"{path}, line {line.number}")
            for row, segment_id, line in zip(rows, taken, lines, strict=True)
        ]
        return Sample(
            id=f"folder/{split}/{name}",
            image=picture.relative_to(root).as_posix(),
            size=size,
            segments=tuple(segments),
            turns=tuple(_turns(rows, segments, name)),
            source="folder",
            split=split,
        )

    return Reading(_groups(path), _build, lambda lines: f"{path}, line {lines[0].number}", on_bad)


def _groups(path: Path) -> Iterator[list[_Line]]:
    """The rows of each picture; they are broken where the picture has others further up."""
    done: set[str] = set()
    for name, group in groupby(_lines(path), key=lambda line: line.image):
        first, *others = group
        if name in done:
            place = f"{path}, line {first.number}"
            mistake = UserError(f"{place}: {name} stands further up already; put the rows of a picture together")
            first = first._replace(row=mistake)
        done.add(name)
        yield [first, *others]


def _lines(path: Path) -> Iterator[_Line]:
    """The rows of the table, one at a time."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".csv":
                table = csv.DictReader(file)
                missing = {"image", "mask", "phrase"} - set(table.fieldnames or ())
                if missing:
                    raise UserError(f"{path}: the header has no {', '.join(sorted(missing))}")
                for cells in table:
                    yield _line(cells, path, table.line_num)
            else:
                for number, text in enumerate(file, start=1):
                    if text.strip():
                        yield _line(parse_json(text, f"{path}, line {number}"), path, number)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text") from error
    except csv.Error as error:
        raise UserError(f"{path}: not a CSV table ({error})") from error


def _line(cells: Any, path: Path, number: int) -> _Line:
    """A row; one that names no picture may belong to any, so then the table as a whole cannot be read."""
    place = f"{path}, line {number}"
    image = cells.get("image") if isinstance(cells, dict) else None
    if not isinstance(image, str) or not image:
        raise UserError(f"{place}, field image: names no picture")
    try:
        row = Row.of(cells, place)
        if not row.phrase.strip():
            raise UserError(f"{place}, field phrase: is empty")
    except UserError as error:
        return _Line(number, image, error)
    return _Line(number, image, row)


def _segment(row: Row, segment_id: int, root: Path, size: tuple[int, int], place: str) -> Segment:
    path = inside(root / "masks", row.mask)
    ids = read_ids(path)
    if ids.shape != size:
        raise UserError(f"{place}: {path} is {ids.shape[0]} x {ids.shape[1]}, the picture {size[0]} x {size[1]}")
    mask = ids != 0 if row.value is None else ids == row.value
    if not mask.any():
        raise UserError(
            f"{place}: the mask {row.mask} has no pixel{'' if row.value is None else f' of value {row.value}'}"
        )
    label, caption = row.label.strip() or row.phrase.strip(), row.caption.strip() or None
    return Segment(id=segment_id, rle=Rle.from_mask(np.asarray(mask)), label=label, caption=caption, parent=row.parent)


def _turns(rows: list[Row], segments: list[Segment], name: str) -> Iterator[Turn]:
    rng = wording(name)
    phrases: dict[str, list[Segment]] = {}
    for row, segment in zip(rows, segments, strict=True):
        phrases.setdefault(row.phrase.strip(), []).append(segment)
    for phrase, meant in phrases.items():
        yield Turn(
            task="referring" if len(meant) == 1 else "generalized_referring",
            instruction=instruction("referring", rng, phrase=phrase),
            answer=grounded([Mention(phrase, tuple(s.id for s in meant)), "."]),
            granularity="object" if meant[0].parent is None else "part",
        )
