"""Whoever builds the blocks of a data set, and whenever: the same samples, the same mistakes, the same errors."""

import itertools
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mglmm.data import blocks as module
from mglmm.data.blocks import BLOCK_RECORDS, Block, Task, Walk, blocks
from mglmm.data.readers import READERS
from mglmm.data.readers.policy import Skipped
from mglmm.schema import UserError
from tests.data.readers.made import MADE
from tests.data.readers.made_coco import HEIGHT, WIDTH, put, rle
from tests.data.readers.test_fuzz import change

NUM_CHANGES = 8
SPLIT = "sa_000020"

Told = tuple[bytes, list[str]] | str
"""The lines of all samples and the mistakes of those left out; or why there are none."""


def told(found: Callable[[], Iterable[Block]]) -> Told:
    """What some blocks say together."""
    lines, mistakes = b"", []
    try:
        for block in found():
            lines += block.lines
            mistakes += block.mistakes
            assert block.num_samples == block.lines.count(b"\n")
    except UserError as error:
        return str(error)
    assert block.is_last
    return lines, mistakes


def in_turns(task: Task, count: int) -> Iterator[Block]:
    """The blocks as several processes would build them, each of which passes by those of the others."""
    walks: list[Walk | UserError] = []
    for _ in range(count):
        try:
            walks.append(Walk(task))
        except UserError as error:
            walks.append(error)
    for number, walk in enumerate(itertools.cycle(walks)):
        if isinstance(walk, UserError):
            raise walk
        block = walk.block(number)
        yield block
        if block.is_last:
            return


def read(task: Task) -> Told:
    """The same by the reader itself."""
    skipped: list[UserError] = []
    lines = b""
    on_bad = {"on_bad": skipped.append} if task.skip_bad else {}
    try:
        for sample in READERS[task.reader](task.root, task.split, **on_bad, **task.options):
            lines += sample.model_dump_json().encode() + b"\n"
    except UserError as error:
        return str(error)
    return lines, list(map(str, skipped))


@pytest.mark.parametrize("name", MADE)
def test_no_record_depends_on_others_being_built(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is one record here. Changed values stay as they are, one after another; other damage is mended."""
    monkeypatch.setattr(module, "BLOCK_RECORDS", 1)
    made = MADE[name]
    made.write(tmp_path)
    rng = np.random.default_rng(sum(map(ord, name)))
    paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    for _ in range(NUM_CHANGES):
        path = paths[int(rng.integers(len(paths)))]
        before = path.read_bytes()
        place = change(path, rng)
        assert_shared_alike(name, tmp_path)
        if place is None:
            path.write_bytes(before)


def assert_shared_alike(name: str, root: Path) -> None:
    """One that reads all, and two or three that share it, tell what the reader tells."""
    for skip_bad in (True, False):
        task = Task(name, root, MADE[name].split, root, MADE[name].options, skip_bad)
        whole = read(task)
        assert told(lambda task=task: blocks(task)) == whole
        for count in (2, 3):
            assert told(lambda task=task, count=count: in_turns(task, count)) == whole


def test_what_stands_there_twice_is_known_whoever_read_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_RECORDS", 1)
    for name, path in (("coco-panoptic", "annotations/panoptic_val.json"), ("folder", "val.csv")):
        root = tmp_path / name
        MADE[name].write(root)
        text = (root / path).read_text()
        if name == "folder":
            header, *rows = text.splitlines()
            (root / path).write_text("\n".join([header, *rows, rows[0]]))
        else:
            content = json.loads(text)
            content["annotations"].append(content["annotations"][0])
            (root / path).write_text(json.dumps(content))
        task = Task(name, root, MADE[name].split, root, MADE[name].options, True)
        (mistake,) = told(lambda task=task: in_turns(task, 2))[1]
        assert "already" in mistake
        assert_shared_alike(name, root)


def write_sa1b(root: Path, count: int) -> None:
    """So many pictures in SA-1B's layout with a mask each."""
    folder = root / SPLIT
    for number in range(count):
        about = {"image_id": number, "width": WIDTH, "height": HEIGHT, "file_name": "sa_0.png"}
        mark = {"id": 1, "segmentation": rle(0, 0, 1 + number % HEIGHT, 4), "predicted_iou": 1, "stability_score": 1}
        put(path_of(root, number), {"image": about, "annotations": [mark]})
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "sa_0.png")


def path_of(root: Path, number: int) -> Path:
    return root / SPLIT / f"sa_{number:03d}.json"


def task_of(root: Path, skip_bad: bool = False) -> Task:
    return Task("sa-1b", root, SPLIT, root, {}, skip_bad)


def test_processes_give_what_one_gives(tmp_path: Path) -> None:
    write_sa1b(tmp_path, 5 * BLOCK_RECORDS)
    for number in (3, 70, 71):
        path_of(tmp_path, number).write_bytes(b"{")
    alone = told(lambda: blocks(task_of(tmp_path, True)))
    assert len(alone[1]) == 3
    assert told(lambda: blocks(task_of(tmp_path, True), workers=2)) == alone
    assert list(blocks(task_of(tmp_path, True), 3, workers=2)) == list(blocks(task_of(tmp_path, True)))[3:]
    refused = told(lambda: blocks(task_of(tmp_path), workers=2))
    assert refused == f"{path_of(tmp_path, 3)}: Invalid JSON: EOF while parsing an object at line 1 column 1"
    assert told(lambda: blocks(Task("sa-1b", tmp_path, "none", tmp_path, {}), workers=2)) == (
        f"{tmp_path / 'none'}: no such folder; the split of SA-1B is a folder of JSON files"
    )


def test_a_process_that_dies_is_told_of(tmp_path: Path) -> None:
    write_sa1b(tmp_path, 2 * BLOCK_RECORDS)
    path = path_of(tmp_path, BLOCK_RECORDS)
    path.unlink()
    os.mkfifo(path)  # whoever reads it waits
    found = blocks(task_of(tmp_path), workers=2)
    assert next(found).num_samples == BLOCK_RECORDS
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(UserError, match="has died; if memory is short, give fewer --workers"):
        next(found)


@pytest.mark.parametrize("error", [OSError("too many"), ValueError("max_workers must be <= 61")])
def test_processes_that_cannot_start_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def submit(*_: object) -> None:
        raise error

    write_sa1b(tmp_path, 2)
    monkeypatch.setattr(module.ProcessPoolExecutor, "submit", submit)
    with pytest.raises(UserError, match=rf"no other processes can be started here \({error}\); give fewer --workers"):
        next(blocks(task_of(tmp_path), workers=2))


def test_a_reader_that_fails_in_a_process_is_told_as_in_this_one(tmp_path: Path) -> None:
    task = Task("sa-1b", tmp_path, SPLIT, tmp_path, {"unknown": True})
    for workers in (1, 2):
        with pytest.raises(TypeError, match="unexpected keyword argument 'unknown'"):
            next(blocks(task, workers=workers))


def test_other_processes_join_when_it_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sa1b(tmp_path, 2 * BLOCK_RECORDS)
    alone = list(blocks(task_of(tmp_path)))
    asked: list[int] = []

    def shared(task: Task, numbers: Iterator[int], workers: int) -> Iterator[Block]:
        asked.append(workers)
        yield from alone[next(numbers) :]

    monkeypatch.setattr(module, "_shared", shared)
    monkeypatch.setattr(module.processes, "num_processors", lambda: 64)
    assert list(blocks(task_of(tmp_path), workers=None)) == alone and not asked
    monkeypatch.setattr(module, "ALONE_S", 0.0)
    assert list(blocks(task_of(tmp_path), workers=None)) == alone and asked == [module.MAX_WORKERS]
    assert list(blocks(task_of(tmp_path), 1, workers=3)) == alone[1:] and asked[1:] == [3]
    monkeypatch.setattr(module.processes, "num_processors", lambda: 1)
    assert list(blocks(task_of(tmp_path), workers=None)) == alone and len(asked) == 2


def test_blocks_that_were_passed_by_are_gone(tmp_path: Path) -> None:
    write_sa1b(tmp_path, 3)
    walk = Walk(task_of(tmp_path))
    assert walk.block(2) == Block(b"", 0, (), True)
    with pytest.raises(ValueError, match="block 1 was passed by"):
        walk.block(1)
    skipped = Skipped()
    assert len(list(READERS["sa-1b"](tmp_path, SPLIT, on_bad=skipped))) == 3 and not skipped.count
