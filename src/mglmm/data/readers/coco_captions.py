"""COCO captions, and NoCaps, which has their layout."""

import zlib
from pathlib import Path

import numpy as np

from mglmm.data.readers.coco import image_name
from mglmm.data.readers.coco_file import CocoFile, CocoImage, Entry, image_folder
from mglmm.data.readers.files import Pictures, existing
from mglmm.data.readers.json_stream import Places
from mglmm.data.readers.policy import OnBad, Reader, Reading, SourceRecord, refuse
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Sample, Turn


class Caption(SourceRecord):
    """A caption of an image."""

    id: int
    caption: str


class CaptionedImage(CocoImage):
    """An image; NoCaps alone tells the domain ("in-domain", "near-domain", "out-domain") and the id in OpenImages."""

    domain: str | None = None
    open_images_id: str | None = None


def wording(sample_id: str) -> np.random.Generator:
    """The generator that words the instructions of one sample: the same on every machine and in every run."""
    return np.random.default_rng(zlib.crc32(sample_id.encode()))


def _reader(source: str, captions: str, doc: str) -> Reader:
    """The reader of a data set in this layout; `captions`: where they lie, "{}" standing for the split."""

    def _read(
        root: Path,
        split: str,
        *,
        on_bad: OnBad = refuse,
        check_images: bool = True,
        annotations: str = "",
        images: str = "",
    ) -> Reading:
        path = existing(root / (annotations or captions.format(split)), "the captions")
        file = CocoFile(path, on_bad, keys=("images",) if source == "nocaps" else ("images", "annotations"))
        pictures = Pictures(root, image_folder(root, split, images, file.first_name()), check_images)

        def _build(item: tuple[Entry, Places]) -> Sample:
            entry, places = item
            place = file.place(entry)
            file.check(entry)
            image = CaptionedImage.parse(places.read(entry.offset, entry.length), place)
            name = f"{source}/{image.id}"
            asked = instruction("caption_short", wording(name))
            texts = [Caption.parse(raw, f"{place}, a caption") for raw in file.annotations(entry.id, places)]
            known = {"domain": image.domain, "open_images_id": image.open_images_id} if source == "nocaps" else {}
            return Sample(
                id=name,
                image=pictures.place(image_name(image), image.size),
                size=image.size,
                turns=tuple(
                    Turn(task="caption", instruction=asked, answer=GroundedText(text=t.caption.strip())) for t in texts
                ),
                source=source,
                split=split,
                meta={key: value for key, value in known.items() if value},
            )

        return Reading(file.samples(), _build, lambda item: file.place(item[0]), on_bad)

    _read.__doc__ = doc
    return _read


coco_captions = _reader(
    "coco-captions",
    "annotations/captions_{}.json",
    """COCO captions, 2014 and 2017: five or six captions an image, each a turn with the same instruction.

    Captions are kept as written, without the space around them.

    Source: https://cocodataset.org/#download (arXiv 1504.00325).
    Licence: annotations CC BY 4.0; images under the Flickr terms of each.
    Tree: `ROOT/annotations/captions_SPLIT.json`, `ROOT/SPLIT/*.jpg`.
    Convert: `mglmm data convert coco-captions --root coco --split val2017 --out captions-val2017.jsonl`
    """,
)

nocaps = _reader(
    "nocaps",
    "nocaps_{}_4500_captions.json",
    """NoCaps: ten captions an image of things that COCO's captions do not name; splits val, and test without captions.

    `meta["domain"]`: "in-domain", "near-domain" or "out-domain", where the file tells; `meta["open_images_id"]`. The
    layout is that of COCO captions; for the test set `annotations=nocaps_test_image_info.json`.

    Source: https://nocaps.org/download (arXiv 1812.08658).
    Licence: captions CC BY 2.0; images of OpenImages, CC BY 2.0.
    Tree: `ROOT/nocaps_val_4500_captions.json`, `ROOT/SPLIT/*.jpg` or `ROOT/images/*.jpg`.
    Convert: `mglmm data convert nocaps --root nocaps --split val --out nocaps-val.jsonl`
    """,
)
