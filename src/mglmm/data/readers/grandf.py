"""GranD-f, the four sets of grounded captions (GCG) that GLaMM is fine-tuned on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import RootModel

from mglmm import masks
from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.coco_file import CocoFile, CocoImage, Entry
from mglmm.data.readers.files import Pictures, existing, first_folder, parse_json
from mglmm.data.readers.json_stream import Element, Places, elements
from mglmm.data.readers.policy import OnBad, Reader, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import FileRle, from_polygons, from_rle
from mglmm.data.readers.spans import Range, find, ground
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Rle, Sample, Segment, Turn, UserError

SPLITS = ("train", "val", "test")
PSG_IMAGES = "coco_2017/train2017"


class Grounding(SourceRecord):
    """What a phrase means: its characters in the caption without quotes around it; masks that are one together."""

    token_positives: tuple[int, int]
    rle_masks: list[FileRle]


class Grounded(SourceRecord):
    """An entry of the human and the OpenPSG set; a phrase without a grounding has None."""

    file_name: str
    caption: str
    groundings: dict[str, Grounding | None]


class Referred(SourceRecord):
    """A phrase of the RefCOCOg set with its polygons."""

    sentence: str
    segmentation: list[list[float]]


class Referring(SourceRecord):
    """The caption of an image of the RefCOCOg set, and what it is made of."""

    img_file_name: str
    caption: str
    refs: list[Referred]


class ReferringEntry(RootModel[dict[str, Referring]]):
    """An entry of the RefCOCOg set: its only value by the id of the image."""


class FlickrImage(CocoImage):
    """An image of the Flickr set with one of its captions."""

    caption: str


class FlickrPhrase(SourceRecord):
    """A phrase of the Flickr set: ranges of characters of the caption, of which the first counts, and a mask by SAM."""

    id: int
    tokens_positive: list[tuple[int, int]]
    bbox: list[float] = []
    sam_mask: FileRle | None = None
    ignore: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether it is to be used: not ignored, and its box (width and height the last two) has a pixel."""
        return not self.ignore and all(length >= 1 for length in self.bbox[2:])


class CaptionTruth(SourceRecord):
    """A caption of the validation or test set with its phrases."""

    caption: str
    labels: list[str]


class MaskTruth(SourceRecord):
    """A mask of the validation or test set."""

    id: int
    segmentation: FileRle


def _reader(source: str, samples: Callable[..., Reading], doc: str) -> Reader:
    """The reader of one of the sets; `samples(source, root, split, on_bad, check_images, annotations, images)`."""

    def _read(
        root: Path,
        split: str,
        *,
        on_bad: OnBad = refuse,
        check_images: bool = True,
        annotations: str = "",
        images: str = "",
    ) -> Reading:
        if split not in SPLITS:
            raise UserError(f"{source} has no split {split!r}; there are {', '.join(SPLITS)}")
        return samples(source, root, split, on_bad, check_images, annotations, images)

    _read.__doc__ = doc
    return _read


def plain(caption: str) -> str:
    """The caption without the quotes and the space around it: what the files' positions count in."""
    return caption.strip('"').strip()


def gcg_turn(name: str, answer: GroundedText) -> Turn:
    """A grounded caption as a turn."""
    return Turn(task="gcg", instruction=instruction("gcg", wording(name)), answer=answer, granularity="panoptic")


def _grounded(
    source: str, root: Path, split: str, on_bad: OnBad, check: bool, annotations: str, images: str
) -> Reading:
    """The human and the OpenPSG set: a list of captions with the RLEs of their phrases."""
    human = source == "grandf"
    if human and split != "train":
        return _truth(root, split, on_bad, check, annotations, images)
    name = "GranDf_HA_GCG_train.json" if human else f"OpenPsgGCG_{split}.json"
    path = existing(root / (annotations or f"GranDf/annotations/train/{name}"), "the captions")
    pictures = Pictures(root, _human_images(root, images, "train") if human else root / (images or PSG_IMAGES), check)

    def _build(item: tuple[int, Element]) -> Sample:
        number, element = item
        place = f"{path}, entry {number}"
        entry = Grounded.parse(element.raw, place)
        found: list[Segment] = []
        ranges: list[Range] = []
        caption = plain(entry.caption)
        for phrase, grounding in entry.groundings.items():
            if grounding is None or not grounding.rle_masks:
                continue
            rle = _union([from_rle(r, grounding.rle_masks[0].size) for r in grounding.rle_masks])
            found.append(Segment(id=len(found) + 1, rle=rle, label=phrase.strip()))
            ranges.append(Range(*grounding.token_positives, (len(found),)))
        size = found[0].rle.size if found else pictures.measure(entry.file_name)[1]
        sample_id = f"{source}/{split}/{number}"
        return Sample(
            id=sample_id,
            image=pictures.place(entry.file_name, size),
            size=size,
            segments=tuple(found),
            turns=(gcg_turn(sample_id, ground(caption, ranges)),),
            source=source,
            split=split,
        )

    return Reading(enumerate(elements(path), start=1), _build, lambda item: f"{path}, entry {item[0]}", on_bad)


def _human_images(root: Path, images: str, folder: str) -> Path:
    """Where the pictures of the human set lie; GLaMM's documentation and its code differ in it."""
    candidates = [root / "GranDf_HA_images" / folder, root / "GranDf" / "GranDf_HA_images" / folder]
    return root / images if images else first_folder(candidates)


def _union(rles: Sequence[Rle]) -> Rle:
    return Rle.model_validate(masks.union([rle.to_coco() for rle in rles]))


def _truth(root: Path, split: str, on_bad: OnBad, check: bool, annotations: str, images: str) -> Reading:
    """The human set's validation and test set: a file of captions and one of masks, both in COCO's layout."""
    folder = root / (annotations or "GranDf/annotations/val_test")
    captions = _by_image(existing(folder / f"{split}_gcg_coco_caption_gt.json", "the captions"))
    shapes = _by_image(existing(folder / f"{split}_gcg_coco_mask_gt.json", "the masks"))
    pictures = Pictures(root, _human_images(root, images, "val_test"), check)

    def _build(image_id: str) -> Sample:
        place = f"{folder}, image {image_id}"
        marks = [MaskTruth.of(value, f"{place}, a mask") for value in shapes.get(image_id, ())]
        texts = [CaptionTruth.of(value, f"{place}, a caption") for value in captions[image_id]]
        if not marks or any(len(text.labels) != len(marks) for text in texts):
            counts = ", ".join(str(len(text.labels)) for text in texts)
            raise UserError(f"{place}: {len(marks)} masks and {counts} phrases; each phrase needs one mask")
        size = marks[0].segmentation.size
        labels = texts[0].labels
        sample_id = f"grandf/{split}/{image_id}"
        return Sample(
            id=sample_id,
            image=pictures.place(f"{image_id}.jpg", size),
            size=size,
            segments=tuple(
                Segment(id=number, rle=from_rle(mark.segmentation, size), label=label)
                for number, (mark, label) in enumerate(zip(marks, labels, strict=True), start=1)
            ),
            turns=tuple(
                gcg_turn(
                    sample_id, find(plain(t.caption), [(label, (n,)) for n, label in enumerate(t.labels, start=1)])
                )
                for t in texts
            ),
            source="grandf",
            split=split,
        )

    return Reading(captions, _build, lambda image_id: f"{folder}, image {image_id}", on_bad)


def _by_image(path: Path) -> dict[str, list[Any]]:
    """The annotations of a file by the id of their image, a file name without its ending."""
    found: dict[str, list[Any]] = {}
    for element in elements(path):
        if element.key == "images":
            found.setdefault(str(_field(element, "id", path)), [])
        elif element.key == "annotations":
            # the texts of `value` are not decoded
            found.setdefault(str(_field(element, "image_id", path)), []).append(parse_json(element.raw, str(path)))
    return found


def _field(element: Element, key: str, path: Path) -> Any:
    if not isinstance(element.value, dict) or not isinstance(element.value.get(key), int | str):
        raise UserError(f"{path}, an entry of {element.key}, field {key}: is missing")
    return element.value[key]


def _referring(
    source: str, root: Path, split: str, on_bad: OnBad, check: bool, annotations: str, images: str
) -> Reading:
    path = existing(root / (annotations or f"GranDf/annotations/train/RefCOCOg_GCG_{split}.json"), "the captions")
    pictures = Pictures(root, root / (images or "coco_2014/train2014"), check)

    def _build(item: tuple[int, Element]) -> Sample:
        number, element = item
        place = f"{path}, entry {number}"
        values = list(ReferringEntry.model_validate_json(element.raw).root.values())
        if len(values) != 1:
            raise UserError(f"{place}: holds {len(values)} images instead of one")
        entry = values[0]
        image, size = pictures.measure(entry.img_file_name)
        found = [
            Segment(id=n, rle=from_polygons(ref.segmentation, size), label=ref.sentence.strip())
            for n, ref in enumerate(entry.refs, start=1)
        ]
        sample_id = f"{source}/{split}/{number}"
        answer = find(plain(entry.caption), [(s.label, (s.id,)) for s in found])
        return Sample(
            id=sample_id,
            image=image,
            size=size,
            segments=tuple(found),
            turns=(gcg_turn(sample_id, answer),),
            source=source,
            split=split,
        )

    return Reading(enumerate(elements(path), start=1), _build, lambda item: f"{path}, entry {item[0]}", on_bad)


def _flickr(source: str, root: Path, split: str, on_bad: OnBad, check: bool, annotations: str, images: str) -> Reading:
    name = f"GranDf/annotations/train/flickr_mergedGT_GCG_{split}.json"
    file = CocoFile(existing(root / (annotations or name), "the captions"), on_bad)
    pictures = Pictures(root, root / (images or "flikcr_30k/train"), check)

    def _build(item: tuple[Entry, Places]) -> Sample:
        entry, places = item
        place = file.place(entry)
        file.check(entry)
        image = FlickrImage.parse(places.read(entry.offset, entry.length), place)
        marks = [FlickrPhrase.parse(raw, f"{place}, a phrase") for raw in file.annotations(entry.id, places)]
        found: list[Segment] = []
        ranges: list[Range] = []
        for mark in (mark for mark in marks if mark.is_shown):
            if not mark.tokens_positive or mark.sam_mask is None:
                raise UserError(f"{place}, phrase {mark.id}: has no characters, or no mask")
            start, end = mark.tokens_positive[0]
            rle = from_rle(mark.sam_mask, image.size)
            found.append(Segment(id=mark.id, rle=rle, label=image.caption[start:end].strip() or "object"))
            ranges.append(Range(start, end, (mark.id,)))
        sample_id = f"{source}/{split}/{image.id}"
        return Sample(
            id=sample_id,
            image=pictures.place(image.file_name or "", image.size),
            size=image.size,
            segments=tuple(found),
            turns=(gcg_turn(sample_id, ground(image.caption, ranges)),),
            source=source,
            split=split,
        )

    return Reading(file.samples(), _build, lambda item: file.place(item[0]), on_bad)


grandf = _reader(
    "grandf",
    _grounded,
    """GranD-f, the set annotated by people: captions to learn from (split train) and to score by (val, test).

    Each phrase is a segment with the union of its masks. In val and test the files tell no positions: a phrase is
    where it first stands in the caption behind the one before it.

    Source: https://huggingface.co/datasets/MBZUAI/GranD-f (arXiv 2311.03356), layout of the groundingLMM repository.
    Licence: Apache-2.0 (of the groundingLMM repository); images of SA-1B under its research licence.
    Tree: `ROOT/GranDf/annotations/train/GranDf_HA_GCG_train.json`, `ROOT/GranDf/annotations/val_test/
    {val,test}_gcg_coco_{caption,mask}_gt.json`, `ROOT/GranDf_HA_images/{train,val_test}/sa_1.jpg` (or below
    `ROOT/GranDf`); for val and test the option `annotations` names the folder.
    Convert: `mglmm data convert grandf --root GLaMM --split train --out grandf-train.jsonl`
    """,
)

grandf_openpsg = _reader(
    "grandf-openpsg",
    _grounded,
    """GranD-f of OpenPSG: captions made of scene graphs of COCO 2017, splits train and val.

    Source: https://huggingface.co/datasets/MBZUAI/GranD-f (arXiv 2311.03356), layout of the groundingLMM repository.
    Licence: Apache-2.0 (of the groundingLMM repository); images under the Flickr terms of each.
    Tree: `ROOT/GranDf/annotations/train/OpenPsgGCG_SPLIT.json`, `ROOT/coco_2017/train2017/*.jpg`.
    Convert: `mglmm data convert grandf-openpsg --root GLaMM --split train --out grandf-openpsg-train.jsonl`
    """,
)

grandf_flickr = _reader(
    "grandf-flickr",
    _flickr,
    """GranD-f of Flickr30k: captions with boxes of people, from which SAM made the masks, splits train and val.

    Phrases that the file marks as `ignore`, or whose box has no pixel, are left out; captions of one word, which GLaMM
    leaves out, are kept.

    Source: https://huggingface.co/datasets/MBZUAI/GranD-f (arXiv 2311.03356), layout of the groundingLMM repository.
    Licence: Apache-2.0 (of the groundingLMM repository); images under the Flickr terms of each, for research.
    Tree: `ROOT/GranDf/annotations/train/flickr_mergedGT_GCG_SPLIT.json`, `ROOT/flikcr_30k/train/*.jpg` (spelled so).
    Convert: `mglmm data convert grandf-flickr --root GLaMM --split train --out grandf-flickr-train.jsonl`
    """,
)

grandf_refcocog = _reader(
    "grandf-refcocog",
    _referring,
    """GranD-f of RefCOCOg: captions written around the expressions of RefCOCOg, splits train and val.

    A phrase is where it first stands in the caption behind the one before it; of two that overlap the first ends before
    the second. A phrase that the caption does not hold is a segment without a span. The size is that of the picture, so
    pictures must be there (`check_images` makes no difference).

    Source: https://huggingface.co/datasets/MBZUAI/GranD-f (arXiv 2311.03356), layout of the groundingLMM repository.
    Licence: Apache-2.0 (of the groundingLMM repository); images under the Flickr terms of each.
    Tree: `ROOT/GranDf/annotations/train/RefCOCOg_GCG_SPLIT.json`, `ROOT/coco_2014/train2014/*.jpg`.
    Convert: `mglmm data convert grandf-refcocog --root GLaMM --split train --out grandf-refcocog-train.jsonl`
    """,
)
