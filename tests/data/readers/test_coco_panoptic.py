"""COCO panoptic: ids of PNG and JSON, areas and boxes, void, crowds; and files that do not belong together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mglmm import masks
from mglmm.data.readers import READERS
from mglmm.data.readers.files import read_ids
from mglmm.data.readers.policy import Skipped
from mglmm.schema import Sample, UserError
from tests.data.readers.realdata import files

IDS = (300, 70_000, 5)
"""Segment ids that need the second and the third byte; the left quarter of the picture is void."""


def segment_map() -> np.ndarray:
    ids = np.zeros((4, 8), dtype=np.int64)
    ids[:, 2:4], ids[:, 4:6], ids[2:, 6:] = IDS
    ids[:2, 6:] = IDS[0]
    return ids


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "annotations" / "panoptic_val").mkdir(parents=True)
    (tmp_path / "val").mkdir()
    ids = segment_map()
    color = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    for name in ("a", "b"):
        Image.fromarray(color).save(tmp_path / "annotations" / "panoptic_val" / f"{name}.png")
        Image.new("RGB", (8, 4)).save(tmp_path / "val" / f"{name}.jpg")
    infos = [{"id": i, "category_id": 1 + (i == 5), "iscrowd": int(i == 300)} for i in IDS]
    write(
        tmp_path,
        {
            "images": [{"id": n, "file_name": f"{c}.jpg", "height": 4, "width": 8} for n, c in ((1, "a"), (2, "b"))],
            "annotations": [
                {"image_id": n, "file_name": f"{c}.png", "segments_info": [dict(i) for i in infos]}
                for n, c in ((1, "a"), (2, "b"))
            ],
            "categories": [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}],
        },
    )
    return tmp_path


def write(root: Path, data: Any) -> None:
    (root / "annotations" / "panoptic_val.json").write_text(json.dumps(data))


def read(root: Path, **options: Any) -> list[Sample]:
    return list(READERS["coco-panoptic"](root, "val", **options))


def test_a_file(root: Path) -> None:
    first, second = read(root)
    assert first.image == "val/a.jpg"
    assert [(s.id, s.label, s.area) for s in first.segments] == [(300, "cat", 12), (70_000, "cat", 8), (5, "sky", 4)]
    assert all(np.array_equal(s.mask, segment_map() == s.id) for s in first.segments)
    assert np.array_equal(masks.decode(first.meta.pop("ignore")), segment_map() == 0)
    assert first.meta == {"stuff_ids": [5], "crowd_ids": [300]}
    assert second.segments == first.segments


def test_a_color_map_made_smaller(root: Path) -> None:
    """Programs that make a PNG smaller write few colors as a palette: the ids are its colors."""
    wanted = read(root)
    path = root / "annotations/panoptic_val/a.png"
    with Image.open(path) as file:
        file.convert("P", palette=Image.Palette.ADAPTIVE, colors=8).save(path)
    with Image.open(path) as file:
        assert file.mode == "P"
    assert read(root) == wanted


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "segment not in the PNG": (lambda d: d["annotations"][1]["segments_info"][0].update(id=9), "[9]"),
    "segment not in the JSON": (lambda d: d["annotations"][1]["segments_info"].pop(), "[5]"),
    "segment twice": (lambda d: d["annotations"][1]["segments_info"][0].update(id=5), "same id"),
    "unknown class": (lambda d: d["annotations"][1]["segments_info"][0].update(category_id=4), "category 4"),
    "unknown image": (lambda d: d["annotations"][1].update(image_id=4), "image 4"),
    "image again": (lambda d: d["annotations"][1].update(image_id=1), "already"),
    "no PNG": (lambda d: d["annotations"][1].update(file_name="c.png"), "no such picture"),
    "zip-slip": (lambda d: d["annotations"][1].update(file_name="../../x.png"), "leads out"),
    "no segments": (lambda d: d["annotations"][1].pop("segments_info"), "segments_info"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_records(name: str, root: Path) -> None:
    good = read(root)[0]
    data = json.loads((root / "annotations" / "panoptic_val.json").read_text())
    spoil, reason = BROKEN[name]
    spoil(data)
    write(root, data)
    with pytest.raises(UserError, match="val") as caught:
        read(root)
    assert reason in str(caught.value)
    skipped = Skipped()
    assert read(root, on_bad=skipped) == [good]
    assert skipped.count == 1


@pytest.mark.parametrize("path", files("coco_panoptic/**/panoptic_examples.json", "**/panoptic_*.json"))
def test_real_files(path: Path) -> None:
    data = json.loads(path.read_text())
    if "annotations" not in data or "segments_info" not in data["annotations"][0]:
        pytest.skip("not in the layout of COCO panoptic")
    maps = path.with_suffix("") if path.with_suffix("").is_dir() else path.parent
    sizes = {i["id"]: (i["height"], i["width"]) for i in data["images"]}
    of_size = [a for a in data["annotations"] if read_ids(maps / a["file_name"]).shape == sizes[a["image_id"]]]
    skipped = Skipped()
    samples = list(
        READERS["coco-panoptic"](
            path.parent,
            "x",
            annotations=path.name,
            maps=str(maps.relative_to(path.parent)),
            check_images=False,
            on_bad=skipped,
        )
    )
    # one made file among them has a PNG that is not of the size that its JSON states
    assert skipped.count == len(data["annotations"]) - len(of_size)
    names = {c["id"]: c["name"] for c in data["categories"]}
    for sample, stated in zip(samples, of_size, strict=True):
        assert [s.id for s in sample.segments] == [i["id"] for i in stated["segments_info"]]
        for segment, info in zip(sample.segments, stated["segments_info"], strict=True):
            assert segment.label == names[info["category_id"]]
            assert segment.area == info["area"]
            if not info["bbox"]:
                continue
            x, y, width, height = info["bbox"]
            # some tools state a box by its last pixel
            assert np.allclose(segment.box, (x, y, x + width, y + height), atol=1)
