from pathlib import Path

import pytest

from mglmm.atomic import atomic_file, atomic_folder, cut_half_line


def test_a_file_is_there_when_the_block_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_file(path) as file:
        file.write("wörter")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "wörter"
    with atomic_file(path, "wb") as file:
        file.write(b"\xff")
    assert path.read_bytes() == b"\xff"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_file_stays_as_it_was_when_the_block_fails(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(error), atomic_file(path) as file:
        file.write("half")
        raise error
    assert path.read_text(encoding="utf-8") == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    (tmp_path / "a.partial").mkdir()
    (tmp_path / "a.partial" / "left").touch()
    for name in ("old", "new"):
        with atomic_folder(path) as folder:
            (folder / name).touch()
    assert [p.name for p in path.iterdir()] == ["new"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_stays_as_it_was_when_the_block_fails(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a"
    with atomic_folder(path) as folder:
        (folder / "old").touch()
    with pytest.raises(error), atomic_folder(path) as folder:
        (folder / "half").touch()
        raise error
    assert [p.name for p in path.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_the_old_folder_is_kept_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "a", Path.rename
    with atomic_folder(path) as folder:
        (folder / "old").touch()

    def _interrupted(self: Path, target: Path) -> Path:
        if self.name == "a.partial":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", _interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as folder:
        (folder / "new").touch()
    assert [p.name for p in path.iterdir()] == ["old"] and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_a_kill_left_aside_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    (tmp_path / "a.old").mkdir()
    (tmp_path / "a.old" / "old").touch()
    with pytest.raises(ValueError), atomic_folder(path):
        raise ValueError
    assert [p.name for p in path.iterdir()] == ["old"]


def test_several_write_a_shared_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_file(path, shared=True) as first, atomic_file(path, shared=True) as second:
        first.write("first")
        second.write("second")
        assert all(p.name.startswith("a.txt.") and p.suffix == ".partial" for p in tmp_path.iterdir())
    assert path.read_text(encoding="utf-8") == "first"
    with pytest.raises(ValueError), atomic_file(path, shared=True) as file:
        file.write("half")
        raise ValueError
    assert path.read_text(encoding="utf-8") == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", b""), (b"a\n", b"a\n"), (b"a\nb", b"a\n"), (b"ab", b""), (b"a\n" + b"b" * 70000, b"a\n")],
)
def test_half_a_line_is_cut(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "p"
    path.write_bytes(before)
    cut_half_line(path)
    assert path.read_bytes() == after
    cut_half_line(tmp_path / "absent")
