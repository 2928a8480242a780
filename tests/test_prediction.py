"""A prediction with its picture, handed on."""

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_masks

from mglmm.prediction import ImagePrediction
from mglmm.schema import GroundedText, Rle, Segment, Span


@pytest.fixture
def prediction(picture: Image.Image) -> ImagePrediction:
    """A disc and two boxes of one label; the words need escaping."""
    rows, columns = np.mgrid[:40, :60]
    disc = (rows - 20) ** 2 + (columns - 32) ** 2 < 100
    left, right = columns < 8, columns >= 55
    segments = [
        Segment(id=n, rle=Rle.from_mask(mask), label=label, score=0.9)
        for n, (mask, label) in enumerate([(disc, "disc"), (left, "edge"), (right, "edge")], start=1)
    ]
    text = GroundedText(
        text="a disc & <b>edges</b>",
        spans=(Span(start=2, end=6, segment_ids=(1,)), Span(start=9, end=21, segment_ids=(2, 3))),
    )
    return ImagePrediction(
        sample_id="a.png",
        size=(40, 60),
        instruction="<script>",
        answer=text,
        segments=tuple(segments),
        image=picture,
    )


def test_coco(prediction: ImagePrediction) -> None:
    coco = prediction.to_coco()
    assert coco["images"] == [{"id": 1, "file_name": "a.png", "height": 40, "width": 60}]
    assert [category["name"] for category in coco["categories"]] == ["disc", "edge"]
    assert [annotation["category_id"] for annotation in coco["annotations"]] == [1, 2, 2]
    for annotation, segment in zip(coco["annotations"], prediction.segments, strict=True):
        assert np.array_equal(coco_masks.decode(annotation["segmentation"]).astype(bool), segment.mask)
        assert annotation["area"] == segment.mask.sum()
        assert annotation["bbox"] == list(coco_masks.toBbox(annotation["segmentation"]))


def test_supervision(prediction: ImagePrediction) -> None:
    detections = prediction.to_supervision()
    assert len(detections) == 3
    assert np.array_equal(detections.mask, np.stack([segment.mask for segment in prediction.segments]))
    assert detections.xyxy.tolist() == [list(segment.box) for segment in prediction.segments]
    assert detections.data["class_name"].tolist() == ["disc", "edge", "edge"]
    assert detections.class_id is not None and detections.class_id.tolist() == [0, 1, 1]
    assert detections.confidence is not None and detections.confidence.tolist() == [0.9, 0.9, 0.9]
    empty = prediction.model_copy(update={"segments": ()}).to_supervision()
    assert len(empty) == 0 and empty.mask is not None and empty.mask.shape == (0, 40, 60)


def test_supervision_of_masks_without_a_score_has_no_confidence(prediction: ImagePrediction) -> None:
    first, *others = prediction.segments
    unscored = prediction.model_copy(update={"segments": (first.model_copy(update={"score": None}), *others)})
    assert unscored.to_supervision().confidence is None
    sure = prediction.model_copy(update={"segments": (first.model_copy(update={"score": 0.0}), *others)})
    found = sure.to_supervision().confidence
    assert found is not None and found.tolist() == [0.0, 0.9, 0.9]


def test_notebook(prediction: ImagePrediction) -> None:
    html = prediction._repr_html_()
    assert "&lt;script&gt;" in html and "<script>" not in html
    assert html.count("<mark style=") == 2
    assert "&lt;b&gt;edges&lt;/b&gt;</mark>" in html
    assert "data:image/png;base64," in html
