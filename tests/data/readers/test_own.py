"""ReasonSeg and plain folders: JSON or a table beside each picture."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mglmm import masks
from mglmm.data.readers import READERS
from mglmm.data.readers.policy import Skipped
from mglmm.schema import Sample, UserError


def reason(folder: Path, name: str, *shapes: tuple[str, list[list[float]]], **changes: Any) -> None:
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (20, 12)).save(folder / f"{name}.jpg")
    listed = [{"label": label, "points": points} for label, points in shapes]
    record = {"text": ["what flies", "what has wings"], "is_sentence": True, "shapes": listed, **changes}
    (folder / f"{name}.json").write_text(json.dumps(record))


BIG = [[1.7, 1], [14, 1], [14, 9], [1, 9]]
SMALL = [[4, 3], [8, 3], [8, 6], [4, 6]]
FAR = [[16, 2], [18, 2], [18, 4]]


def test_reasonseg(tmp_path: Path) -> None:
    reason(tmp_path / "train", "a", ("target", FAR), ("Ignore", SMALL), ("target", BIG), ("flag", [[0, 0]]))
    reason(tmp_path / "train", "b", ("target", SMALL), text=["the bird"], is_sentence=False)
    (tmp_path / "explanatory").mkdir()
    told = [{"image": "b.jpg", "query": "Which one sings?", "outputs": "It is the only bird."}]
    (tmp_path / "explanatory" / "train.json").write_text(json.dumps(told))
    first, second = READERS["reasonseg"](tmp_path, "train")
    canvas = np.zeros((12, 20), dtype=np.uint8)
    for points, value in ((BIG, 1), (SMALL, 255), (FAR, 1)):  # larger ones first
        cv2.polylines(canvas, [np.array(points).astype(np.int32)], True, value, 1)
        cv2.fillPoly(canvas, [np.array(points).astype(np.int32)], value)
    assert np.array_equal(first.segments[0].mask, canvas == 1)
    assert np.array_equal(masks.decode(first.meta["ignore"]), canvas == 255)
    assert [t.answer.text for t in first.turns] == ["This is it."] * 2
    assert [t.family for t in second.turns] == ["phrase", "explained"]
    assert second.turns[0].answer.phrases == ("the bird",)
    assert second.turns[1].instruction == "Which one sings?"
    assert second.turns[1].answer.text == "This is it. It is the only bird."
    assert second.meta == {}


def test_reasonseg_in_windows_1252(tmp_path: Path) -> None:
    reason(tmp_path / "val", "a", ("target", BIG), text=["what’s this"])
    path = tmp_path / "val" / "a.json"
    path.write_bytes(path.read_text().replace("\\u2019", "’").encode("cp1252"))
    (sample,) = READERS["reasonseg"](tmp_path, "val")
    assert "’s this" in sample.turns[0].instruction


def test_broken_reasonseg(tmp_path: Path) -> None:
    reason(tmp_path / "val", "a", ("target", BIG))
    reason(tmp_path / "val", "b", ("target", [[1, 1], [30, 1], [3, 3]]))
    reason(tmp_path / "val", "c", ("target", [[1, 1], [2, 2]]))
    reason(tmp_path / "val", "d", ("ignore", BIG))
    reason(tmp_path / "val", "e", ("target", BIG), text="one text")
    reason(tmp_path / "val", "f", ("target", BIG))
    (tmp_path / "val" / "f.jpg").unlink()
    reason(tmp_path / "val", "g", ("target", BIG))
    (tmp_path / "val" / "g.json").write_text('{"text": ["cut')
    skipped = Skipped()
    assert [s.id for s in READERS["reasonseg"](tmp_path, "val", on_bad=skipped)] == ["reasonseg/val/a"]
    reasons = ("leaves the image", "3 points", "no shape", "field text", "no such picture", "g.json")
    assert skipped.count == len(reasons)
    assert all(reason in line for reason, line in zip(reasons, skipped.first, strict=True))


def folder(root: Path, table: str, suffix: str = "csv") -> Path:
    (root / "images").mkdir(exist_ok=True)
    (root / "masks").mkdir(exist_ok=True)
    values = np.zeros((6, 8), dtype=np.uint8)
    values[:3], values[4] = 1, 200
    Image.fromarray(values).save(root / "masks" / "m.png")
    Image.fromarray(values[:, :7]).save(root / "masks" / "narrow.png")
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (8, 6)).save(root / "images" / name)
    (root / f"train.{suffix}").write_text(table, encoding="utf-8")
    return root


def read(root: Path, **options: Any) -> list[Sample]:
    return list(READERS["folder"](root, "train", **options))


def test_folder(tmp_path: Path) -> None:
    table = (
        "image,mask,phrase,value,label,caption,id,parent\n"
        'a.png,m.png,"red, old car",,car,A car.,5,\n'
        "a.png,m.png,its wheel,200,wheel,,6,5\n"
        "a.png,m.png,its wheel,1,wheel,,7,5\n"
        "b.png,m.png,a café,,,,,\n"
    )
    first, second = read(folder(tmp_path, table))
    assert [(s.id, s.label, s.area, s.caption, s.parent) for s in first.segments] == [
        (5, "car", 32, "A car.", None),
        (6, "wheel", 8, None, 5),
        (7, "wheel", 24, None, 5),
    ]
    assert [(t.answer.phrases, t.answer.segment_ids) for t in first.turns] == [
        (("red, old car",), (5,)),
        (("its wheel",), (6, 7)),
    ]
    assert (second.image, second.segments[0].label) == ("images/b.png", "a café")


def test_folder_of_json_lines(tmp_path: Path) -> None:
    rows = [{"image": "a.png", "mask": "m.png", "phrase": "one"}, {"image": "b.png", "mask": "m.png", "phrase": "two"}]
    root = folder(tmp_path, "\n".join(map(json.dumps, rows)), "jsonl")
    assert [s.segments[0].label for s in read(root)] == ["one", "two"]
    (root / "train.jsonl").write_text('{"image": "a.png"')
    with pytest.raises(UserError, match="line 1: not valid JSON"):
        read(root, on_bad=Skipped())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("b.png,none.png,x", "no such picture"),
        ("b.png,narrow.png,x", "6 x 7"),
        ("b.png,../masks/m.png,x", "leads out"),
        ("../images/b.png,m.png,x", "leads out"),
        ("none.png,m.png,x", "no such picture"),
        ("b.png,m.png, ", "phrase"),
        ("b.png,m.png", "phrase"),
        ("b.png,m.png,x,7", "value 7"),
        ("b.png,m.png,x,many", "value"),
        ("b.png,m.png,x,,1\nb.png,m.png,y,,1", "not unique"),
        ("b.png,m.png,x,,1,2\nb.png,m.png,y,,2,1", "cycle"),
        ("b.png,m.png,x,,1,9", "parent 9"),
        ("b.png,m.png,x\nb.png,none.png,y", "no such picture"),
    ],
)
def test_broken_rows(row: str, reason: str, tmp_path: Path) -> None:
    table = f"image,mask,phrase,value,id,parent\na.png,m.png,x\n{row}\nc.png,m.png,z\n"
    root = folder(tmp_path, table.replace(",x\n", ",x,,,\n").replace(",z\n", ",z,,,\n"))
    with pytest.raises(UserError) as caught:
        read(root)
    assert reason in str(caught.value)
    skipped = Skipped()
    assert [s.image for s in read(root, on_bad=skipped)] == ["images/a.png", "images/c.png"]
    assert skipped.count == 1


def test_rows_apart(tmp_path: Path) -> None:
    root = folder(tmp_path, "image,mask,phrase\na.png,m.png,x\nb.png,m.png,y\na.png,m.png,z\n")
    with pytest.raises(UserError, match=r"line 4: a.png stands further up"):
        read(root)


@pytest.mark.parametrize("table", ["", "image,phrase\n", "image,mask,phrase\n,m.png,x\n"])
def test_no_such_table(table: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train.csv"):
        read(folder(tmp_path, table), on_bad=Skipped())
