"""COCO captions."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mglmm.data.readers.coco import image_name
from mglmm.data.readers.coco_file import CocoFile, Entry, image_folder
from mglmm.data.readers.files import Pictures, existing
from mglmm.data.readers.json_stream import Places
from mglmm.data.readers.policy import OnBad, SourceRecord, each, refuse
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Sample, Turn


class Caption(SourceRecord):
    """A caption of an image."""

    id: int
    caption: str


def coco_captions(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
) -> Iterator[Sample]:
    """COCO captions, 2014 and 2017: five or six captions an image, each a turn with the same instruction.

    Captions are kept as written, without the space around them.

    Source: https://cocodataset.org/#download (arXiv 1504.00325).
    Licence: annotations CC BY 4.0; images under the Flickr terms of each.
    Tree: `ROOT/annotations/captions_SPLIT.json`, `ROOT/SPLIT/*.jpg`.
    Convert: `mglmm data convert coco-captions --root coco --split val2017 --out captions-val2017.jsonl`
    """
    file = CocoFile(existing(root / (annotations or f"annotations/captions_{split}.json"), "the captions"), on_bad)
    pictures = Pictures(root, image_folder(root, split, images), check_images)

    def _build(item: tuple[Entry, Places]) -> Sample:
        entry, places = item
        image = file.image(entry, places)
        name = f"coco-captions/{image.id}"
        asked = instruction("caption_short", wording(name))
        texts = [Caption.parse(raw, f"{file.place(entry)}, a caption") for raw in file.annotations(entry.id, places)]
        turns = (Turn(task="caption", instruction=asked, answer=GroundedText(text=t.caption.strip())) for t in texts)
        return Sample(
            id=name,
            image=pictures.place(image_name(image), image.size),
            size=image.size,
            turns=tuple(turns),
            source="coco-captions",
            split=split,
        )

    yield from each(file.samples(), _build, lambda item: file.place(item[0]), on_bad)


def wording(sample_id: str) -> np.random.Generator:
    """The generator that words the instructions of one sample: the same on every machine and in every run."""
    return np.random.default_rng(zlib.crc32(sample_id.encode()))
