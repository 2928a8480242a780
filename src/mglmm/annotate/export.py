"""What a run leaves behind: samples in every form, official evaluation files, pages of statistics and review."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from mglmm import masks
from mglmm.annotate.recipe import ExportOptions
from mglmm.annotate.records import Finished, Rejection
from mglmm.annotate.review import write_review
from mglmm.annotate.stages import COMPOSED, META
from mglmm.annotate.store import Store
from mglmm.annotate.summary import Summary
from mglmm.atomic import atomic_file, atomic_folder
from mglmm.browse import stats
from mglmm.data import export as forms
from mglmm.data.coco_file import CocoFile, coco_file
from mglmm.data.export import distinct_names
from mglmm.data.readers.mgsc import ROOT, SUBTREE
from mglmm.data.records import read, watched
from mglmm.schema import Record, Sample, Turn, UserError, write_jsonl

SAMPLES, REJECTIONS, QUARANTINE = "samples.jsonl", "rejections.jsonl", "quarantine.jsonl"
GROUPS = ("root", "subtree", "all")
"""Groups of the official evaluation. Source: MGLMM at d2abee8, `eval/mgsc`."""


class Rejected(Record):
    """A line of the file of rejections: of which picture, and what."""

    id: str
    rejection: Rejection


def export_all(ids: Sequence[str], store: Store, options: ExportOptions) -> Summary:
    """Write all files about the finished pictures, in the order of `ids`; returns what they hold.

    The same records give the same bytes. One record is held at a time.
    """
    out, summary = store.out, Summary(pictures=len(ids))
    with atomic_file(out / REJECTIONS) as rejections:

        def _samples() -> Iterator[Sample]:
            """The samples; what was left out of them is written and counted on the way."""
            for done in watched(finished(ids, store), "writing"):
                summary.add(done)
                for rejection in done.rejections:
                    rejections.write(Rejected(id=done.sample.id, rejection=rejection).model_dump_json() + "\n")
                yield done.sample

        write_jsonl(out / SAMPLES, _samples())
    quarantined = (found for name in ids if (found := store.quarantined(name)) is not None)
    summary.quarantined = write_jsonl(out / QUARANTINE, quarantined)
    if summary.finished:
        for form in options.forms:
            _write(form, store, options, summary)
    return summary


def finished(ids: Sequence[str], store: Store) -> Iterator[Finished]:
    """The finished pictures in order, one at a time."""
    return (found for name in ids if (found := store.finished(name)) is not None)


def _write(form: str, store: Store, options: ExportOptions, summary: Summary) -> None:
    out = store.out
    samples = str(out / SAMPLES)
    if form == "stats":
        stats.write_page(samples, out / "stats.html", "default")
    elif form == "review":
        write_review(store, samples, out / "review.html", options.review_samples, summary.rejections)
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

    Every turn of the task "mgsc" is an image of its own, called SAMPLE_NUMBER (SAMPLE as of `distinct_names`).

    Source: MGLMM at d2abee8, `eval/mgsc`: captions in COCO's form with `labels`, masks as COCO instances.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = distinct_names(sample.id for sample in read(samples))
    with ExitStack() as opened:
        files = {
            (group, kind): opened.enter_context(coco_file(folder / f"{group}_mgsc_{kind}_gt.json"))
            for group in GROUPS
            for kind in ("caption", "mask")
        }
        for group in GROUPS:
            files[group, "mask"].categories = [{"id": 1, "name": "object"}]
        for sample in watched(read(samples), str(folder)):
            turns = [turn for turn in sample.turns if turn.task == "mgsc"]
            if COMPOSED not in sample.meta[META]:
                raise UserError(
                    f"{samples}: sample {sample.id!r} was annotated by an earlier version, which did not keep what a "
                    "caption is about; leave `evaluation` out of export.forms"
                )
            for number, (turn, node) in enumerate(zip(turns, sample.meta[META][COMPOSED], strict=True)):
                image = {
                    "id": f"{names[sample.id]}_{number}",
                    "file_name": sample.image,
                    "height": sample.size[0],
                    "width": sample.size[1],
                    "type": ROOT if node is None else SUBTREE + sample.segment(node).label,
                }
                for group in ("root" if node is None else "subtree", "all"):
                    _add_item(files[group, "caption"], files[group, "mask"], sample, turn, image)


def _add_item(captions: CocoFile, marks: CocoFile, sample: Sample, turn: Turn, image: dict[str, Any]) -> None:
    captions.images.add(image)
    labels = list(chain.from_iterable(_phrases(turn)))
    captions.annotate({"image_id": image["id"], "caption": turn.answer.text, "labels": labels})
    marks.images.add(image)
    for segment in (sample.segment(i) for i in dict.fromkeys(turn.answer.segment_ids)):
        x0, y0, x1, y1 = masks.box(segment.rle.to_coco())
        marks.annotate(
            {
                "image_id": image["id"],
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
