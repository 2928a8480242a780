"""Small whole data sets in COCO's layout, and what the others are made with as well."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mglmm import masks

HEIGHT, WIDTH = 8, 10
NUMBERS = (1, 2, 3)
"""The images are called after these."""


def rle(top: int, left: int, bottom: int, right: int) -> dict[str, Any]:
    """The compressed RLE of a rectangle."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    mask[top:bottom, left:right] = True
    return dict(masks.encode(mask))


def polygon(top: int, left: int, bottom: int, right: int) -> list[list[float]]:
    """A rectangle as COCO's polygons."""
    return [[left, top, right, top, right, bottom, left, bottom]]


def text(path: Path, content: str) -> None:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def put(path: Path, content: Any) -> None:
    """A JSON file."""
    text(path, json.dumps(content, ensure_ascii=False))


def png(path: Path, values: np.ndarray) -> None:
    """A picture of these values (uint8 if they are not uint16, [H, W] or [H, W, 3])."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values if values.dtype == np.uint16 else values.astype(np.uint8)).save(path)


def pictures(root: Path, name: str) -> None:
    """The three pictures; `name` has "{}" for the number."""
    for number in NUMBERS:
        png(root / name.format(number), np.zeros((HEIGHT, WIDTH)))


def ids(*values: int) -> np.ndarray:
    """A map of ids: the first rows of the first value, the next of the second, ..."""
    return np.repeat(np.array(values), -(-HEIGHT // len(values)))[:HEIGHT, None] * np.ones((1, WIDTH), dtype=int)


def color(values: np.ndarray) -> np.ndarray:
    """uint8[H, W, 3] that holds ids as R + 256 G + 65536 B."""
    return np.stack([values % 256, values // 256 % 256, values // 65536], axis=2)


def image_entry(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "height": HEIGHT, "width": WIDTH, **more}


def marks(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """Two annotations an image, with ids 11, 12, 21, ...; `more`: further fields of the first and the second."""
    shapes: tuple[Any, ...] = (polygon(0, 0, 4, 4), rle(2, 2, 6, 9))
    return [
        {
            "id": 10 * number + k + 1,
            "image_id": number,
            "category_id": k + 1,
            "segmentation": shapes[k],
            "bbox": [0, 0, 4, 4],
            "area": 16,
            "iscrowd": 0,
            **(more[k] if more else {}),
        }
        for number in NUMBERS
        for k in range(2)
    ]


CATEGORIES = [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "street", "isthing": 0}]


def instances(**image: Any) -> dict[str, Any]:
    """A file in COCO's layout."""
    return {"images": [image_entry(n, **image) for n in NUMBERS], "annotations": marks(), "categories": CATEGORIES}


def coco_file(name: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        put(root / "annotations" / name, instances())
        pictures(root, "val/{}.jpg")

    return write


def lvis_file(root: Path) -> None:
    content = instances(neg_category_ids=[], not_exhaustive_category_ids=[2])
    for image in content["images"]:
        image["coco_url"] = f"http://images.cocodataset.org/val2017/{image.pop('file_name')}"
    put(root / "annotations/lvis_v1_val.json", content)
    pictures(root, "val2017/{}.jpg")


def captions_file(name: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        told = [{"id": 10 * n + k, "image_id": n, "caption": f"A cat {k}."} for n in NUMBERS for k in range(2)]
        images = [image_entry(n, domain="near-domain", open_images_id="ab") for n in NUMBERS]
        put(root / name, {"images": images, "annotations": told})
        pictures(root, "val/{}.jpg")

    return write


def panoptic_files(root: Path) -> None:
    marks = []
    for number in NUMBERS:
        png(root / f"annotations/panoptic_val/{number}.png", color(ids(0, 300, 70000)))
        infos = [{"id": 300, "category_id": 1, "iscrowd": 0}, {"id": 70000, "category_id": 2, "iscrowd": 1}]
        marks.append({"image_id": number, "file_name": f"{number}.png", "segments_info": infos})
    images = [image_entry(n) for n in NUMBERS]
    put(root / "annotations/panoptic_val.json", {"images": images, "annotations": marks, "categories": CATEGORIES})
    pictures(root, "val/{}.jpg")


def paco_file(root: Path) -> None:
    found = marks({"attribute_ids": [5]}, {"attribute_ids": []})
    for mark in found:
        mark["obj_ann_id"] = mark["id"] // 10 * 10 + 1
    categories = [{"id": 1, "name": "handbag"}, {"id": 2, "name": "handbag:zip"}]
    content = {"images": [image_entry(n, neg_category_ids=[], not_exhaustive_category_ids=[]) for n in NUMBERS]}
    content |= {"annotations": found, "categories": categories, "attributes": [{"id": 5, "name": "wood"}]}
    put(root / "annotations/paco_lvis_v1_val.json", content)
    pictures(root, "{}.jpg")


def refs_files(name: str, folder: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        put(root / name / "instances.json", instances())
        several = name == "grefcoco"
        refs = [
            {
                "ref_id": 5 + n,
                "image_id": n,
                "ann_id": [10 * n + 1, 10 * n + 2] if several else 10 * n + 1,
                "split": "val",
                "sentences": [{"raw": "Red cat.", "sent": "red cat", "sent_id": n, "tokens": ["red", "cat"]}],
                **({"no_target": False} if several else {}),
            }
            for n in NUMBERS
        ]
        if several:
            refs.append({**refs[0], "ref_id": 4, "ann_id": [-1], "no_target": True})
            put(root / name / "grefs(unc).json", refs)
        else:
            split_by = "umd" if name == "refcocog" else "unc"
            (root / name / f"refs({split_by}).p").write_bytes(pickle.dumps(refs, protocol=2))
        pictures(root, folder + "/{}.jpg")

    return write
