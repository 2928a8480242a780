"""The RefCOCO family: expressions, splits, targets; pickles that are more than data."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mglmm.data.readers import READERS
from mglmm.data.readers.files import read_pickle
from mglmm.data.readers.policy import Skipped
from mglmm.schema import Sample, UserError
from tests.data.readers.realdata import files
from tests.data.readers.test_coco import annotation, content


def ref(number: int, image: int, target: Any, *texts: str, split: str = "val", **changes: Any) -> dict[str, Any]:
    sentences = [
        {"raw": f"{t}.", "sent": t, "tokens": t.split(), "sent_id": 10 * number + k} for k, t in enumerate(texts)
    ]
    return {
        "ref_id": number,
        "image_id": image,
        "file_name": f"COCO_train2014_{image}_{number}.jpg",
        "ann_id": target,
        "category_id": 7,
        "split": split,
        "sent_ids": [s["sent_id"] for s in sentences],
        "sentences": sentences,
        **changes,
    }


def refs() -> list[dict[str, Any]]:
    return [
        ref(5, 1, 1, "red cat", "red cat", "left one"),
        ref(6, 2, 2, "blue cat"),
        ref(7, 1, 3, "other cat", split="testA"),
        ref(8, 3, 4, "big cat"),
    ]


def write(root: Path, listed: Any, name: str = "refcoco", split_by: str = "unc") -> Path:
    (root / name).mkdir(exist_ok=True)
    marks = [annotation(1, 1), annotation(2, 2), annotation(3, 1), annotation(4, 3)]
    (root / name / "instances.json").write_text(json.dumps(content(*marks)))
    if name == "grefcoco":
        (root / name / f"grefs({split_by}).json").write_text(json.dumps(listed))
    else:
        (root / name / f"refs({split_by}).p").write_bytes(
            listed if isinstance(listed, bytes) else pickle.dumps(listed, protocol=0)
        )
    return root


def read(root: Path, split: str = "val", name: str = "refcoco", **options: Any) -> list[Sample]:
    return list(READERS[name](root, split, **{"check_images": False, **options}))


def test_splits_and_sentences(tmp_path: Path) -> None:
    write(tmp_path, [ref(9, 2, 2, "cat", split="train")], split_by="google")
    first, second, third = read(write(tmp_path, refs()))
    assert [t.answer.text for t in first.turns] == ["red cat.", "red cat.", "left one."]
    assert all("red cat" in t.instruction for t in first.turns[:2])
    assert [t.answer.segment_ids for t in first.turns] == [(1,)] * 3
    assert [s.id for s in first.segments] == [1]
    assert first.meta["refs"] == [{"ref_id": 5, "ann_ids": [1], "sent_ids": [50, 51, 52]}]
    assert [s.id for s in (second, third)] == ["refcoco/2", "refcoco/3"]
    assert [s.id for s in read(tmp_path, "testA")[0].segments] == [3]
    assert [s.id for s in read(tmp_path, "google/train")] == ["refcoco/2"]
    assert read(tmp_path, text="raw")[1].turns[0].answer.phrases == ("blue cat.",)
    with pytest.raises(UserError, match="testA, val"):
        read(tmp_path, "testB")


def test_where_a_text_is_missing(tmp_path: Path) -> None:
    listed = [ref(5, 1, 1, "red cat"), ref(6, 2, 2, "blue cat")]
    listed[0]["sentences"] = [{"raw": "Hm?!", "sent": " ", "sent_id": 50}, {"sent": "red cat", "sent_id": 51}]
    sample = read(write(tmp_path, listed))[0]
    assert [t.answer.phrases for t in sample.turns] == [("Hm?!",), ("red cat",)]


def test_no_one_and_several_targets(tmp_path: Path) -> None:
    listed = [
        ref(1, 1, [1, 3], "both cats"),
        ref(2, 1, [-1], "the dog", no_target=True),
        ref(3, 1, [3], "one cat"),
    ]
    (sample,) = read(write(tmp_path, listed, "grefcoco"), name="grefcoco")
    assert [t.answer.segment_ids for t in sample.turns] == [(1, 3), (), (3,)]
    assert [t.family for t in sample.turns] == ["several", "none", "one"]
    assert [t.answer.phrases for t in sample.turns] == [("both cats",), (), ("one cat",)]
    assert {t.task for t in sample.turns} == {"generalized_referring"}


BROKEN: dict[str, tuple[Callable[[list[Any]], object], str]] = {
    "no such annotation": (lambda r: r[1].update(ann_id=99), "99"),
    "annotation of another image": (lambda r: r[1].update(ann_id=4), "[4]"),
    "no such image": (lambda r: r[1].update(image_id=77), "77"),
    "no sentences": (lambda r: r[1].pop("sentences"), "sentences"),
    "empty sentence": (lambda r: r[1]["sentences"][0].update(sent=" ", raw=""), "empty expression"),
    "id twice": (lambda r: r[1].update(ref_id=5), "ref_id 5"),
    "not a ref": (lambda r: r.__setitem__(1, "blue cat"), "ref number 2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_refs(name: str, tmp_path: Path) -> None:
    good = read(write(tmp_path, refs()))
    listed = refs()
    spoil, reason = BROKEN[name]
    spoil(listed)
    write(tmp_path, listed)
    with pytest.raises(UserError, match="refcoco") as caught:
        read(tmp_path)
    assert reason in str(caught.value)
    skipped = Skipped()
    assert read(tmp_path, on_bad=skipped) == [good[0], good[2]]
    assert skipped.count == 1


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_code(protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    write(tmp_path, pickle.dumps([*refs(), Attack(trace)], protocol=protocol))
    for on_bad in (Skipped(), print):
        with pytest.raises(UserError, match=r"refs\(unc\).p: the pickle asks for \w+.system"):
            read(tmp_path, on_bad=on_bad)
    assert not trace.exists()


@pytest.mark.parametrize("attack", [b"cos\nsystem\n(S'true'\ntR.", b"\x82\x01.", b"P1\n.", b"(i__builtin__\neval\n."])
def test_opcodes_that_name_code(attack: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.p").write_bytes(attack)
    with pytest.raises(UserError, match="pickle"):
        read_pickle(tmp_path / "x.p")


def test_damaged_pickles(tmp_path: Path) -> None:
    whole = pickle.dumps(refs(), protocol=2)
    for length in range(0, len(whole), 7):
        (tmp_path / "x.p").write_bytes(whole[:length])
        with pytest.raises(UserError, match="damaged"):
            read_pickle(tmp_path / "x.p")
    for place in range(0, len(whole), 5):
        (tmp_path / "x.p").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_pickle(tmp_path / "x.p")
        except UserError as error:
            assert "pickle" in str(error)


@pytest.mark.parametrize("path", files("**/refs(*).p"))
def test_real_refs(path: Path) -> None:
    listed, name = read_pickle(path), path.parent.name
    marks = {a["id"]: a for a in json.loads((path.parent / "instances.json").read_text())["annotations"]}
    categories = json.loads((path.parent / "instances.json").read_text())["categories"]
    names = {c["id"]: c["name"] for c in categories}
    split_by = path.name.removeprefix("refs(").removesuffix(").p")
    for split in {r["split"] for r in listed}:
        wanted = [r for r in listed if r["split"] == split]
        samples = read(path.parents[1], f"{split_by}/{split}", name)
        assert {s.id for s in samples} == {f"{name}/{r['image_id']}" for r in wanted}
        for sample in samples:
            mine = [r for r in wanted if f"{name}/{r['image_id']}" == sample.id]
            phrases = [t.answer.phrases[0] for t in sample.turns]
            assert phrases == [s["sent"].strip() for r in mine for s in r["sentences"]]
            targets = [t.answer.segment_ids for t in sample.turns]
            assert targets == [(r["ann_id"],) for r in mine for _ in r["sentences"]]
            assert "_".join(Path(sample.image).stem.split("_")[:3]) == Path(sample.image).stem  # no suffix
            for segment in sample.segments:
                assert segment.label == names[marks[segment.id]["category_id"]]
                assert abs(segment.area - marks[segment.id]["area"]) < 0.05 * marks[segment.id]["area"]
