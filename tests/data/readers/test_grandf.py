"""GranD-f and GranD: phrases, their masks, and where they stand in captions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mglmm import masks
from mglmm.data.readers import READERS
from mglmm.data.readers.policy import Skipped
from mglmm.schema import Sample, UserError
from tests.data.readers.realdata import files

SIZE = (8, 10)


def rle(top: int, left: int, bottom: int, right: int, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    mask = np.zeros(size, dtype=bool)
    mask[top:bottom, left:right] = True
    return dict(masks.encode(mask))


def picture(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (size[1], size[0])).save(path)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")


def entry(name: str = "sa_1.jpg") -> dict[str, Any]:
    return {
        "file_name": name,
        "caption": '"A dog and two cats sit."',
        "groundings": {
            "two cats": {"token_positives": [10, 18], "rle_masks": [rle(0, 0, 2, 2), rle(1, 1, 3, 3)]},
            "A dog": {"token_positives": [0, 5], "rle_masks": [rle(5, 5, 8, 8)]},
            "sit": None,
        },
    }


def human(root: Path, *entries: Any) -> Path:
    write(root / "GranDf/annotations/train/GranDf_HA_GCG_train.json", list(entries))
    for name in ("sa_1", "sa_2", "sa_3"):
        picture(root / f"GranDf_HA_images/train/{name}.jpg")
    return root


def read(name: str, root: Path, split: str = "train", **options: Any) -> list[Sample]:
    return list(READERS[name](root, split, **options))


def test_human(tmp_path: Path) -> None:
    (sample,) = read("grandf", human(tmp_path, entry()))
    assert sample.image == "GranDf_HA_images/train/sa_1.jpg"
    (turn,) = sample.turns
    assert turn.task == "gcg"
    assert turn.answer.text == "A dog and two cats sit."
    assert turn.answer.phrases == ("A dog", "two cats")
    assert turn.answer.segment_ids == (2, 1)
    assert [(s.label, s.area) for s in sample.segments] == [("two cats", 7), ("A dog", 9)]
    (tmp_path / "GranDf_HA_images").rename(tmp_path / "GranDf/GranDf_HA_images")
    assert read("grandf", tmp_path)[0].image == "GranDf/GranDf_HA_images/train/sa_1.jpg"


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "size of one RLE": (
        lambda e: e["groundings"]["two cats"]["rle_masks"].append(rle(0, 0, 1, 1, (9, 9))),
        "(9, 9)",
    ),
    "runs": (lambda e: e["groundings"]["A dog"].update(rle_masks=[{"size": [8, 10], "counts": "11"}]), "pixels"),
    "positions": (lambda e: e["groundings"]["A dog"].update(token_positives=[0, 99]), "99"),
    "no caption": (lambda e: e.pop("caption"), "caption"),
    "no picture": (lambda e: e.update(file_name="none.jpg"), "no such picture"),
    "zip-slip": (lambda e: e.update(file_name="../../x.jpg"), "leads out"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str, tmp_path: Path) -> None:
    spoil, reason = BROKEN[name]
    bad = entry("sa_2.jpg")
    spoil(bad)
    root = human(tmp_path, entry(), bad, entry("sa_3.jpg"))
    with pytest.raises(UserError) as caught:
        read("grandf", root)
    assert reason in str(caught.value)
    skipped = Skipped()
    assert [s.image[-8:-4] for s in read("grandf", root, on_bad=skipped)] == ["sa_1", "sa_3"]
    assert skipped.count == 1


def test_truncated_and_unknown_split(tmp_path: Path) -> None:
    human(tmp_path)
    path = tmp_path / "GranDf/annotations/train/GranDf_HA_GCG_train.json"
    path.write_text(json.dumps([entry()])[:-30])
    with pytest.raises(UserError, match="cut short"):
        read("grandf", tmp_path, on_bad=Skipped())
    with pytest.raises(UserError, match="train, val, test"):
        read("grandf", tmp_path, "minival")
    with pytest.raises(UserError, match="OpenPsgGCG_val.json: no such file"):
        read("grandf-openpsg", tmp_path, "val")


def test_human_truth(tmp_path: Path) -> None:
    folder = tmp_path / "GranDf/annotations/val_test"
    caption = {"image_id": "sa_1", "id": 1, "caption": "A dog near a dog at a café.", "labels": ["dog", "dog"]}
    marks = [{"id": n, "image_id": "sa_1", "category_id": 1, "segmentation": rle(n, n, n + 1, n + 2)} for n in (3, 4)]
    write(folder / "val_gcg_coco_caption_gt.json", {"images": [{"id": "sa_1"}], "annotations": [caption]})
    write(folder / "val_gcg_coco_mask_gt.json", {"images": [{"id": "sa_1"}], "annotations": marks})
    picture(tmp_path / "GranDf_HA_images/val_test/sa_1.jpg")
    (sample,) = read("grandf", tmp_path, "val")
    assert sample.turns[0].answer.text == "A dog near a dog at a café."
    assert sample.turns[0].answer.segment_ids == (1, 2)
    assert [s.start for s in sample.turns[0].answer.spans] == [2, 13]
    caption["labels"] = ["dog"]
    write(folder / "val_gcg_coco_caption_gt.json", {"images": [{"id": "sa_1"}], "annotations": [caption]})
    with pytest.raises(UserError, match="2 masks and 1 phrases"):
        read("grandf", tmp_path, "val")


def test_flickr(tmp_path: Path) -> None:
    image = {"id": 4, "file_name": "77.jpg", "height": 8, "width": 10, "caption": "Two men walk."}
    phrase = {"image_id": 4, "category_id": 1, "bbox": [0, 0, 3, 3], "area": 9, "iscrowd": 0}
    phrases = [
        {**phrase, "id": 1, "tokens_positive": [[0, 7]], "sam_mask": rle(0, 0, 3, 3)},
        {**phrase, "id": 2, "tokens_positive": [[0, 7]], "sam_mask": rle(4, 4, 6, 6)},
        {**phrase, "id": 3, "tokens_positive": [[8, 12]], "ignore": True},
        {**phrase, "id": 4, "tokens_positive": [[8, 12]], "sam_mask": rle(0, 0, 0, 0), "bbox": [3, 3, 0.4, 3]},
    ]
    write(
        tmp_path / "GranDf/annotations/train/flickr_mergedGT_GCG_train.json",
        {"images": [image], "annotations": phrases, "categories": [{"id": 1, "name": "object"}]},
    )
    picture(tmp_path / "flikcr_30k/train/77.jpg")
    (sample,) = read("grandf-flickr", tmp_path)
    assert sample.turns[0].answer.phrases == ("Two men",)
    assert sample.turns[0].answer.segment_ids == (1, 2)
    assert [s.label for s in sample.segments] == ["Two men", "Two men"]


def test_refcocog(tmp_path: Path) -> None:
    refs = [
        {"sentence": "a man in red", "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]], "bbox": [0, 0, 4, 4]},
        {"sentence": "red hat", "segmentation": [[5, 5, 9, 5, 9, 8, 5, 8]], "bbox": [5, 5, 4, 3]},
        {"sentence": "a dog", "segmentation": [[5, 5, 9, 5, 9, 8, 5, 8]], "bbox": [5, 5, 4, 3]},
    ]
    value = {"581": {"img_file_name": "COCO_1.jpg", "caption": '"A man in red hat."', "refs": refs}}
    write(tmp_path / "GranDf/annotations/train/RefCOCOg_GCG_val.json", [value])
    picture(tmp_path / "coco_2014/train2014/COCO_1.jpg")
    (sample,) = read("grandf-refcocog", tmp_path, "val")
    assert sample.turns[0].answer.phrases == ("A man in", "red hat")
    assert [s.label for s in sample.segments] == ["a man in red", "red hat", "a dog"]
    refs[0]["segmentation"] = [[0, 0, 40, 0, 4, 4]]
    write(tmp_path / "GranDf/annotations/train/RefCOCOg_GCG_val.json", [value])
    with pytest.raises(UserError, match=r"entry 1: .*outside"):
        read("grandf-refcocog", tmp_path, "val")


def test_grand(tmp_path: Path) -> None:
    scene = {
        "objects": [
            {"id": 0, "bbox": [0, 0, 3, 3], "labels": ["trash_can", "bin"], "segmentation": rle(0, 0, 3, 3)},
            {"id": 7, "bbox": [4, 4, 6, 7], "labels": ["dog"], "attributes": "a dog", "segmentation": rle(4, 4, 7, 6)},
        ],
        "floating_objects": [{"id": 9, "bbox": [1, 2, 3, 5], "labels": ["sky"]}],
        "short_captions": [{"caption": "a bin and a dog", "details": [{"id": 7, "phrase": "a dog"}]}],
        "dense_caption": {
            "caption": '"A bin beside a dog."',
            "details": [
                {"phrase": "A bin", "ids": [0], "tokens_positive": [0, 5]},
                {"phrase": "a dog", "ids": [7, 9], "tokens_positive": [13, 18]},
            ],
        },
    }
    write(tmp_path / "part_1/sa_5.json", {"sa_5.jpg": scene})
    picture(tmp_path / "images/sa_5.jpg")
    (sample,) = read("grand", tmp_path, "part_1")
    assert [(s.id, s.label, s.area) for s in sample.segments] == [(0, "trash can", 9), (7, "dog", 6)]
    assert [t.answer.phrases for t in sample.turns] == [("a dog",), ("A bin", "a dog")]
    assert sample.turns[1].answer.segment_ids == (0, 7)
    assert sample.meta == {
        "labels": {"0": ["trash_can", "bin"]},
        "attributes": {"7": ["a dog"]},
        "boxes": [{"id": 9, "label": "sky", "box_xywh": [1, 2, 2, 3]}],
    }
    scene["objects"][1]["id"] = 0
    write(tmp_path / "part_1/sa_5.json", {"sa_5.jpg": scene})
    with pytest.raises(UserError, match="not unique"):
        read("grand", tmp_path, "part_1")
    with pytest.raises(UserError, match="part_2: no such folder"):
        read("grand", tmp_path, "part_2")


@pytest.mark.parametrize("path", files("grand/**/sa_*.json"))
def test_real_grand(path: Path, tmp_path: Path) -> None:
    ((image, scene),) = json.loads(path.read_text()).items()
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / path.name).write_text(path.read_text())
    picture(tmp_path / "images" / image, (2400, 3000))
    (sample,) = read("grand", tmp_path, "x")
    stated = [*scene["objects"], *scene["floating_objects"]]
    boxes = [t for t in stated if "segmentation" not in t]
    assert len(sample.segments) + len(boxes) == len(stated)
    assert [(b["id"], b["label"]) for b in sample.meta.get("boxes", ())] == [
        (t["id"], t["labels"][0].replace("_", " ").strip()) for t in boxes
    ]
    for box, thing in zip(sample.meta.get("boxes", ()), boxes, strict=True):
        x, y, width, height = box["box_xywh"]
        assert np.allclose([x, y, x + width, y + height], thing["bbox"])
    assert [t.answer.text for t in sample.turns if t.task == "caption"] == [c.strip() for c in scene["captions"]]
