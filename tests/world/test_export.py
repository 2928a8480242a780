"""Writing pictures of the world into a folder, in one go or in several."""

from pathlib import Path
from typing import Any

import pytest

from mglmm.schema import Sample, UserError, read_jsonl
from mglmm.world import export
from mglmm.world.export import render_to
from mglmm.world.graph import TRAIN_SEEDS_END
from mglmm.world.samples import world_sample


def content(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes; the records in the order of their ids."""
    files = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    files["samples.jsonl"] = b"\n".join(sorted(files["samples.jsonl"].splitlines()))
    return files


def test_interrupted_equals_straight(tmp_path: Path) -> None:
    assert render_to(tmp_path / "straight", range(5), size=48) == 5
    assert render_to(tmp_path / "parts", range(2, 4), size=48) == 2
    records = tmp_path / "parts" / "samples.jsonl"
    records.write_bytes(records.read_bytes()[:-30])  # killed while it wrote the last record
    assert render_to(tmp_path / "parts", range(5), size=48) == 4
    assert render_to(tmp_path / "parts", range(5), size=48) == 0
    assert content(tmp_path / "parts") == content(tmp_path / "straight")


def test_novel_pictures_stand_beside_the_plain_ones(tmp_path: Path) -> None:
    seed = TRAIN_SEEDS_END + 5
    assert render_to(tmp_path, [seed], size=48) == 1
    assert render_to(tmp_path, [seed], size=48, novel=True) == 1
    ids = [s.id for s in read_jsonl(tmp_path / "samples.jsonl", Sample)]
    assert ids == [f"world-{seed}", f"world-{seed}-novel"]


def test_two_runs_do_not_write_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _and_another(*arguments: Any) -> Any:
        with pytest.raises(UserError, match=r"samples\.jsonl: another run is writing it; wait for it"):
            render_to(tmp_path, [0], size=48)
        return world_sample(*arguments)

    monkeypatch.setattr(export, "world_sample", _and_another)
    assert render_to(tmp_path, [0], size=48) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "samples.jsonl"]


def test_refused(tmp_path: Path) -> None:
    render_to(tmp_path / "world", [0], size=48)
    with pytest.raises(UserError, match="48 pixels, not 64"):
        render_to(tmp_path / "world", [0], size=64)
    with pytest.raises(UserError, match=str(TRAIN_SEEDS_END)):
        render_to(tmp_path / "novel", [0], novel=True)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        render_to(tmp_path / "file", [0])
