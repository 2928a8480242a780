"""What a run leaves behind: samples in every form, official evaluation files, pages of statistics and review."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mglmm import masks
from mglmm.annotate.recipe import ExportOptions
from mglmm.annotate.records import Finished, Rejection
from mglmm.annotate.review import write_review
from mglmm.annotate.store import Store
from mglmm.atomic import atomic_file, atomic_folder
from mglmm.browse import stats
from mglmm.data import export as forms
from mglmm.data.readers.mgsc import ROOT, SUBTREE
from mglmm.data.records import read
from mglmm.schema import Record, Sample, Turn, write_jsonl

SAMPLES, REJECTIONS, QUARANTINE = "samples.jsonl", "rejections.jsonl", "quarantine.jsonl"
GROUPS = ("root", "subtree", "all")
"""Groups of the official evaluation. Source: MGLMM at d2abee8, `eval/mgsc`."""


class Rejected(Record):
    """A line of the file of rejections: of which picture, and what."""

    id: str
    rejection: Rejection


def export_all(ids: Sequence[str], store: Store, options: ExportOptions) -> int:
    """Write all files about the finished pictures, in the order of `ids`; returns how many those are.

    The same records give the same bytes.
    """
    out = store.out
    count = write_jsonl(out / SAMPLES, (f.sample for f in finished(ids, store)))
    rejected = (Rejected(id=f.sample.id, rejection=r) for f in finished(ids, store) for r in f.rejections)
    write_jsonl(out / REJECTIONS, rejected)
    write_jsonl(out / QUARANTINE, (q for name in ids if (q := store.quarantined(name)) is not None))
    if count:
        for form in options.forms:
            _write(form, ids, store, options)
    return count


def finished(ids: Sequence[str], store: Store) -> Iterator[Finished]:
    """The finished pictures in order, one at a time."""
    return (found for name in ids if (found := store.finished(name)) is not None)


def _write(form: str, ids: Sequence[str], store: Store, options: ExportOptions) -> None:
    out = store.out
    samples = str(out / SAMPLES)
    if form == "stats":
        stats.write_page(samples, out / "stats.html", "default")
    elif form == "review":
        write_review(ids, store, samples, out / "review.html", options.review_samples)
    elif form == "evaluation":
        write_evaluation(samples, out / "evaluation")
    else:
        chosen = forms.Options(options.split, with_images=form == "parquet" and options.embed_images)
        if form == "mgsc":
            # a file a sample: those of an earlier export must not stay
            with atomic_folder(out / form) as folder:
                forms.export(form, samples, str(folder), chosen)
        else:
            forms.export(form, samples, str(out / form), chosen)


def write_evaluation(samples: str, folder: Path) -> None:
    """The truth files of the official MGSC evaluation, `{root,subtree,all}_mgsc_{caption,mask}_gt.json`.

    Every turn of the task "mgsc" is an image of its own, called SAMPLE_NUMBER.

    Source: MGLMM at d2abee8, `eval/mgsc`: captions in COCO's form with `labels`, masks as COCO instances.
    """
    folder.mkdir(parents=True, exist_ok=True)
    captions: dict[str, dict[str, list[Any]]] = {g: {"images": [], "annotations": []} for g in GROUPS}
    marks: dict[str, dict[str, list[Any]]] = {g: {"images": [], "annotations": []} for g in GROUPS}
    for sample in read(samples):
        for number, turn in enumerate(t for t in sample.turns if t.task == "mgsc"):
            for group in ("root" if turn.granularity == "panoptic" else "subtree", "all"):
                _add_item(captions[group], marks[group], sample, turn, number)
    for group in GROUPS:
        categories = [{"id": 1, "name": "object"}]
        for name, value in (("caption", captions[group]), ("mask", {**marks[group], "categories": categories})):
            with atomic_file(folder / f"{group}_mgsc_{name}_gt.json") as file:
                json.dump(value, file, ensure_ascii=False)


def _add_item(
    captions: dict[str, list[Any]], marks: dict[str, list[Any]], sample: Sample, turn: Turn, number: int
) -> None:
    name = f"{sample.id.rpartition('/')[2]}_{number}"
    segments = [sample.segment(i) for i in dict.fromkeys(turn.answer.segment_ids)]
    label = ROOT if turn.granularity == "panoptic" else SUBTREE + segments[0].label
    image = {
        "id": name,
        "file_name": sample.image,
        "height": sample.size[0],
        "width": sample.size[1],
        "type": label,
    }
    captions["images"].append(image)
    captions["annotations"].append(
        {
            "id": len(captions["annotations"]) + 1,
            "image_id": name,
            "caption": turn.answer.text,
            "labels": list(chain.from_iterable(_phrases(turn))),
        }
    )
    marks["images"].append(image)
    for segment in segments:
        x0, y0, x1, y1 = masks.box(segment.rle.to_coco())
        marks["annotations"].append(
            {
                "id": len(marks["annotations"]) + 1,
                "image_id": name,
                "category_id": 1,
                "iscrowd": 0,
                "area": segment.area,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "segmentation": segment.rle.to_coco(),
            }
        )


def _phrases(turn: Turn) -> Iterator[list[str]]:
    """The phrase of every mask."""
    for span, phrase in zip(turn.answer.spans, turn.answer.phrases, strict=True):
        yield [phrase] * len(span.segment_ids)
