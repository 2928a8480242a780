"""COCO's family of formats: what is read is what the files state; what is broken is refused or left out alone."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from mglmm.data.readers import READERS
from mglmm.data.readers.policy import Skipped
from mglmm.schema import Sample, UserError
from tests.data.readers.realdata import files, polygon_length

SQUARE = [1, 1, 5, 1, 5, 5, 1, 5]


def annotation(number: int, image: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": 7,
        "segmentation": [SQUARE],
        "bbox": [1, 1, 4, 4],
        "area": 16,
        "iscrowd": 0,
        **changes,
    }


def content(*annotations: dict[str, Any], images: int = 3) -> dict[str, Any]:
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 8, "width": 10} for i in range(1, images + 1)],
        "annotations": list(annotations),
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "café"}],
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes a folder with this file and three pictures."""

    def make(data: Any) -> Path:
        (tmp_path / "annotations").mkdir(exist_ok=True)
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        (tmp_path / "annotations" / "instances_val.json").write_text(text, encoding="utf-8")
        (tmp_path / "val").mkdir(exist_ok=True)
        for number in (1, 2, 3):
            Image.new("L", (10, 8)).save(tmp_path / "val" / f"{number}.png")
        return tmp_path

    return make


def read(root: Path, **options: Any) -> list[Sample]:
    return list(READERS["coco-instances"](root, "val", **options))


def test_what_other_tools_write(write: Callable[[Any], Path]) -> None:
    data = content(annotation(1, segmentation=[[]]))
    data["images"][0].update(height="8", width="10")
    data["categories"].append({"id": 40, "name": "far", "supercategory": "x", "keypoints": []})
    (sample, *_) = read(write(data))
    assert sample.meta == {"boxes": [{"id": 1, "label": "cat", "box_xywh": [1, 1, 4, 4]}]}
    assert sample.exhaustive == ("cat", "café", "far")


def test_the_folder_of_the_images_is_where_the_first_one_is(write: Callable[[Any], Path]) -> None:
    data = content(annotation(1))
    for image in data["images"]:
        image["file_name"] = f"val/{image['file_name']}"
    root = write(data)
    (root / "images").mkdir()
    (root / "val").rename(root / "images" / "val")
    assert [s.image for s in read(root)] == ["images/val/1.png", "images/val/2.png", "images/val/3.png"]


def test_a_file(write: Callable[[Any], Path]) -> None:
    crowd = annotation(2, 2, segmentation={"size": [8, 10], "counts": [8, 4, 68]}, iscrowd=1, category_id=9)
    samples = read(write(content(annotation(1), crowd, annotation(3, 1, segmentation=[]))))
    assert [s.id for s in samples] == ["coco-instances/1", "coco-instances/2", "coco-instances/3"]
    assert [s.image for s in samples] == ["val/1.png", "val/2.png", "val/3.png"]
    first, second, third = samples
    assert first.size == (8, 10)
    assert [(s.id, s.label, s.area, s.box) for s in first.segments] == [(1, "cat", 16, (1, 1, 5, 5))]
    assert first.meta == {"boxes": [{"id": 3, "label": "cat", "box_xywh": [1, 1, 4, 4]}]}
    assert second.segments[0].label == "café"
    assert second.segments[0].mask.nonzero()[1].tolist() == [1, 1, 1, 1]
    assert second.meta == {"crowd_ids": [2]}
    assert third.segments == ()
    assert third.exhaustive == ("cat", "café")


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown class": (lambda c: c["annotations"][1].update(category_id=8), "category 8"),
    "polygon outside": (lambda c: c["annotations"][1].update(segmentation=[[1, 1, 50, 1, 5, 5]]), "outside"),
    "polygon negative": (lambda c: c["annotations"][1].update(segmentation=[[-9, 1, 5, 1, 5, 5]]), "outside"),
    "two points": (lambda c: c["annotations"][1].update(segmentation=[[1, 1, 5, 5]]), "3 points"),
    "NaN": (lambda c: c["annotations"][1].update(segmentation=[[1, float("nan"), 5, 1, 5, 5]]), "finite"),
    "text as points": (lambda c: c["annotations"][1].update(segmentation="poly"), "segmentation"),
    "size of RLE": (lambda c: c["annotations"][1].update(segmentation={"size": [8, 9], "counts": [72]}), "(8, 9)"),
    "runs too short": (lambda c: c["annotations"][1].update(segmentation={"size": [8, 10], "counts": [9, 2]}), "11 p"),
    "runs negative": (
        lambda c: c["annotations"][1].update(segmentation={"size": [8, 10], "counts": [90, -10]}),
        "negative",
    ),
    "counts damaged": (lambda c: c["annotations"][1].update(segmentation={"size": [8, 10], "counts": "~~"}), "RLE"),
    "annotation id twice": (lambda c: c["annotations"].append(annotation(2, 2)), "annotation id 2"),
    "image id twice": (lambda c: c["images"].append({**c["images"][0], "file_name": "other.png"}), "id 1"),
    "image missing": (lambda c: c["images"][1].update(file_name="none.png"), "no such picture"),
    "image of another size": (lambda c: c["images"][1].update(width=11), "10"),
    "zip-slip": (lambda c: c["images"][1].update(file_name="../../etc/passwd"), "leads out"),
    "absolute": (lambda c: c["images"][1].update(file_name="/etc/passwd"), "leads out"),
    "backslashes": (lambda c: c["images"][1].update(file_name="..\\secret.png"), "leads out"),
    "annotation of no image": (lambda c: c["annotations"][1].update(image_id=99), "image 99"),
    "no image id": (lambda c: c["annotations"][1].pop("image_id"), "image_id"),
    "not a record": (lambda c: c["annotations"].append(5), "image_id"),
    "height is text": (lambda c: c["images"][1].update(height="tall"), "height"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_records(name: str, write: Callable[[Any], Path]) -> None:
    whole = content(annotation(1, 1), annotation(2, 2), annotation(3, 3))
    good = {s.id: s for s in read(write(whole))}
    spoil, reason = BROKEN[name]
    spoil(whole)
    root = write(whole)
    with pytest.raises(UserError, match="instances_val.json|val") as caught:
        read(root)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    skipped = Skipped()
    samples = read(root, on_bad=skipped)
    assert skipped.count == 1
    orphan = name in ("annotation of no image", "no image id")  # of whose it was nothing is known
    assert all(s == good[s.id] for s in samples if not (orphan and s.id.endswith("/2")))
    left_out = set() if orphan or name in ("image id twice", "not a record") else {"coco-instances/2"}
    assert good.keys() - {s.id for s in samples} == left_out


@pytest.mark.parametrize("length", range(0, 380, 20))
def test_truncated(length: int, write: Callable[[Any], Path]) -> None:
    text = json.dumps(content(annotation(1, 1), annotation(2, 2)))[:length]
    with pytest.raises(UserError, match="byte") as caught:
        read(write(text), on_bad=Skipped())
    assert "cut short" in str(caught.value) or length == 0


@pytest.mark.parametrize(
    "text", ["[1, 2]", "{}", '{"images": []}', "5", '{"images": [],}', '{"images": [] "a": 1}', "{1: 2}"]
)
def test_not_such_a_file(text: str, write: Callable[[Any], Path]) -> None:
    with pytest.raises(UserError):
        read(write(text), on_bad=Skipped())


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="instances_val.json: no such file"):
        read(tmp_path)


def agree(sample: Sample, image: dict[str, Any], annotations: list[dict[str, Any]], names: dict[int, str]) -> None:
    """The sample holds what the file states: sizes, classes, areas, boxes, crowds and counts."""
    assert sample.size == (image["height"], image["width"])
    boxes = {b["id"]: b for b in sample.meta.get("boxes", ())}
    assert [s.id for s in sample.segments] == [a["id"] for a in annotations if a["id"] not in boxes]
    for stated in annotations:
        if stated["id"] in boxes:
            assert boxes[stated["id"]]["box_xywh"] == stated["bbox"]
            assert boxes[stated["id"]]["label"] == names[stated["category_id"]]
            continue
        segment = sample.segment(stated["id"])
        assert segment.label == names[stated["category_id"]]
        x, y, width, height = stated["bbox"]
        shape = stated["segmentation"]
        # a pixel belongs to a polygon by its center, so each edge may be off by half a pixel either way, and by what
        # rounding to the two decimals of the file adds; an RLE is exact
        outline = sum(map(polygon_length, shape)) if isinstance(shape, list) else 0.0
        assert abs(segment.area - stated["area"]) <= outline + len(outline and shape or ())
        stated_box = np.array([x, y, x + width, y + height])
        if outline:
            oracle = coco.merge(coco.frPyObjects(shape, *sample.size))
            assert segment.rle.counts == oracle["counts"].decode()
            points = np.concatenate(shape).reshape(-1, 2)
            # LVIS v0.5 has two images of which the boxes, but not the polygons, are those of the image turned
            if np.allclose([*points.min(0), *points.max(0)], stated_box, atol=1):
                # a thin tip of a polygon holds no center of a pixel, so the mask may end before the box does
                assert (segment.box[:2] >= stated_box[:2] - 1.5).all()
                assert (segment.box[2:] <= stated_box[2:] + 1.5).all()
        else:  # some tools state the box of an RLE by its last pixel
            assert np.allclose(segment.box, stated_box, atol=1)
        assert (stated["id"] in sample.meta.get("crowd_ids", ())) == bool(stated.get("iscrowd"))


def is_instances(path: Path) -> bool:
    data = json.loads(path.read_text())
    first = (data.get("annotations") or [{}])[0] if isinstance(data, dict) else {}
    return "images" in data and "segmentation" in first


@pytest.mark.parametrize(
    "path", files("coco_*/**/*.json", "lvis/*.json", "datumaro_synthetic/**/coco_*/annotations/*.json", "paco*/*.json")
)
def test_real_instances(path: Path) -> None:
    if not is_instances(path):
        pytest.skip("not in the layout of instances")
    data = json.loads(path.read_text())
    by_image = defaultdict(list)
    for stated in data["annotations"]:
        by_image[stated["image_id"]].append(stated)
    names = {c["id"]: c["name"] for c in data["categories"]}
    name = "lvis" if "neg_category_ids" in data["images"][0] else "coco"
    samples = list(READERS[name](path.parent, "x", annotations=path.name, check_images=False))
    assert len(samples) == len(data["images"])
    for sample, image in zip(samples, data["images"], strict=True):
        agree(sample, image, by_image[image["id"]], names)
        if name == "lvis":
            assert {names[i] for i in image["neg_category_ids"]} <= set(sample.exhaustive)
            assert not {names[i] for i in image["not_exhaustive_category_ids"]} & set(sample.exhaustive)
            assert sample.image == "/".join(image["coco_url"].split("/")[-2:])


@pytest.mark.parametrize("path", files("**/captions_*.json"))
def test_real_captions(path: Path) -> None:
    data = json.loads(path.read_text())
    if "images" not in data:
        pytest.skip("not in the layout of captions")
    samples = list(READERS["coco-captions"](path.parent, "x", annotations=path.name, check_images=False))
    texts = {s.id: [t.answer.text for t in s.turns] for s in samples}
    stated = {f"coco-captions/{i['id']}": [] for i in data["images"]}
    for a in data["annotations"]:
        stated[f"coco-captions/{a['image_id']}"].append(a["caption"].strip())
    assert texts == stated
    assert all(len({t.instruction for t in s.turns}) <= 1 for s in samples)
