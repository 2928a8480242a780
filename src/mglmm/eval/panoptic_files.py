"""Panoptic segmentation in COCO's files: masks as RLE in JSON, or as colors of PNG files beside it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mglmm import masks
from mglmm.eval.classes import Classes
from mglmm.eval.coco_files import (
    Category,
    ImageId,
    MaskResult,
    MaskTruth,
    PanopticAnnotation,
    PanopticTruth,
    Size,
    by_image,
    read_as,
    size_of,
    unique,
)
from mglmm.eval.panoptic import ClassSegment, without_overlaps
from mglmm.eval.scorers import PanopticScorer
from mglmm.eval.text_similarity import LexicalSimilarity
from mglmm.schema import UserError

Reader = Callable[[ImageId, Size | None], list[ClassSegment]]
"""The segments of one image of this size (height, width), read when they are asked for."""


class PanopticFilesScorer(PanopticScorer):
    """Panoptic quality of segments whose class is given, so that no phrase is read."""

    def __init__(self, classes: Classes) -> None:
        super().__init__(classes, LexicalSimilarity())
        self.metrics = {"official": [self.official], "corrected": [self.corrected]}

    def add(self, truth: Sequence[ClassSegment], predicted: Sequence[ClassSegment]) -> None:
        """Add one image; of overlapping predictions the one of higher score lies on top."""
        visible = without_overlaps(predicted)
        self.official.update(truth, visible)
        self.corrected.update(truth, visible)

    def score_name(self, name: str) -> str:
        """The name as it is: no text similarity is used."""
        return name


class PanopticFiles:
    """Truth and predictions; only what the JSON files hold is kept in memory.

    Each is instances-style (RLE; predictions are then a COCO results file) or panoptic-style, whose PNG files lie in
    the folder that is called like the JSON file. An image without any predicted mask counts as missed altogether.

    Raises:
        UserError: malformed, an id twice, an unknown image or class; of panoptic-style predictions an image is missing.
    """

    def __init__(self, truth_path: Path, predictions_path: Path) -> None:
        self.truth_path, self.predictions_path = truth_path, predictions_path
        painted = b'"segments_info"' in _bytes(truth_path)
        truth: PanopticTruth | MaskTruth
        truth = read_as(truth_path, PanopticTruth) if painted else read_as(truth_path, MaskTruth)
        self.images = unique(truth_path, "images", truth.images, "id")
        unique(truth_path, "categories", truth.categories, "id")
        if not self.images or not truth.categories:
            raise UserError(f"{truth_path}: holds no {'category' if self.images else 'image'}")
        self.classes = _classes(truth_path, truth.categories)
        if isinstance(truth, PanopticTruth):
            self._truth = self._painted(truth_path, truth.annotations)
        else:
            self._truth = self._encoded_truth(truth)
        if _bytes(predictions_path).lstrip().startswith(b"{"):  # COCO results are a list
            self._predicted = self._painted(predictions_path, read_as(predictions_path, PanopticTruth).annotations)
        else:
            self._predicted = self._encoded(read_as(predictions_path, list[MaskResult]))

    def pairs(self) -> Iterator[tuple[list[ClassSegment], list[ClassSegment]]]:
        """Truth and predicted segments of every image, in the order of the truth.

        Raises:
            UserError: a mask of another size than the image, true segments that overlap, a PNG file that does not fit.
        """
        for name, image in self.images.items():
            truth = self._truth(name, size_of(image))
            rles = [segment.rle for segment in truth]
            if rles and masks.areas(rles).sum() > masks.area(masks.union(rles)):
                raise UserError(f"{self.truth_path}, image {name!r}, field segmentation: segments overlap")
            size = (rles[0]["size"][0], rles[0]["size"][1]) if rles else size_of(image)
            yield truth, self._predicted(name, size)

    def _encoded_truth(self, truth: MaskTruth) -> Reader:
        unique(self.truth_path, "annotations", truth.annotations, "id")
        self._check_classes(self.truth_path, "annotations", [a.category_id for a in truth.annotations])
        found = by_image(self.truth_path, "annotations", truth.annotations, self.images)

        def _read(name: ImageId, size: Size | None) -> list[ClassSegment]:
            segments = []
            for a in found[name]:
                try:
                    rle = a.rle(size)
                except ValueError as error:
                    place = f"{self.truth_path}, annotation {a.id!r}, field segmentation"
                    raise UserError(f"{place}: {error}") from error
                size = size or (rle["size"][0], rle["size"][1])
                area = None if a.area is None else round(a.area)
                segments.append(ClassSegment(a.category_id, rle, crowd=bool(a.iscrowd), area=area))
            return segments

        return _read

    def _encoded(self, results: list[MaskResult]) -> Reader:
        self._check_classes(self.predictions_path, "item", [r.category_id for r in results])
        numbers = by_image(self.predictions_path, "item", results, self.images)

        def _read(name: ImageId, size: Size | None) -> list[ClassSegment]:
            for k, result in enumerate(numbers[name]):
                size = size or (result.segmentation["size"][0], result.segmentation["size"][1])
                if tuple(result.segmentation["size"]) != size:
                    raise UserError(
                        f"{self.predictions_path}, mask {k} of image {name!r}, field segmentation: size "
                        f"{tuple(result.segmentation['size'])}, but the image is {size}"
                    )
            return [ClassSegment(r.category_id, r.segmentation, r.score) for r in numbers[name]]

        return _read

    def _painted(self, path: Path, annotations: Sequence[PanopticAnnotation]) -> Reader:
        found = unique(path, "annotations", annotations, "image_id")
        by_image(path, "annotations", annotations, self.images)
        for k, annotation in enumerate(annotations):
            place = f"annotations {k}, segments_info"
            unique(path, place, annotation.segments_info, "id")
            self._check_classes(path, place, [s.category_id for s in annotation.segments_info])
        if missing := [name for name in self.images if name not in found]:
            raise UserError(f"{path}: no annotation for image {missing[0]!r} ({len(missing)} such images)")

        def _read(name: ImageId, size: Size | None) -> list[ClassSegment]:
            annotation = found[name]
            picture = path.with_suffix("") / annotation.file_name
            ids = _segment_ids(picture)
            if size not in (None, ids.shape):
                raise UserError(f"{picture}: size {ids.shape}, but image {name!r} is {size}")
            stated = {s.id for s in annotation.segments_info}
            if wrong := sorted(set(np.unique(ids).tolist()) - {VOID} ^ stated):
                where = "the PNG file" if wrong[0] in stated else f"segments_info of image {name!r} in {path}"
                raise UserError(f"{picture}: segment {wrong[0]} is missing in {where}")
            return [
                ClassSegment(s.category_id, masks.encode(ids == s.id), crowd=bool(s.iscrowd), area=s.area)
                for s in annotation.segments_info
            ]

        return _read

    def _check_classes(self, path: Path, where: str, class_ids: Sequence[int]) -> None:
        for k, class_id in enumerate(class_ids):
            if class_id not in self.classes.names:
                raise UserError(f"{path}, {where} {k}, field category_id: {class_id} is no category of the truth")


VOID = 0
"""Segment id of pixels that nobody labelled. Source: COCO panoptic format."""


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _classes(path: Path, categories: Sequence[Category]) -> Classes:
    return Classes(path, {c.id: (c.name,) for c in categories}, {c.id: bool(c.isthing) for c in categories})


def _segment_ids(path: Path) -> np.ndarray:
    """int64[H, W]: R + 256 G + 65536 B of every pixel. Source: COCO panoptic format."""
    try:
        with Image.open(path) as image:
            colors = np.asarray(image.convert("RGB"), dtype=np.int64)
    except (UnidentifiedImageError, SyntaxError) as error:  # the latter is how Pillow tells a broken PNG file
        raise UserError(f"{path}: is no picture, or a broken one") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    return np.asarray(colors @ np.array([1, 256, 65536]))
