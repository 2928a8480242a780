"""Maps of classes, and ADE20K with its parts: what is read is what the pixels and the tables say."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mglmm import masks
from mglmm.data.convert import check, convert
from mglmm.data.readers import READERS
from mglmm.data.readers.files import read_ids, read_lines
from mglmm.data.readers.policy import Skipped
from mglmm.schema import Sample, UserError
from tests.data.readers.realdata import FOLDER, files


def png(path: Path, values: Any, dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype=dtype)).save(path)


def text(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def read(name: str, root: Path, split: str = "val", **options: Any) -> list[Sample]:
    return list(READERS[name](root, split, **options))


@cache
def real(name: str, root: Path, split: str) -> list[Sample]:
    """As `read`, of files that do not change."""
    return read(name, root, split)


def told(sample: Sample) -> list[tuple[int, str, int]]:
    return [(s.id, s.label, s.area) for s in sample.segments]


def ignored(sample: Sample) -> int:
    return masks.area(sample.meta["ignore"]) if "ignore" in sample.meta else 0


MAP = [[0, 0, 1], [1, 2, 2]]


@pytest.fixture
def scene_parse(tmp_path: Path) -> Path:
    text(tmp_path / "objectInfo150.txt", "Idx\tRatio\tTrain\tVal\tName\n1\t.1\t5\t5\twall\n2\t.1\t5\t5\tbed, cot \n")
    png(tmp_path / "annotations/val/a.png", MAP)
    png(tmp_path / "images/val/a.jpg", MAP)
    return tmp_path


def test_scene_parse(scene_parse: Path) -> None:
    (sample,) = read("ade20k-150", scene_parse)
    assert told(sample) == [(1, "wall", 2), (2, "bed, cot", 2)]
    assert ignored(sample) == 2
    assert sample.image == "images/val/a.jpg"
    assert sample.exhaustive == ("wall", "bed, cot")
    assert read("ade20k-150", scene_parse, names="first")[0].segments[1].label == "bed"


def test_convert_then_check(scene_parse: Path) -> None:
    out = scene_parse / "out.jsonl"
    assert convert("ade20k-150", scene_parse, "val", out, options=["names=first"]).count == 1
    report = check(out)
    assert (report.counts["segments"], report.num_broken) == (2, 0)


def test_broken_maps(scene_parse: Path) -> None:
    good = read("ade20k-150", scene_parse)
    for name, values, reason in (
        ("b", [[0, 9, 1], [1, 2, 2]], "class 9"),
        ("c", [[0, 1], [1, 2]], "the picture is 2 x 3"),
    ):
        png(scene_parse / f"annotations/val/{name}.png", values)
        png(scene_parse / f"images/val/{name}.jpg", MAP)
        with pytest.raises(UserError, match=reason):
            read("ade20k-150", scene_parse)
        skipped = Skipped()
        assert read("ade20k-150", scene_parse, on_bad=skipped) == good
        assert skipped.count == 1
        (scene_parse / f"annotations/val/{name}.png").unlink()
    (scene_parse / "annotations/val/d.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(UserError, match=r"d\.png"):
        read("ade20k-150", scene_parse)
    for split, options in (("test", {}), ("val", {"names": "none"}), ("val", {"classes": "none.txt"})):
        with pytest.raises(UserError):
            read("ade20k-150", scene_parse, split, **options)


def test_stuff_maps(tmp_path: Path) -> None:
    text(tmp_path / "labels.txt", "0: unlabeled\n1: person\n2: bicycle\n92: banner\n")
    png(tmp_path / "val/a.png", [[0, 255, 91], [1, 1, 91]])
    png(tmp_path / "images/val/a.jpg", MAP)
    (sample,) = read("coco-stuff-maps", tmp_path)
    assert told(sample) == [(1, "person", 1), (2, "bicycle", 2), (92, "banner", 2)]
    assert ignored(sample) == 1
    png(tmp_path / "val/a.png", [[0, 183, 92], [1, 1, 92]])
    (sample,) = read("coco-stuff-maps", tmp_path, values="ids")
    assert told(sample) == [(1, "person", 2), (92, "banner", 2), (183, "other", 1)]
    with pytest.raises(UserError, match="values"):
        read("coco-stuff-maps", tmp_path, values="other")


VISTAS = {
    "labels": [
        {"name": "animal--bird", "readable": "Bird", "instances": True},
        {"name": "construction--flat--road", "readable": "Road", "instances": False},
        {"name": "void--unlabeled", "readable": "Unlabeled", "instances": False},
    ]
}


def test_mapillary(tmp_path: Path) -> None:
    text(tmp_path / "config_v2.0.json", VISTAS)
    text(tmp_path / "config.json", VISTAS)
    instances = [[0, 1, 1], [256, 256, 512]]
    for folder in ("val/v2.0", "val"):
        png(tmp_path / folder / "instances/a.png", instances, np.uint16)
        png(tmp_path / folder / "labels/a.png", [[0, 0, 0], [1, 1, 2]])
    png(tmp_path / "val/images/a.jpg", MAP)
    (sample,) = read("mapillary", tmp_path)
    assert told(sample) == [(0, "Bird", 1), (1, "Bird", 2), (256, "Road", 2)]
    assert ignored(sample) == 1
    assert sample.exhaustive == ("Bird", "Road")
    (sample,) = read("mapillary", tmp_path, instances=False, names="name")
    assert told(sample) == [(0, "animal--bird", 3), (1, "construction--flat--road", 2)]
    assert len(read("mapillary", tmp_path, version="v1.1")[0].segments) == 3
    for options in ({"version": "v1.2"}, {"version": "v3"}, {"names": "x"}):
        with pytest.raises(UserError):
            read("mapillary", tmp_path, **options)
    png(tmp_path / "val/v2.0/instances/a.png", [[0, 1, 1], [257, 256, 512]], np.uint16)
    with pytest.raises(UserError, match="class 257"):
        read("mapillary", tmp_path)


def test_pascal_voc(tmp_path: Path) -> None:
    root = tmp_path / "VOC2012"
    text(root / "ImageSets/Segmentation/val.txt", "2007_1\n")
    png(root / "SegmentationObject/2007_1.png", [[1, 2, 255], [1, 2, 0]])
    png(root / "SegmentationClass/2007_1.png", [[15, 8, 255], [15, 8, 0]])
    png(root / "JPEGImages/2007_1.jpg", MAP)
    (sample,) = read("pascal-voc", tmp_path)
    assert told(sample) == [(1, "person", 2), (2, "cat", 2)]
    assert ignored(sample) == 1
    assert sample.image == "VOC2012/JPEGImages/2007_1.jpg"
    png(root / "SegmentationClass/2007_1.png", [[15, 8, 255], [14, 8, 0]])
    with pytest.raises(UserError, match=r"object 1 has the classes \[14, 15\]"):
        read("pascal-voc", tmp_path)
    text(root / "ImageSets/Segmentation/val.txt", "../../etc/passwd\n")
    with pytest.raises(UserError, match="leads out"):
        read("pascal-voc", tmp_path)


def thing(number: int, part_of: Any, level: int, name: str = "car, auto") -> dict[str, Any]:
    parts = {"hasparts": [], "ispartof": part_of, "part_level": level}
    mask = f"x/instance_{number:03}_x.png"
    return {"id": number, "name": name, "raw_name": "my car", "attributes": [], "parts": parts, "instance_mask": mask}


def ade(root: Path, *things: dict[str, Any]) -> Path:
    folder = root / "images/ADE/val/street"
    annotation = {"filename": "x.jpg", "imsize": [2, 3, 3], "scene": ["street"], "object": list(things)}
    text(folder / "x.json", {"annotation": annotation})
    png(folder / "x.jpg", MAP)
    png(folder / "x/instance_000_x.png", [[255, 128, 255], [0, 0, 0]])
    png(folder / "x/instance_001_x.png", [[255, 0, 0], [0, 0, 0]])
    png(folder / "x/instance_002_x.png", [[128, 0, 0], [0, 0, 0]])
    png(folder / "x/instance_003_x.png", [[255, 0, 0], [0, 0, 0]])
    return root


def test_ade20k(tmp_path: Path) -> None:
    ade(tmp_path, thing(0, [], 0), thing(1, 0, 1, "door"), thing(2, 0, 1, "hood"), thing(3, [2], 2, "hinge"))
    (sample,) = read("ade20k", tmp_path)
    assert told(sample) == [(0, "car, auto", 2), (1, "door", 1), (3, "hinge", 1)]
    assert [s.parent for s in sample.segments] == [None, 0, 0]
    assert sample.meta == {"scene": ["street"], "hidden": [{"id": 2, "label": "hood", "parent": 0}]}
    (sample,) = read("ade20k", tmp_path, occluded=True, names="raw")
    assert told(sample)[0] == (0, "my car", 3)
    assert [s.parent for s in sample.segments] == [None, 0, 0, 2]


def test_ade20k_where_one_of_a_kind_is_no_list(tmp_path: Path) -> None:
    ade(tmp_path)
    path = tmp_path / "images/ADE/val/street/x.json"
    only = {**thing(0, [], 0), "attributes": "red"}
    text(path, {"annotation": {"filename": "x.jpg", "imsize": [2, 3], "scene": "street", "object": only}})
    (sample,) = read("ade20k", tmp_path)
    assert told(sample) == [(0, "car, auto", 2)]
    assert sample.meta == {"scene": ["street"], "attributes": {"0": ["red"]}}


@pytest.mark.parametrize(
    ("things", "reason"),
    [
        ([thing(0, 1, 0), thing(1, 0, 1)], "cycle"),
        ([thing(0, 8, 0)], "parent 8"),
        ([thing(0, [], 0), thing(0, [], 0)], "not unique"),
        ([thing(7, [], 0)], "no such file"),
        ([{**thing(0, [], 0), "instance_mask": "../../x.png"}], "leads out"),
        ([{**thing(0, [], 0), "parts": None}], "parts"),
    ],
)
def test_broken_ade20k(things: list[Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=reason):
        read("ade20k", ade(tmp_path, *things))


def test_ade20k_of_2017(tmp_path: Path) -> None:
    folder = tmp_path / "images/val/b"
    png(folder / "x.jpg", MAP)
    png(folder / "x_seg.png", [[[1, 0, 0], [10, 7, 5], [10, 7, 5]], [[0, 9, 9], [10, 7, 5], [0, 0, 0]]])
    png(folder / "x_parts_1.png", [[[0, 0, 0], [10, 1, 4], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    text(folder / "x_atr.txt", '001 # 0 # 0 # car, auto # car # "red, old"\n002 # 0 # 1 # sky # sky # ""\n'
                               '001 # 1 # 0 # door # door # ""\n')  # fmt: skip
    (sample,) = read("ade20k", tmp_path)
    assert told(sample) == [(1, "car, auto", 3), (2, "sky", 1), (1001, "door", 1)]
    assert [s.parent for s in sample.segments] == [None, None, 1]
    assert sample.meta == {"attributes": {"1": ["red", "old"]}}
    text(folder / "x_atr.txt", "001 # 0 # car\n")
    with pytest.raises(UserError, match="line 1: has 3 columns"):
        read("ade20k", tmp_path)


@pytest.mark.parametrize("path", files("ade20k_150/sampleData/annotations/*.png"))
def test_real_scene_parse(path: Path) -> None:
    folder = path.parents[2]
    samples = read("ade20k-150", folder, annotations="sampleData/annotations", images="sampleData/images")
    sample = next(s for s in samples if s.id.endswith(path.stem))
    values, counts = np.unique(np.asarray(Image.open(path)), return_counts=True)
    names = {int(r.split("\t")[0]): r.split("\t")[-1].strip() for r in read_lines(folder / "objectInfo150.txt")[1:]}
    stated = [(v, names[v], c) for v, c in zip(values.tolist(), counts.tolist(), strict=True) if v]
    assert told(sample) == stated
    assert ignored(sample) == sum(counts[values == 0])


@pytest.mark.parametrize("path", files("coco_stuff/results/segmentations/*/*.png"))
def test_real_stuff_maps(path: Path) -> None:
    """Results of a model in the challenge's form."""
    root = FOLDER / "coco_stuff"
    samples = read(
        "coco-stuff-maps", root, annotations=str(path.parent.relative_to(root)), values="ids", check_images=False
    )
    sample = next(s for s in samples if s.id.endswith(path.stem))
    data = json.loads((root / "annotations/stuff_examples.json").read_text())
    names = {c["id"]: c["name"] for c in data["categories"]}
    values, counts = np.unique(np.asarray(Image.open(path)), return_counts=True)
    assert told(sample) == [(v, names[v], c) for v, c in zip(values.tolist(), counts.tolist(), strict=True)]


@pytest.mark.parametrize("path", files("mapillary/mvd_raw/SegmentationClass*/*.png"))
def test_real_mapillary(path: Path) -> None:
    options = {"annotations": f"mvd_raw/{path.parent.name}", "images": "mvd_raw/JPEGImages", "instances": False}
    samples = read("mapillary", path.parents[2], config="config.json", check_images=False, **options)
    sample = next(s for s in samples if s.id.endswith(path.stem))
    labels = json.loads((path.parents[2] / "config.json").read_text())["labels"]
    values, counts = np.unique(np.asarray(Image.open(path)), return_counts=True)
    stated = [
        (v, labels[v]["readable"], c)
        for v, c in zip(values.tolist(), counts.tolist(), strict=True)
        if labels[v]["name"] != "void--unlabeled"
    ]
    assert told(sample) == stated


@pytest.mark.parametrize("path", files("**/mapillary_vistas_dataset/*/v*/instances/*.png"))
def test_mapillary_of_others(path: Path) -> None:
    version, split, root = path.parents[1].name, path.parents[2].name, path.parents[3]
    sample = next(s for s in read("mapillary", root, split, version=version) if s.id.endswith(f"/{path.stem}"))
    values, counts = np.unique(np.asarray(Image.open(path)), return_counts=True)
    labels = json.loads((root / f"config_{version}.json").read_text())["labels"]
    stated = [(v, labels[v // 256]["readable"], c) for v, c in zip(values.tolist(), counts.tolist(), strict=True)]
    assert told(sample) == stated


@pytest.mark.parametrize("path", files("ade20k_full/**/ADE_*.json"))
def test_real_ade20k(path: Path) -> None:
    root = next(p for p in path.parents if p.name == "images").parent
    stated = json.loads(path.read_text())["annotation"]["object"]
    sample = next(s for s in real("ade20k", root, "training") if s.id.endswith(path.stem))
    assert [(s.id, s.label) for s in sample.segments] == [(t["id"], t["name"]) for t in stated]
    ids = read_ids(path.with_name(f"{path.stem}_seg.png"))
    classes = (ids & 255) // 10 * 256 + (ids >> 8 & 255)
    for segment, item in zip(sample.segments, stated, strict=True):
        above = item["parts"]["ispartof"]
        assert segment.parent == (above if isinstance(above, int) else None)
        if segment.parent is None:  # what can be seen of an object is what the map of classes shows of it
            assert set(np.unique(classes[segment.mask])) == {item["name_ndx"]}
    wholes = [s for s in sample.segments if s.parent is None]
    assert abs(sum(s.area for s in wholes) - int((ids >> 16 > 0).sum())) < 500


@pytest.mark.parametrize("path", files("**/ade20k20*_dataset/**/*_seg.png"))
def test_ade20k_of_others(path: Path) -> None:
    root = next(p for p in path.parents if p.name in ("training", "validation"))
    sample = next(s for s in read("ade20k", root.parent, root.name) if s.id == f"ade20k/{path.name[0]}")
    table = path.with_name(f"{path.name[0]}_atr.txt")
    if table.is_file():
        lines = [[c.strip() for c in line.split("#")] for line in read_lines(table)]
        assert [(s.id, s.label) for s in sample.segments] == [(1000 * int(c[1]) + int(c[0]), c[3]) for c in lines]
        assert all((s.parent is None) == (s.id < 1000) for s in sample.segments)
    else:
        stated = json.loads(path.with_name(f"{path.name[0]}.json").read_text())["annotation"]["object"]
        assert [(s.id, s.label) for s in sample.segments] == [(t["id"], t["name"]) for t in stated]
        for segment, item in zip(sample.segments, stated, strict=True):
            assert segment.area == int((read_ids(path.parent / item["instance_mask"]) > 0).sum())
