"""Captions in COCO's files: an annotation file with references, a results file with one caption per image."""

from pathlib import Path

from mglmm.eval.captioning import first_of_each
from mglmm.eval.coco_files import CaptionResult, CaptionTruth, ImageId, by_image, read_as, unique
from mglmm.schema import UserError


def caption_pairs(
    truth_path: Path, results_path: Path, *, partial: bool = False
) -> tuple[list[tuple[str, list[str]]], int]:
    """(caption, references) of every image, in the order of the truth's images, and how many images that holds.

    `partial`: as the official evaluator does, only the images that are answered, the first answer of each (quirk C7).

    Raises:
        UserError: malformed; an answer to no image; an image without references; without `partial` also an image
            without an answer or with two.
    """
    truth = read_as(truth_path, CaptionTruth)
    images = unique(truth_path, "images", truth.images, "id")
    references = by_image(truth_path, "annotations", truth.annotations, images)
    results = read_as(results_path, list[CaptionResult])
    by_image(results_path, "item", results, images)
    if not partial:
        unique(results_path, "item", results, "image_id")
    captions = first_of_each((result.image_id, result.caption) for result in results)
    missing: list[ImageId] = [name for name in images if name not in captions]
    if missing and not partial:
        raise UserError(f"{results_path}: no caption for image {missing[0]!r} ({len(missing)} such images); {_ADVICE}")
    for name, texts in references.items():
        if name in captions and not texts:
            raise UserError(f"{truth_path}, field annotations: image {name!r} has no caption")
    pairs = [(captions[name], [a.caption for a in references[name]]) for name in images if name in captions]
    return pairs, len(images)


_ADVICE = "answer every image of the truth, or give --partial to score the answered ones alone"
