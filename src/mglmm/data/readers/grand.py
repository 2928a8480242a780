"""GranD: SA-1B images with automatically made objects, attributes and grounded captions."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mglmm.data.readers.coco_captions import wording
from mglmm.data.readers.files import Pictures, first_folder, read_json
from mglmm.data.readers.grandf import gcg_turn, plain
from mglmm.data.readers.policy import OnBad, Reading, SourceRecord, refuse
from mglmm.data.readers.shapes import FileRle, from_rle
from mglmm.data.readers.spans import Range, find, ground
from mglmm.instructions import instruction
from mglmm.schema import GroundedText, Sample, Segment, Turn, UserError


class Thing(SourceRecord):
    """An object: labels, the best first; attributes as texts; `bbox` x0, y0, x1, y1; drafts lack masks."""

    id: int
    labels: list[str]
    bbox: list[float] = []
    attributes: list[str] | str | None = None
    segmentation: FileRle | None = None


class Phrase(SourceRecord):
    """A phrase of a caption and the objects that it means; only dense captions state where it stands."""

    phrase: str = ""
    ids: list[int] = []
    id: int | None = None
    tokens_positive: tuple[int, int] | None = None

    @property
    def objects(self) -> tuple[int, ...]:
        """The ids of the objects."""
        return tuple(self.ids) if self.id is None else (*self.ids, self.id)


class Caption(SourceRecord):
    """A caption with its phrases."""

    caption: str
    details: list[Phrase] = []


class Scene(SourceRecord):
    """What a file holds of its image."""

    objects: list[Thing]
    floating_objects: list[Thing] = []
    short_captions: list[Caption] = []
    dense_caption: Caption | None = None
    captions: list[str] = []


def grand(
    root: Path,
    split: str,
    *,
    on_bad: OnBad = refuse,
    check_images: bool = True,
    annotations: str = "",
    images: str = "",
) -> Reading:
    """GranD: objects, attributes, short and dense captions, made by models on images of SA-1B.

    Objects with a mask are segments named by their first label; `meta["labels"]` has the others, `meta["attributes"]`
    the descriptions, `meta["boxes"]` the objects with a box alone. Turns: each short and the dense caption, grounded
    (task gcg) as far as its objects have masks. The split is a folder of files, one an image.

    Source: https://huggingface.co/datasets/MBZUAI/GranD (arXiv 2311.03356); fields as the scripts of the groundingLMM
    repository (`GranD/prepare_annotations`) read them, drafts of its levels 3 and 4 too.
    Licence: Apache-2.0 (as its card states); images of SA-1B under its research licence.
    Tree: `ROOT/SPLIT/sa_1.json` (SPLIT is "part_1", for one) or `ROOT/annotations/SPLIT/`; `ROOT/images/sa_1.jpg`.
    Convert: `mglmm data convert grand --root GranD --split part_1 --out grand-part_1.jsonl`
    """
    folder = root / annotations if annotations else first_folder([root / "annotations" / split, root / split])
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; the split of GranD is a folder of JSON files")
    pictures = Pictures(root, root / (images or "images"), check_images)

    def _build(path: Path) -> Sample:
        content = read_json(path)
        if not isinstance(content, dict) or len(content) != 1:
            raise UserError(f"{path}: holds no object with one image")
        image = str(next(iter(content)))
        scene = Scene.of(content[image], str(path))
        things = [*scene.objects, *scene.floating_objects]
        size = next((t.segmentation.size for t in things if t.segmentation), None) or pictures.measure(image)[1]
        found = [
            Segment(id=t.id, rle=from_rle(t.segmentation, size), label=_words(t)) for t in things if t.segmentation
        ]
        name = f"grand/{path.stem}"
        return Sample(
            id=name,
            image=pictures.place(image, size),
            size=size,
            segments=tuple(found),
            turns=tuple(_turns(scene, {s.id for s in found}, name)),
            source="grand",
            split=split,
            meta=_meta(things),
        )

    return Reading(sorted(folder.glob("*.json")), _build, str, on_bad)


def _words(thing: Thing) -> str:
    """The first label, with spaces as the authors' scripts write it."""
    return thing.labels[0].replace("_", " ").strip() if thing.labels and thing.labels[0].strip() else "object"


def _meta(things: Sequence[Thing]) -> dict[str, Any]:
    masked = [t for t in things if t.segmentation]
    attributes = {str(t.id): [t.attributes] if isinstance(t.attributes, str) else t.attributes for t in masked}
    meta: dict[str, Any] = {
        "labels": {str(t.id): t.labels for t in masked if len(t.labels) > 1},
        "attributes": {key: texts for key, texts in attributes.items() if texts},
        "boxes": [
            {"id": t.id, "label": _words(t), "box_xywh": _xywh(t.bbox)} for t in things if not t.segmentation and t.bbox
        ],
    }
    return {key: value for key, value in meta.items() if value}


def _xywh(box: list[float]) -> list[float]:
    if len(box) != 4:
        raise ValueError(f"a bbox has {len(box)} numbers instead of four")
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def _turns(scene: Scene, known: set[int], name: str) -> Iterator[Turn]:
    rng = wording(name)
    for caption in (*scene.short_captions, *([scene.dense_caption] if scene.dense_caption else ())):
        yield gcg_turn(name, _answer(caption, known))
    for text in (text.strip() for text in scene.captions):
        yield Turn(task="caption", instruction=instruction("caption_short", rng), answer=GroundedText(text=text))


def _answer(caption: Caption, known: set[int]) -> GroundedText:
    text = plain(caption.caption)
    meant = [(d, tuple(i for i in d.objects if i in known)) for d in caption.details]
    if caption.details and all(d.tokens_positive for d, _ in meant):
        return ground(text, [Range(*d.tokens_positive, ids) for d, ids in meant if d.tokens_positive])
    return find(text, [(d.phrase, ids) for d, ids in meant])
