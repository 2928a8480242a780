"""Grounded captions in the files of GLaMM and MGLMM: COCO-style truth in two files, one prediction file per image."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mglmm.eval.average_precision import TruthDetails
from mglmm.eval.captioning import one_line
from mglmm.eval.coco_files import (
    CaptionTruth,
    GroundedPrediction,
    ImageId,
    MaskTruth,
    Size,
    TruthCaption,
    TruthMask,
    by_image,
    read_as,
    size_of,
    unique,
)
from mglmm.eval.scorers import GroundedPair
from mglmm.masks import CocoRle
from mglmm.schema import UserError

CAPTION_TRUTH, MASK_TRUTH = "caption_gt", "mask_gt"
"""What the names of the two truth files hold. Source: MGLMM at d2abee8, `{split}_mgsc_caption_gt.json`, ..."""


def truth_pair(paths: Sequence[Path]) -> tuple[Path, Path]:
    """(caption truth, mask truth): from both files, from one whose name tells the other's, or from their folder.

    Raises:
        UserError: there is not exactly one of each.
    """
    found = list(paths)
    if len(paths) == 1 and paths[0].is_dir():
        found = sorted(p for p in paths[0].glob("*.json") if CAPTION_TRUTH in p.name or MASK_TRUTH in p.name)
    elif len(paths) == 1:
        name = paths[0].name
        other = (
            name.replace(CAPTION_TRUTH, MASK_TRUTH)
            if CAPTION_TRUTH in name
            else name.replace(MASK_TRUTH, CAPTION_TRUTH)
        )
        found = [paths[0], paths[0].with_name(other)]
    captions = [p for p in found if CAPTION_TRUTH in p.name]
    masks = [p for p in found if MASK_TRUTH in p.name]
    if len(captions) != 1 or len(masks) != 1:
        raise UserError(
            f"{paths[0]}: {len(captions)} files of captions (..{CAPTION_TRUTH}..json) and {len(masks)} of masks "
            f"(..{MASK_TRUTH}..json); give one of each"
        )
    return captions[0], masks[0]


class GroundedTruth:
    """The two truth files of a split, indexed by image once.

    Raises:
        UserError: malformed, an id twice, an annotation of no image, a captioned image without caption or labels.
    """

    def __init__(self, caption_path: Path, mask_path: Path) -> None:
        self.caption_path, self.mask_path = caption_path, mask_path
        masks, captions = read_as(mask_path, MaskTruth), read_as(caption_path, CaptionTruth)
        self.images = unique(mask_path, "images", masks.images, "id")
        unique(mask_path, "annotations", masks.annotations, "id")
        self.masks = by_image(mask_path, "annotations", masks.annotations, self.images)
        captioned = unique(caption_path, "images", captions.images, "id")
        self.captions = by_image(caption_path, "annotations", captions.annotations, captioned)
        for name, found in self.captions.items():
            if name not in self.images:
                raise UserError(f"{caption_path}, field images: image {name!r} is not in {mask_path}")
            if not found or found[0].labels is None:
                lacking = "labels" if found else "caption"
                raise UserError(f"{caption_path}, field annotations: image {name!r} has no {lacking}")

    def pairs(self, folder: Path) -> Iterator[GroundedPair]:
        """Every image with its answer, one at a time; those that the mask truth alone holds come last.

        Raises:
            UserError: an answer is missing, malformed, of another size, or belongs to no image.
        """
        files = prediction_files(folder, self.captions)
        for name, captions in self.captions.items():
            yield self._pair(name, captions, files[name])
        for name in [name for name in self.images if name not in self.captions]:
            truth, details, _ = self._truth(name)
            yield GroundedPair(name, truth, details=details)

    def _truth(self, name: ImageId) -> tuple[list[CocoRle], TruthDetails, Size | None]:
        annotations, size = self.masks[name], size_of(self.images[name])
        rles: list[CocoRle] = []
        for annotation in annotations:
            try:
                rles.append(annotation.rle(size))
            except ValueError as error:
                raise UserError(
                    f"{self.mask_path}, annotation {annotation.id!r}, field segmentation: {error}"
                ) from error
            size = size or (rles[0]["size"][0], rles[0]["size"][1])
        return rles, _details(annotations, rles), size

    def _pair(self, name: ImageId, captions: Sequence[TruthCaption], path: Path) -> GroundedPair:
        truth, details, size = self._truth(name)
        answer = read_as(path, GroundedPrediction)
        if str(answer.image_id) != str(name):
            raise UserError(f"{path}, field image_id: {answer.image_id!r}, but the file is named after image {name!r}")
        for k, rle in enumerate(answer.pred_masks):
            size = size or (rle["size"][0], rle["size"][1])
            if tuple(rle["size"]) != size:
                raise UserError(f"{path}, field pred_masks.{k}: size {tuple(rle['size'])}, but the image is {size}")
        return GroundedPair(
            name,
            truth,
            details=details,
            references=[c.caption for c in captions],
            truth_phrases=captions[0].labels or (),
            caption=one_line(answer.caption),  # as MGLMM's `postprocess_text` does
            phrases=answer.phrases,
            predicted=answer.pred_masks,
        )


def prediction_files(folder: Path, images: Mapping[ImageId, object]) -> dict[ImageId, Path]:
    """Image -> its file `IMAGE.json` in `folder`.

    Raises:
        UserError: no such folder, an image without a file, or a file that answers no image.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; give the folder of the predictions, one IMAGE.json each")
    present = {path.stem: path for path in folder.glob("*.json")}
    files: dict[ImageId, Path] = {}
    for name in images:
        if str(name) not in present:
            raise UserError(f"{folder}: no prediction for image {name!r}, it should be in {name}.json")
        files[name] = present[str(name)]
    if unknown := sorted(present.keys() - {str(name) for name in images}):
        raise UserError(
            f"{folder}/{unknown[0]}.json: {unknown[0]!r} is no image of the truth ({len(unknown)} such files)"
        )
    return files


def _details(annotations: Sequence[TruthMask], rles: Sequence[CocoRle]) -> TruthDetails:
    plain = TruthDetails.plain(rles)
    stated = [a.area if a.area is not None else area for a, area in zip(annotations, plain.areas, strict=True)]
    return TruthDetails([a.id for a in annotations], stated, [a.iscrowd for a in annotations])
