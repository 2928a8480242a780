"""Merging, splitting and exporting: nothing is lost that the form can hold, and what others read is as they expect."""

import json
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from mglmm.cli import main
from mglmm.data.readers import READERS
from mglmm.data.records import read
from mglmm.schema import Rle, Sample, write_jsonl
from tests.data.records_made import simple, write


def test_pycocotools_reads_the_export(tmp_path: Path) -> None:
    crowd = simple("two").model_copy(update={"meta": {"crowd_ids": [2]}})
    path = write(tmp_path, simple("one"), crowd)
    out = tmp_path / "coco"
    assert main(["data", "export", "coco", str(path), "--out", str(out), "--with-images", "--name", "mine"]) == 0
    coco = COCO(str(out / "annotations" / "mine.json"))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["car", "wheel"]
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    assert [a["iscrowd"] for a in annotations] == [0, 1]
    for annotation, segment in zip(annotations, crowd.segments, strict=True):
        left, top, right, bottom = segment.box
        assert (annotation["area"], annotation["bbox"]) == (segment.area, [left, top, right - left, bottom - top])
        assert (coco.annToMask(annotation).astype(bool) == segment.mask).all()
    back = list(READERS["coco"](out, "mine"))
    assert [[s.rle for s in sample.segments] for sample in back] == [[s.rle for s in crowd.segments]] * 2
    assert [(out / sample.image).is_file() for sample in back] == [True, True]
    assert not list(out.rglob("*.partial"))


def test_mgscdata_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silent = simple("silent").model_copy(update={"turns": ()})
    path = write(tmp_path, simple("one"), silent, simple("two"))
    out = tmp_path / "mgsc"
    assert main(["data", "export", "mgsc", str(path), "--out", str(out), "--with-images", "--name", "val"]) == 0
    assert "2 samples, 1 with nothing to export left out" in capsys.readouterr().out
    back = list(READERS["mgsc"](out, "val"))
    assert [s.turns[0].answer.phrases for s in back] == [("The red car", "a wheel")] * 2
    assert [s.rle for s in back[0].segments] == [s.rle for s in simple("one").segments]


def test_mgscdata_of_like_names_is_kept_apart(tmp_path: Path) -> None:
    """Ids and images that end alike: two files of their own, each with its own picture."""
    path = write(tmp_path, simple("a/one", "a/x.png"), simple("b/one", "b/x.png"))
    out = tmp_path / "mgsc"
    assert main(["data", "export", "mgsc", str(path), "--out", str(out), "--with-images", "--name", "val"]) == 0
    assert (out / "val.txt").read_text() == "a%2Fone.json\nb%2Fone.json\n"
    assert [s.image for s in READERS["mgsc"](out, "val")] == ["images/a/x.png", "images/b/x.png"]


def test_mgscdata_of_like_image_names_comes_back_from_two_sets(tmp_path: Path) -> None:
    """Two sets that each hold 1.png become one, in which each annotation names its own picture."""
    merged = tmp_path / "all.jsonl"
    read_back = []
    for name in ("a", "b"):
        path = write(tmp_path / name, simple("1", "images/1.png"))
        root = tmp_path / name / "mgsc"
        assert main(["data", "export", "mgsc", str(path), "--out", str(root), "--with-images", "--name", "val"]) == 0
        read_back.append(root / f"{name}.jsonl")
        convert = ["data", "convert", "mgsc", "--root", str(root), "--split", "val"]
        assert main([*convert, "--out", str(read_back[-1])]) == 0
    assert main(["data", "merge", *map(str, read_back), "--out", str(merged), "--rename"]) == 0
    out = tmp_path / "whole"
    assert main(["data", "export", "mgsc", str(merged), "--out", str(out), "--with-images", "--name", "val"]) == 0
    back = list(READERS["mgsc"](out, "val"))
    assert len({sample.image for sample in back}) == 2
    for sample, old in zip(back, ("a", "b"), strict=True):
        assert (out / sample.image).read_bytes() == (tmp_path / old / "images" / "1.png").read_bytes()


def test_mgscdata_of_one_id_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for second in (simple("one"), simple("one", "images/other.png")):
        path = write(tmp_path, simple("one"), second)
        assert main(["data", "export", "mgsc", str(path), "--out", str(tmp_path / "mgsc")]) == 2
        assert "the id 'one' stands there twice" in capsys.readouterr().err


def test_images_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "deep", simple("one", "../x.png"), simple("two", "../../x.png"))
    assert main(["data", "export", "coco", str(path), "--out", str(tmp_path / "deep" / "c"), "--with-images"]) == 2
    assert "would both be copied there" in capsys.readouterr().err


def test_unknown_forms_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, simple("one"))
    assert main(["data", "export", "coco", str(path), "--out", "s3://bucket/x"]) == 2
    assert "only Parquet" in capsys.readouterr().err
    assert main(["data", "export", "cocoa", str(path), "--out", str(tmp_path / "x")]) == 2
    assert "no form 'cocoa'; there are coco, jsonl, label-studio, mgsc, parquet" in capsys.readouterr().err


def test_merge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write(tmp_path / "a", simple("one"), simple("two"), file="a.jsonl")
    b = write(tmp_path / "b", simple("one"), file="b.jsonl")
    out = tmp_path / "all.jsonl"
    assert main(["data", "merge", str(a), str(b), "--out", str(out)]) == 2
    assert "sample one is in" in capsys.readouterr().err
    assert not out.exists()
    assert main(["data", "merge", str(a), str(b), "--out", str(out), "--rename"]) == 0
    assert [(s.id, s.image) for s in read(out)] == [
        ("a/one", "a/images/one.png"),
        ("a/two", "a/images/two.png"),
        ("b/one", "b/images/one.png"),
    ]
    assert main(["data", "check", str(out)]) == 0


def parts(folder: Path) -> dict[str, list[str]]:
    return {part: [s.id for s in read(folder / f"{part}.jsonl")] for part in ("train", "val")}


def test_split_by_image(tmp_path: Path) -> None:
    kept = [simple(f"{k}-{turn}", f"images/{k}.png") for k in range(20) for turn in range(2)]
    path = write(tmp_path, *kept)
    split = ["data", "split", str(path), "--parts", "train=0.75", "val=0.25", "--out"]
    assert main([*split, str(tmp_path / "p")]) == 0
    found = parts(tmp_path / "p")
    assert (len(found["train"]), len(found["val"])) == (30, 10)
    assert sorted(found["train"] + found["val"]) == sorted(s.id for s in kept)
    assert not {i.split("-")[0] for i in found["train"]} & {i.split("-")[0] for i in found["val"]}
    sample = next(read(tmp_path / "p" / "val.jsonl"))
    assert sample.split == "val" and (tmp_path / "p" / sample.image).is_file()
    write_jsonl(path, reversed(kept))
    assert main([*split, str(tmp_path / "q")]) == 0
    assert {part: sorted(ids) for part, ids in parts(tmp_path / "q").items()} == {
        part: sorted(ids) for part, ids in found.items()
    }
    assert main([*split, str(tmp_path / "r"), "--seed", "1"]) == 0
    assert parts(tmp_path / "r") != found


def test_a_part_never_takes_the_place_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, *(simple(str(k)) for k in range(10)), file="train.jsonl")
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    for out in (tmp_path, tmp_path / "link"):
        assert main(["data", "split", str(path), "--parts", "train=0.8", "val=0.2", "--out", str(out)]) == 2
        assert "train.jsonl: is the file that is split; give another --out" in capsys.readouterr().err
    assert path.read_bytes() == before and not (tmp_path / "val.jsonl").exists()


def test_parts_are_there_together_or_not_at_all(tmp_path: Path) -> None:
    path = write(tmp_path, *(simple(str(k)) for k in range(4)))
    (tmp_path / "p" / "val.jsonl").mkdir(parents=True)
    assert main(["data", "split", str(path), "--parts", "train=0.5", "val=0.5", "--out", str(tmp_path / "p")]) == 2
    assert [file.name for file in (tmp_path / "p").iterdir()] == ["val.jsonl"]


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        (["train=0.5", "val=0.4"], "sum to 1"),
        (["train=1", "val=0"], "above 0"),
        (["a=b"], "no share"),
        (["a=0.9", "b=0.1"], "too few"),
    ],
)
def test_parts_that_cannot_be(
    shares: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, simple("one"), simple("two"))
    assert main(["data", "split", str(path), "--out", str(tmp_path), "--parts", *shares]) == 2
    assert reason in capsys.readouterr().err


def test_json_lines_are_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, simple("one"))
    (tmp_path / "out").mkdir()
    assert main(["data", "export", "jsonl", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "out: is a folder; give a file" in capsys.readouterr().err


def test_an_export_that_fails_leaves_nothing_half(tmp_path: Path) -> None:
    path = write(tmp_path, simple("one"))
    with path.open("a") as file:
        file.write('{"id": "broken"}\n')
    for form, name in (("jsonl", "y.jsonl"), ("coco", "c"), ("label-studio", "l"), ("parquet", "p")):
        assert main(["data", "export", form, str(path), "--out", str(tmp_path / name)]) == 2
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix in (".json", ".parquet", ".jsonl")]
    assert left == [path]


def test_annotations_are_numbered(tmp_path: Path) -> None:
    path = write(tmp_path, simple("one"), simple("two"))
    assert main(["data", "export", "coco", str(path), "--out", str(tmp_path / "c")]) == 0
    held = json.loads((tmp_path / "c" / "annotations" / "x.json").read_text())
    assert [a["id"] for a in held["annotations"]] == [1, 2, 3, 4]
    assert held["images"][1]["file_name"] == "../../images/two.png"
    assert Rle.model_validate(held["annotations"][0]["segmentation"]) == simple("one").segments[0].rle


def test_a_record_without_anything(tmp_path: Path) -> None:
    bare = Sample(id="bare", image="images/bare.png", size=(12, 18))
    path = write(tmp_path, bare)
    for form in ("coco", "label-studio", "parquet"):
        assert main(["data", "export", form, str(path), "--out", str(tmp_path / form), "--with-images"]) == 0
