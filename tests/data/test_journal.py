"""`mglmm data convert`, interrupted and begun again: what was written is gone on with, if it is still right."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mglmm.cli import main
from mglmm.data import convert as module
from mglmm.data.blocks import BLOCK_RECORDS, Block
from mglmm.data.convert import Converted, convert
from mglmm.data.journal import JOURNAL, PARTIAL
from mglmm.data.readers.policy import MAX_SHOWN
from mglmm.schema import UserError
from tests.data.test_blocks import SPLIT, path_of, write_sa1b

COUNT = 5 * BLOCK_RECORDS - 7


def run(root: Path, out: str = "x.jsonl", **options: bool | int) -> Converted:
    return convert("sa-1b", root, SPLIT, root / out, **options)  # type: ignore[arg-type]


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """What the set becomes; two of its pictures are broken."""
    write_sa1b(tmp_path, COUNT)
    for number in (2, 100):
        path_of(tmp_path, number).write_bytes(b"{")
    done = run(tmp_path, "whole.jsonl", skip_bad=True)
    assert (done.count, done.num_skipped, done.num_kept) == (COUNT - 2, 2, 0)
    return (tmp_path / "whole.jsonl").read_bytes()


@pytest.fixture
def interrupted(tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder after Ctrl-C, when two blocks had been written."""

    def pressed(*arguments: object) -> Iterator[Block]:
        found = real(*arguments)  # type: ignore[arg-type]
        yield from (next(found), next(found))
        raise KeyboardInterrupt

    real = module.blocks
    monkeypatch.setattr(module, "blocks", pressed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, skip_bad=True)
    monkeypatch.setattr(module, "blocks", real)
    assert not (tmp_path / "x.jsonl").exists()
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("x.jsonl*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_written_is_kept(interrupted: Path, whole: bytes, workers: int) -> None:
    assert names(interrupted) == ["x.jsonl.partial", "x.jsonl.partial.journal"]
    done = run(interrupted, skip_bad=True, workers=workers)
    assert done.num_kept == 2 * BLOCK_RECORDS - 1
    assert done.count == COUNT - 2
    assert [line.partition(":")[0] for line in done.mistakes] == [
        str(path_of(interrupted, number)) for number in (2, 100)
    ]
    assert (interrupted / "x.jsonl").read_bytes() == whole
    assert names(interrupted) == ["x.jsonl"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"half": ')


def turn_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("ending", "damage", "kept"),
    [
        (PARTIAL, lengthen, True),  # killed while it wrote the next block
        (PARTIAL, cut, False),
        (PARTIAL, turn_a_byte, False),
        (PARTIAL, Path.unlink, False),
        (JOURNAL, lengthen, True),
        (JOURNAL, cut, True),  # one block less
        (JOURNAL, turn_a_byte, False),
        (JOURNAL, Path.unlink, False),
    ],
)
def test_what_is_damaged_is_not(
    interrupted: Path, whole: bytes, ending: str, damage: Callable[[Path], object], kept: bool
) -> None:
    damage(interrupted / f"x.jsonl{ending}")
    assert (run(interrupted, skip_bad=True).num_kept > 0) == kept
    assert (interrupted / "x.jsonl").read_bytes() == whole


def test_another_run_begins_anew(interrupted: Path) -> None:
    before = (interrupted / f"x.jsonl{JOURNAL}").read_bytes()
    assert convert("sa-1b", interrupted, SPLIT, interrupted / "x.jsonl", True, ["check_images=false"]).num_kept == 0
    (interrupted / f"x.jsonl{JOURNAL}").write_bytes(before)
    with pytest.raises(UserError, match="Invalid JSON"):
        run(interrupted)
    assert names(interrupted) == ["x.jsonl"]


def test_a_set_that_has_changed_is_read_anew(interrupted: Path) -> None:
    """As more of it was unpacked meanwhile, so that later records have other numbers."""
    path_of(interrupted, 1).rename(interrupted / SPLIT / "sa_999.json")
    assert run(interrupted, skip_bad=True).num_kept == 0
    assert run(interrupted, "fresh.jsonl", skip_bad=True).num_kept == 0
    written = (interrupted / "x.jsonl").read_bytes()
    assert written == (interrupted / "fresh.jsonl").read_bytes() and b'"sa-1b/1"' in written.splitlines()[-1]


def test_an_error_keeps_what_is_written(interrupted: Path, whole: bytes) -> None:
    (interrupted / "x.jsonl").write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((interrupted / f"x.jsonl{PARTIAL}").stat().st_size + 9, limits[1]))
    try:
        with pytest.raises(
            UserError, match=r"x\.jsonl: cannot be written \(File too large\); run the same command again"
        ):
            run(interrupted, skip_bad=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (interrupted / "x.jsonl").read_text() == "old"
    assert run(interrupted, skip_bad=True).num_kept == 2 * BLOCK_RECORDS - 1
    assert (interrupted / "x.jsonl").read_bytes() == whole
    assert names(interrupted) == ["x.jsonl"]


def test_a_folder_that_was_away_costs_nothing(interrupted: Path, whole: bytes) -> None:
    (interrupted / SPLIT).rename(interrupted / "away")
    with pytest.raises(UserError, match="no such folder; .*; run the same command again to go on"):
        run(interrupted, skip_bad=True)
    (interrupted / "away").rename(interrupted / SPLIT)
    assert run(interrupted, skip_bad=True).num_kept == 2 * BLOCK_RECORDS - 1
    assert (interrupted / "x.jsonl").read_bytes() == whole


def test_an_error_before_the_first_block_leaves_nothing(tmp_path: Path, whole: bytes) -> None:
    with pytest.raises(UserError, match="Invalid JSON: [^;]*$"):
        run(tmp_path)
    assert names(tmp_path) == []


def test_a_broken_record_is_gone_past(tmp_path: Path, whole: bytes) -> None:
    path_of(tmp_path, 2).write_bytes(path_of(tmp_path, 3).read_bytes())
    with pytest.raises(UserError, match="sa_100.json: Invalid JSON: .*; run the same command again to go on"):
        run(tmp_path)
    done = run(tmp_path, skip_bad=True)
    assert (done.count, done.num_skipped, done.num_kept) == (COUNT - 1, 1, 3 * BLOCK_RECORDS)
    assert run(tmp_path, "fresh.jsonl", skip_bad=True).num_kept == 0
    assert (tmp_path / "x.jsonl").read_bytes() == (tmp_path / "fresh.jsonl").read_bytes()


def test_what_was_left_out_is_not_kept_by_one_that_leaves_out_nothing(interrupted: Path) -> None:
    path_of(interrupted, 2).write_bytes(path_of(interrupted, 3).read_bytes())
    with pytest.raises(UserError, match="sa_100.json: Invalid JSON"):
        run(interrupted)
    assert run(interrupted, skip_bad=True).count == COUNT - 1


def test_only_the_first_mistakes_are_kept(tmp_path: Path) -> None:
    write_sa1b(tmp_path, COUNT)
    broken = range(1, 2 * BLOCK_RECORDS, 2)
    for number in broken:
        path_of(tmp_path, number).write_bytes(b"{")
    done = run(tmp_path, skip_bad=True)
    assert (done.count, done.num_skipped) == (COUNT - len(broken), len(broken))
    assert [line.partition(":")[0] for line in done.mistakes] == [
        str(path_of(tmp_path, number)) for number in broken[:MAX_SHOWN]
    ]


def test_two_runs_do_not_write_one_file(
    interrupted: Path, whole: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = interrupted / "x.jsonl"
    command = ["data", "convert", "sa-1b", "--root", str(interrupted), "--split", SPLIT, "--skip-bad"]

    def and_another(*arguments: object) -> Iterator[Block]:
        for block in real(*arguments):  # type: ignore[arg-type]
            refused.append(main([*command, "--out", str(out)]))
            yield block

    real, refused = module.blocks, list[int]()
    monkeypatch.setattr(module, "blocks", and_another)
    assert run(interrupted, skip_bad=True).num_kept
    assert set(refused) == {2}
    line = f"mglmm: {out}: another run is writing it; wait for it, or give another --out\n"
    assert set(capsys.readouterr().err.splitlines(keepends=True)) == {line}
    assert out.read_bytes() == whole
    assert names(interrupted) == ["x.jsonl"]


@pytest.mark.parametrize(("workers", "number"), [("1", signal.SIGINT), ("2", signal.SIGINT), ("2", signal.SIGKILL)])
def test_the_command_goes_on(
    tmp_path: Path, whole: bytes, workers: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C reaches all processes of the terminal; a kill the one alone, with which the others end."""
    at = 3 * BLOCK_RECORDS
    content = path_of(tmp_path, at).read_bytes()
    path_of(tmp_path, at).unlink()
    os.mkfifo(path_of(tmp_path, at))  # whoever reads it waits
    command = ["data", "convert", "sa-1b", "--root", str(tmp_path), "--split", SPLIT, "--skip-bad"]
    command += ["--out", str(tmp_path / "x.jsonl"), "--workers", workers]
    running = subprocess.Popen(
        [sys.executable, "-m", "mglmm", *command], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    journal = tmp_path / f"x.jsonl{JOURNAL}"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 4:  # one line more than blocks
        assert running.poll() is None
        time.sleep(0.02)
    (os.killpg if number == signal.SIGINT else os.kill)(running.pid, number)
    _, said = running.communicate(timeout=30)  # until the last process that could write there has ended
    if number == signal.SIGINT:
        assert (running.returncode, said) == (130, "mglmm: interrupted; run the same command again to go on\n")
    path_of(tmp_path, at).unlink()
    path_of(tmp_path, at).write_bytes(content)
    assert main(command) == 0
    kept = 3 * BLOCK_RECORDS - 1
    assert f"{COUNT - 2} samples, 2 broken records left out, the first {kept} from an" in capsys.readouterr().out
    assert (tmp_path / "x.jsonl").read_bytes() == whole
    assert names(tmp_path) == ["x.jsonl"]
