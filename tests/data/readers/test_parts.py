"""PACO-LVIS, Pascal-Part, DCI, SA-1B: masks, wholes and parts are what the files state."""

import base64
import io
import json
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
from tests.data.readers.realdata import files
from tests.data.readers.test_grandf import picture, rle, write


def read(name: str, root: Path, split: str = "val", **options: Any) -> list[Sample]:
    return list(READERS[name](root, split, **options))


def paco(*annotations: dict[str, Any]) -> dict[str, Any]:
    image = {"id": 1, "file_name": "val2017/1.jpg", "height": 8, "width": 10, "neg_category_ids": [3]}
    return {
        "images": [{**image, "not_exhaustive_category_ids": []}],
        "annotations": [{"image_id": 1, "bbox": [0, 0, 4, 4], "attribute_ids": [], **a} for a in annotations],
        "categories": [
            {"id": 1, "name": "handbag", "supercategory": "OBJECT"},
            {"id": 2, "name": "handbag:zip", "supercategory": "PART"},
            {"id": 3, "name": "dog", "supercategory": "OBJECT"},
        ],
        "attributes": [{"id": 0, "name": "light_blue"}, {"id": 5, "name": "wood"}],
    }


def test_paco(tmp_path: Path) -> None:
    whole = {"id": 11, "category_id": 1, "obj_ann_id": 11, "segmentation": rle(0, 0, 4, 4), "attribute_ids": [0, 5]}
    part = {"id": 12, "category_id": 2, "obj_ann_id": 11, "segmentation": rle(1, 1, 2, 3)}
    picture(tmp_path / "val2017/1.jpg")
    write(tmp_path / "annotations/paco_lvis_v1_val.json", paco(whole, part))
    (sample,) = read("paco-lvis", tmp_path)
    assert [(s.id, s.label, s.parent, s.area) for s in sample.segments] == [
        (11, "handbag", None, 16),
        (12, "zip", 11, 2),
    ]
    assert sample.exhaustive == ("handbag", "dog")
    assert sample.meta == {"attributes": {"11": ["light_blue", "wood"]}}
    write(tmp_path / "annotations/paco_lvis_v1_val.json", paco({**whole, "segmentation": []}, part))
    (sample,) = read("paco-lvis", tmp_path)
    assert [(s.id, s.parent) for s in sample.segments] == [(12, None)]
    assert sample.meta["boxes"] == [{"id": 11, "label": "handbag", "box_xywh": [0, 0, 4, 4]}]
    for change, reason in (
        ({"obj_ann_id": 99}, "parent 99"),
        ({"category_id": 9}, "category 9"),
        ({"attribute_ids": [7]}, "attribute 7"),
        ({"segmentation": rle(0, 0, 1, 1, (8, 9))}, r"\(8, 9\)"),
        ({"id": 11}, "annotation id 11"),
    ):
        write(tmp_path / "annotations/paco_lvis_v1_val.json", paco(whole, {**part, **change}))
        with pytest.raises(UserError, match=reason):
            read("paco-lvis", tmp_path)
        skipped = Skipped()
        assert read("paco-lvis", tmp_path, on_bad=skipped) == []
        assert skipped.count == 1


def test_pascal_part(tmp_path: Path) -> None:
    scipy = pytest.importorskip("scipy.io")
    mask = np.zeros((8, 10), dtype=np.uint8)
    mask[:4, :4] = 1
    part = np.zeros((1, 2), dtype=[("part_name", "O"), ("mask", "O")])
    part[0, 0] = ("lear", mask * 0)
    part[0, 1] = ("head", mask)
    things = np.zeros((1, 2), dtype=[("class", "O"), ("class_ind", "O"), ("mask", "O"), ("parts", "O")])
    things[0, 0] = ("person", 15, mask, part)
    things[0, 1] = ("table", 11, mask, np.zeros((0, 0)))
    anno = np.zeros((1, 1), dtype=[("imname", "O"), ("objects", "O")])
    anno[0, 0] = ("2008_1", things)
    folder = tmp_path / "Annotations_Part"
    folder.mkdir()
    scipy.savemat(folder / "2008_1.mat", {"anno": anno})
    picture(tmp_path / "VOC2010/JPEGImages/2008_1.jpg")
    write(tmp_path / "VOC2010/ImageSets/Main/val.txt", "2008_1\n")
    (sample,) = read("pascal-part", tmp_path)
    assert [(s.id, s.label, s.parent) for s in sample.segments] == [
        (1, "person", None),
        (3, "head", 1),
        (4, "table", None),
    ]
    assert sample.meta == {"hidden": [{"id": 2, "label": "lear", "parent": 1}]}
    whole = (folder / "2008_1.mat").read_bytes()
    for content in (whole[: len(whole) // 2], b"no matlab", b"", whole[:130]):
        (folder / "2008_1.mat").write_bytes(content)
        with pytest.raises(UserError, match=r"2008_1\.mat"):
            read("pascal-part", tmp_path)
    write(tmp_path / "VOC2010/ImageSets/Main/val.txt", "../../x\n")
    with pytest.raises(UserError, match="leads out"):
        read("pascal-part", tmp_path)
    with pytest.raises(UserError, match=r"test\.txt: no such file"):
        read("pascal-part", tmp_path, "test")


@pytest.mark.parametrize("path", files("pascal_part/**/*.mat"))
def test_real_pascal_part(path: Path, tmp_path: Path) -> None:
    loadmat = pytest.importorskip("scipy.io").loadmat
    write(tmp_path / "VOC2010/ImageSets/Main/val.txt", path.stem)
    (sample,) = read("pascal-part", tmp_path, annotations=str(path.parent), images=str(path.parent))
    stated: list[tuple[str, int, int | None]] = []
    number = 0
    for thing in loadmat(path)["anno"][0, 0]["objects"][0]:
        number += 1
        whole = number
        stated.append((thing["class"][0], int((thing["mask"] > 0).sum()), None))
        for part in thing["parts"][0] if thing["parts"].size else ():
            number += 1
            stated.append((part["part_name"][0], int((part["mask"] > 0).sum()), whole))
    hidden = {h["id"]: (h["label"], 0, h["parent"]) for h in sample.meta.get("hidden", ())}
    found = {**hidden, **{s.id: (s.label, s.area, s.parent) for s in sample.segments}}
    assert [found[n] for n in sorted(found)] == stated


def sa(*annotations: dict[str, Any], number: int = 1) -> dict[str, Any]:
    image = {"image_id": number, "width": 10, "height": 8, "file_name": f"sa_{number}.jpg"}
    common = {"predicted_iou": 1.01, "stability_score": 0.97, "bbox": [0, 0, 3, 3], "area": 16}
    return {"image": image, "annotations": [{**common, **a} for a in annotations]}


def test_sa1b(tmp_path: Path) -> None:
    good, other = {"id": 1, "segmentation": rle(0, 0, 4, 4)}, {"id": 2, "segmentation": rle(2, 2, 8, 9)}
    for number in (1, 2):
        write(tmp_path / f"sa_000020/sa_{number}.json", sa(good, other, number=number))
        picture(tmp_path / f"sa_000020/sa_{number}.jpg")
    first, second = read("sa-1b", tmp_path, "sa_000020")
    assert [(s.id, s.label, s.area) for s in first.segments] == [(1, "region", 16), (2, "region", 42)]
    assert first.meta == {"predicted_iou": {"1": 1.01, "2": 1.01}, "stability_score": {"1": 0.97, "2": 0.97}}
    assert first.image == "sa_000020/sa_1.jpg"
    whole = json.dumps(sa(good, other))
    for content, reason in (
        (whole[:-20], "sa_1.json"),
        (json.dumps(sa(good, {**other, "id": 1})), "not unique"),
        (json.dumps(sa({**good, "segmentation": rle(0, 0, 1, 1, (9, 9))})), r"\(9, 9\)"),
        (json.dumps(sa(good, number=7)), "no such picture"),
        (whole.replace("sa_1.jpg", "../../x.jpg"), "leads out"),
    ):
        (tmp_path / "sa_000020/sa_1.json").write_text(content)
        with pytest.raises(UserError, match=reason):
            read("sa-1b", tmp_path, "sa_000020")
        skipped = Skipped()
        assert read("sa-1b", tmp_path, "sa_000020", on_bad=skipped) == [second]
        assert skipped.count == 1
    with pytest.raises(UserError, match="no such folder"):
        read("sa-1b", tmp_path, "sa_000021")


@pytest.mark.parametrize("path", files("sa1b_tfds/*.json", "**/segment_anything_dataset/*.json"))
def test_real_sa1b(path: Path, tmp_path: Path) -> None:
    data = json.loads(path.read_text())
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / path.name).write_text(path.read_text())
    size = (data["image"]["height"], data["image"]["width"])
    if any(tuple(a["segmentation"]["size"]) != size for a in data["annotations"]):
        with pytest.raises(UserError, match="RLE size"):
            read("sa-1b", tmp_path, "x", check_images=False)
        return
    (sample,) = read("sa-1b", tmp_path, "x", check_images=False)
    assert sample.size == size
    assert [(s.id, s.area) for s in sample.segments] == [(a["id"], a["area"]) for a in data["annotations"]]
    for segment, stated in zip(sample.segments, data["annotations"], strict=True):
        x, y, width, height = stated["bbox"]  # by the last pixel
        assert np.allclose(segment.box, (x, y, x + width + 1, y + height + 1), atol=1)
        assert segment.area == coco.area(stated["segmentation"])


def png(mask: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def dense(number: int, parent: int = -1, quality: int = 0, **changes: Any) -> dict[str, Any]:
    mask = np.zeros((8, 10), dtype=bool)
    mask[: 8 - number] = True
    bounds = {"topLeft": {"x": 0, "y": 0}, "bottomRight": {"x": 9, "y": 7}}
    told = {} if quality == 2 else {"label": f"thing {number}", "caption": "" if quality else f"about {number}"}
    return {
        "idx": number,
        "outer_mask": png(mask),
        "mask_quality": quality,
        "parent": parent,
        "requirements": [],
        "bounds": bounds,
        "area": int(mask.sum()),
        **told,
        **changes,
    }


def dci(root: Path, *entries: dict[str, Any]) -> Path:
    data = {str(n): entry for n, entry in enumerate(entries)}
    file = {"image": "sa_1.jpg", "short_caption": "A pump.", "extra_caption": "By a wall.", "mask_data": data}
    write(root / "annotations/sa_1.json", {**file, "mask_keys": list(data)})
    picture(root / "photos/sa_1.jpg")
    write(root / "splits.json", {"train": [], "valid": ["sa_1.json"], "test": ["../x.json"]})
    return root


def test_dci(tmp_path: Path) -> None:
    (sample,) = read("dci", dci(tmp_path, dense(0), dense(1, 0, 2), dense(2, 1, 1), dense(3, 2)), "valid")
    assert [(s.id, s.label, s.caption, s.parent, s.area) for s in sample.segments] == [
        (0, "thing 0", "about 0", None, 80),
        (2, "thing 2", None, 0, 60),
        (3, "thing 3", "about 3", 2, 50),
    ]
    assert [t.answer.text for t in sample.turns] == ["A pump.", "A pump. By a wall.", "about 0", "about 3"]
    assert [t.region_ids for t in sample.turns] == [(), (), (0,), (3,)]
    assert read("dci", tmp_path, "train") == []


BROKEN: dict[str, tuple[Callable[[], list[dict[str, Any]]], str]] = {
    "circle": (lambda: [dense(0, 1), dense(1, 0)], "cycle"),
    "circle of unusable": (lambda: [dense(0, 1), dense(1, 2, 2), dense(2, 1, 2)], "cycle"),
    "no parent": (lambda: [dense(0, 7)], "parent 7 does not exist"),
    "same idx": (lambda: [dense(0), dense(0)], "same idx"),
    "empty": (lambda: [dense(0, outer_mask=png(np.zeros((8, 10), dtype=bool)))], "is empty"),
    "size": (lambda: [dense(0, outer_mask=png(np.ones((8, 9), dtype=bool)))], "8 x 9"),
    "no base64": (lambda: [dense(0, outer_mask="***")], "base64"),
    "no PNG": (lambda: [dense(0, outer_mask="aGVsbG8=")], "not a picture"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_dci(name: str, tmp_path: Path) -> None:
    entries, reason = BROKEN[name]
    with pytest.raises(UserError, match=reason):
        read("dci", dci(tmp_path, *entries()), "valid")


def test_dci_splits(tmp_path: Path) -> None:
    dci(tmp_path, dense(0))
    for split, reason in (("test", "leads out"), ("val", "split 'val'")):
        with pytest.raises(UserError, match=reason):
            read("dci", tmp_path, split)
    (tmp_path / "splits.json").unlink()
    assert len(read("dci", tmp_path, "all")) == 1
    with pytest.raises(UserError, match="splits.json: no such file"):
        read("dci", tmp_path, "valid")
