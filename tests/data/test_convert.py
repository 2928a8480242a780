"""`mglmm data convert` and `mglmm data check`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mglmm.cli import main
from mglmm.data.convert import check, reader_options, summary
from mglmm.data.readers import READERS
from mglmm.schema import Sample, UserError, read_jsonl
from tests.data.readers.test_coco import annotation, content, write

__all__ = ["write"]


def command(root: Path, *more: str) -> list[str]:
    arguments = ["data", "convert", "coco-instances", "--root", str(root), "--split", "val"]
    return [*arguments, "--out", str(root / "out.jsonl"), *more]


def test_convert_then_check(write: Callable[[Any], Path], capsys: pytest.CaptureFixture[str]) -> None:
    root = write(content(annotation(1), annotation(2, 2)))
    assert main(command(root)) == 0
    assert capsys.readouterr().out == f"{root / 'out.jsonl'}: 3 samples\n"
    assert [s.image for s in read_jsonl(root / "out.jsonl", Sample)] == ["val/1.png", "val/2.png", "val/3.png"]
    assert main(["data", "check", str(root / "out.jsonl")]) == 0
    assert capsys.readouterr().out == f"{root / 'out.jsonl'}: 2 segments, 3 records\n"


def test_images_are_relative_to_the_file(write: Callable[[Any], Path]) -> None:
    root = write(content(annotation(1)))
    (root / "deep" / "er").mkdir(parents=True)
    out = root / "deep" / "er" / "x.jsonl"
    assert main([*command(root)[:-1], str(out)]) == 0
    assert next(iter(read_jsonl(out, Sample))).image == "../../val/1.png"
    assert check(out).num_broken == 0


def test_broken_records(write: Callable[[Any], Path], capsys: pytest.CaptureFixture[str]) -> None:
    root = write(content(annotation(1), annotation(2, 2, category_id=5)))
    assert main(command(root)) == 2
    assert "image 2, annotation 2: category 5" in capsys.readouterr().err
    assert not list(root.glob("out*"))
    assert main(command(root, "--skip-bad")) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{root / 'out.jsonl'}: 2 samples, 1 broken records left out\n"
    assert "skipped: " in captured.err
    assert [s.id for s in read_jsonl(root / "out.jsonl", Sample)] == ["coco-instances/1", "coco-instances/3"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (["--option", "color=red"], "color=red"),
        (["--option", "check_images=maybe"], "check_images=true"),
        (["--option", "on_bad=x"], "on_bad"),
        (["--root", "/nowhere"], "no such folder"),
        (["--split", "test"], "instances_test.json"),
    ],
)
def test_mistakes(
    change: list[str], reason: str, write: Callable[[Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(write(content(annotation(1))), *change)) == 2
    assert reason in capsys.readouterr().err


def test_every_reader_is_documented() -> None:
    for name, reader in READERS.items():
        text = reader.__doc__ or ""
        assert all(f"{part}: " in text for part in ("Source", "Licence", "Tree", "Convert")), name
        assert f"`mglmm data convert {name} --root " in text
        assert reader_options(name, reader, ["check_images=false"]) == {"check_images": False}


def spoiled(root: Path, index: int, change: Callable[[dict[str, Any]], object]) -> Path:
    lines = (root / "out.jsonl").read_text().splitlines()
    record = json.loads(lines[index])
    change(record)
    lines[index] = json.dumps(record)
    (root / "out.jsonl").write_text("\n".join(lines))
    return root / "out.jsonl"


TURN = {"task": "referring", "instruction": "?", "answer": {"text": "a <p> cat"}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r["segments"][0]["rle"].update(counts="5"), "RLE counts fill"),
        (lambda r: r["segments"][0]["rle"].update(counts="`2", size=[8, 10]), "empty mask"),
        (lambda r: r["segments"][0].update(label=" "), "empty label"),
        (lambda r: r["segments"][0].update(score=1.5), "score"),
        (lambda r: r["segments"][0].update(parent=2), "cycle"),
        (lambda r: r["segments"].append(r["segments"][0]), "not unique"),
        (lambda r: r.update(size=[9, 10]), "mask size"),
        (lambda r: r.update(image="val/9.png"), "no such picture"),
        (lambda r: r.update(id="coco-instances/1"), "that of line 1"),
        (lambda r: r.update(turns=[TURN]), "markup"),
        (lambda r: r.update(turns=[{**TURN, "instruction": ""}]), "empty instruction"),
        (lambda r: r.update(more=1), "field more"),
    ],
)
def test_check_names_what_is_wrong(
    change: Any, reason: str, write: Callable[[Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(content(annotation(1), annotation(2, 2)))
    assert main(command(root)) == 0
    path = spoiled(root, 1, change)
    capsys.readouterr()
    assert main(["data", "check", str(path)]) == 2
    captured = capsys.readouterr()
    assert f"{path}, line 2" in captured.out
    assert reason in captured.out
    assert "1 of 3 records are broken" in captured.err


def test_check_of_no_samples(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"id": \xff\n\n[]\n')
    report = check(tmp_path / "x.jsonl")
    assert (report.counts["records"], report.num_broken) == (2, 2)
    assert summary(report.counts) == "2 records"
    with pytest.raises(UserError, match="No such file"):
        check(tmp_path / "none.jsonl")
