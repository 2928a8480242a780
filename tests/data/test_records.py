"""Files of samples: lossless in JSON lines and Parquet, any record at once, broken files named."""

import os
import pickle
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mglmm.cli import main
from mglmm.data import records
from mglmm.data.export import Options, export
from mglmm.data.records import INDEX_ENDING, Records, lines, read, shards
from mglmm.schema import Sample, Segment, Turn, UserError, write_jsonl
from tests.data.records_made import samples, simple, write


@settings(max_examples=25, deadline=None)
@given(st.lists(samples(), min_size=1, max_size=5), st.integers(1, 3))
def test_parquet_and_back_is_identical(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Sample], size: int
) -> None:
    folder = tmp_path_factory.mktemp("x")
    write_jsonl(folder / "a.jsonl", drawn)
    export("parquet", folder / "a.jsonl", str(folder), Options("a", shard_records=size))
    export("jsonl", folder, str(folder / "b.jsonl"), Options("a"))
    assert (folder / "b.jsonl").read_bytes() == (folder / "a.jsonl").read_bytes()
    held = Records(folder)
    assert [held[k].model_dump_json() for k in range(len(held))] == [
        s.model_dump_json() for s in read(folder / "a.jsonl")
    ]


def test_embedded_images_become_files_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a", simple("one"), simple("two"))
    export("parquet", path, str(tmp_path / "p"), Options("x", with_images=True))
    held = Records(tmp_path / "p")
    assert held.load(1)[0].getpixel((0, 0)) == (1, 60, 90)
    (tmp_path / "b").mkdir()
    export("jsonl", tmp_path / "p", str(tmp_path / "b" / "x.jsonl"), Options("x"))
    assert (tmp_path / "b" / "x.jsonl").read_bytes() == path.read_bytes()
    for name in ("images/one.png", "images/two.png"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()
    (tmp_path / "b" / "images" / "one.png").write_bytes(b"other")
    with pytest.raises(UserError, match=r"one\.png: is another image"):
        export("jsonl", tmp_path / "p", str(tmp_path / "b" / "x.jsonl"), Options("x"))


def test_an_embedded_image_is_never_written_outside(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "deep", simple("one", "../up.png"))
    export("parquet", path, str(tmp_path / "p"), Options("x", with_images=True))
    (tmp_path / "c").mkdir()
    with pytest.raises(UserError, match="leads out of the folder.*--images"):
        export("jsonl", tmp_path / "p", str(tmp_path / "c" / "x.jsonl"), Options("x"))
    assert not (tmp_path / "up.png").exists()
    export("jsonl", tmp_path / "p", str(tmp_path / "c" / "x.jsonl"), Options("x", images="pictures"))
    assert next(read(tmp_path / "c" / "x.jsonl")).image == "pictures/00000000.png"
    assert Records(tmp_path / "c" / "x.jsonl").load(0)[0].size == (18, 12)


def test_paths_follow_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a", simple("one"))
    export("parquet", path, str(tmp_path / "far" / "p"), Options("x"))
    held = Records(tmp_path / "far" / "p")
    assert held[0].image == "../../a/images/one.png"
    assert held.load(0)[1].id == "one"
    export("jsonl", tmp_path / "far" / "p", str(tmp_path / "a" / "y.jsonl"), Options("x"))
    assert (tmp_path / "a" / "y.jsonl").read_bytes() == path.read_bytes()


def test_hugging_face_datasets_reads_the_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets")
    path = write(tmp_path / "a", simple("one"), simple("two"), simple("three"))
    export("parquet", path, str(tmp_path / "p"), Options("x", with_images=True, shard_records=2))
    stream = datasets.load_dataset("parquet", data_files=shards(str(tmp_path / "p")), split="train", streaming=True)
    rows = list(stream.cast_column("image", datasets.Image()))
    assert [row["id"] for row in rows] == ["one", "two", "three"]
    assert rows[2]["image"].size == (18, 12)
    assert rows[0]["turns"][0]["answer"]["spans"][1] == {"start": 16, "end": 23, "segment_ids": [2]}


def test_remote_addresses(tmp_path: Path) -> None:
    path = write(tmp_path / "a", simple("one"), simple("two"))
    export("parquet", path, "memory://bucket/p", Options("x", with_images=True, shard_records=1))
    assert len(shards("memory://bucket/p")) == 2
    held = Records("memory://bucket/p")
    assert [held[k].id for k in range(2)] == ["one", "two"]
    assert held.load(1)[0].size == (18, 12)
    with fsspec.open("memory://bucket/y.jsonl", "wb") as file:
        file.write(path.read_bytes())
    with fsspec.open("memory://bucket/images/two.png", "wb") as file:
        file.write((tmp_path / "a" / "images" / "two.png").read_bytes())
    held = Records("memory://bucket/y.jsonl")
    assert held.load(1)[1] == simple("two")
    with pytest.raises(UserError, match="one.png: image of sample one cannot be read"):
        held.load(0)


@pytest.mark.parametrize("folder", ["p", "memory://again/p"])
def test_a_shard_that_is_written_anew_is_read_anew(tmp_path: Path, folder: str) -> None:
    out = folder if "://" in folder else str(tmp_path / folder)
    for name in ("one", "two"):
        path = write(tmp_path / name, simple(name))
        export("parquet", path, out, Options("x"))
        assert Records(out)[0].id == name


def test_the_folder_of_a_remote_file() -> None:
    for ending in ("jsonl", "json", "ndjson", "parquet"):
        assert records.folder_of(f"s3://bucket/d/x.{ending}") == "s3://bucket/d"
    assert records.folder_of("s3://bucket/d/") == "s3://bucket/d"


def test_addresses_that_cannot_be_read_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fsspec.register_implementation("gone", "no_such_package.System", errtxt="Install no-such-package")
    for address, reason in (("foo://x", "Protocol not known: foo"), ("gone://x", "Install no-such-package")):
        for command in (["check"], ["merge", "--out", str(tmp_path / "m.jsonl")]):
            for ending in ("", ".jsonl", ".parquet"):
                assert main(["data", *command, address + ending]) == 2
                assert f"{address}{ending}: {reason}; give" in capsys.readouterr().err
    path = write(tmp_path, simple("one"))
    assert main(["data", "export", "parquet", str(path), "--out", "gone://x"]) == 2
    assert "gone://x: Install no-such-package" in capsys.readouterr().err


def test_rows_whose_meta_is_none_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a", simple("one"), simple("two"), simple("three"))
    export("parquet", path, str(tmp_path / "p"), Options("x", with_images=True))
    table = pq.read_table(shards(str(tmp_path / "p"))[0])
    metas = pa.array([table["meta"][0].as_py(), None, "{"], pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("meta"), "meta", metas), tmp_path / "y.parquet")
    assert main(["data", "check", str(tmp_path / "y.parquet")]) == 2
    said = capsys.readouterr().out
    for row, name in ((2, "two"), (3, "three")):
        assert f"y.parquet, row {row}, sample {name}, field meta: " in said


def test_a_missing_shard_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", simple("one"), simple("two"))
    export("parquet", path, str(tmp_path / "p"), Options("x", shard_records=1))
    (tmp_path / "p" / "x-00000-of-00002.parquet").unlink()
    with pytest.raises(UserError, match=r"shard x-00000-of-00002\.parquet is missing"):
        Records(tmp_path / "p")
    with pytest.raises(UserError, match=r"holds no \*\.parquet"):
        list(lines(tmp_path / "a"))


def test_shards_take_the_place_of_older_ones_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "p"
    old = write(tmp_path / "a", simple("one"), simple("two"), simple("three"))
    export("parquet", old, str(folder), Options("x", shard_records=1))
    export("parquet", old, str(folder), Options("y", shard_records=5))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    new = write(tmp_path / "b", simple("four"), simple("five"))
    whole, calls = records.parquet.write_shard, []

    def interrupted(url: str, found: Any) -> int:
        calls.append(url)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(url, found)

    monkeypatch.setattr(records.parquet, "write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export("parquet", new, str(folder), Options("x", shard_records=1))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    export("parquet", new, str(folder), Options("x", shard_records=1))
    names = ["x-00000-of-00002.parquet", "x-00001-of-00002.parquet", "y-00000-of-00001.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_a_break_while_shards_are_put_in_place_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "p"
    path = write(tmp_path / "a", simple("one"), simple("two"))
    export("parquet", path, str(folder), Options("x", shard_records=1))
    before = {path.name for path in folder.iterdir()}

    def _broken(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.mv", _broken)
    with pytest.raises(KeyboardInterrupt):
        export("parquet", path, str(folder), Options("x", shard_records=2))
    assert before | {"x-00000-of-00001.parquet.partial"} == {path.name for path in folder.iterdir()}


def test_what_is_no_parquet_of_samples_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match=r"x\.parquet: cannot be read as Parquet"):
        Records(tmp_path / "x.parquet")
    path = write(tmp_path / "a", simple("one"))
    export("parquet", path, str(tmp_path / "p"), Options("x"))
    table = pq.read_table(shards(str(tmp_path / "p"))[0])
    pq.write_table(table.drop_columns(["turns"]), tmp_path / "y.parquet")
    with pytest.raises(UserError, match="columns turns are missing"):
        Records(tmp_path / "y.parquet")


blank = st.sampled_from([b"\n", b"  \n", b"\r\n", b"\t \n"])


@settings(max_examples=25, deadline=None)
@given(st.data(), st.booleans(), st.integers(40, 900))
def test_any_line_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, ends: bool, chunk: int
) -> None:
    """Blank lines anywhere, a last line with or without its end, chunks that cut lines."""
    pieces: list[bytes] = []
    wanted = []
    for k in range(data.draw(st.integers(1, 6))):
        pieces += data.draw(st.lists(blank, max_size=2))
        wanted.append((f"line {len(pieces) + 1}", f"s{k}"))
        pieces.append(simple(f"s{k}").model_dump_json().encode() + b"\n")
    pieces += data.draw(st.lists(blank, max_size=2))
    path = tmp_path_factory.mktemp("x") / "x.jsonl"
    content = b"".join(pieces)
    path.write_bytes(content if ends else content.removesuffix(b"\n"))
    before = records._CHUNK_BYTES
    records._CHUNK_BYTES = chunk
    try:
        held = Records(path)
    finally:
        records._CHUNK_BYTES = before
    assert [(held._line(k).where, held[k].id) for k in range(len(held))] == wanted
    assert [(line.where, line.sample().id) for line in lines(path)] == wanted


def test_the_index_of_a_large_file_is_kept_and_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "INDEXED_BYTES", 0)
    path = write(tmp_path, simple("one"), simple("two"))
    assert len(Records(path)) == 2
    index = Path(str(path) + INDEX_ENDING)
    assert index.is_file()
    monkeypatch.setattr(records._Lines, "_scanned", None)
    assert Records(path)[1].id == "two"  # without looking at the lines
    monkeypatch.undo()
    monkeypatch.setattr(records, "INDEXED_BYTES", 0)
    write_jsonl(path, [simple("three")])
    os.utime(path, ns=(0, 0))
    assert Records(path)[0].id == "three"
    assert len(Records(path)) == 1


def test_records_travel_to_other_processes(tmp_path: Path) -> None:
    path = write(tmp_path, simple("one"), simple("two"))
    export("parquet", path, str(tmp_path / "p"), Options("x"))
    for address in (path, tmp_path / "p"):
        assert pickle.loads(pickle.dumps(Records(address)))[1].id == "two"


def test_broken_records_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, simple("one"), simple("two"))
    content = path.read_text().splitlines()
    path.write_text(f"{content[0]}\n\n{content[1].replace('car', 'cat', 1)[:-1]}\n")
    held = Records(path)
    assert held[0].id == "one"
    with pytest.raises(UserError, match=r"x\.jsonl, line 3: Invalid JSON"):
        held[1]
    with pytest.raises(UserError, match="line 3"):
        list(read(path))
    with pytest.raises(IndexError):
        held[2]
    with pytest.raises(UserError, match="No such file"):
        Records(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_bytes(b"\n\n")
    with pytest.raises(UserError, match="no samples"):
        Records(tmp_path / "empty.jsonl")


def test_numbers_beyond_64_bits_are_refused(tmp_path: Path) -> None:
    sample = simple("one")
    large = sample.model_copy(update={"segments": (sample.segments[0].model_copy(update={"id": 2**70}),), "turns": ()})
    path = write(tmp_path, large)
    with pytest.raises(UserError, match="samples one to one do not fit into Parquet"):
        export("parquet", path, str(tmp_path / "p"), Options("x"))


def test_check_reads_parquet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a", simple("one"), simple("two"))
    assert main(["data", "export", "parquet", str(path), "--out", str(tmp_path / "p"), "--with-images"]) == 0
    assert main(["data", "check", str(tmp_path / "p")]) == 0
    capsys.readouterr()
    write_jsonl(path, [simple("one"), simple("two"), simple("one")])
    arguments = ["data", "export", "parquet", str(path), "--out", str(tmp_path / "q"), "--shard-records", "2"]
    assert main(arguments) == 0
    assert main(["data", "check", str(tmp_path / "q")]) == 2
    said = capsys.readouterr().out
    assert "x-00001-of-00002.parquet, row 1, sample one: the id is that of" in said
    assert "x-00000-of-00002.parquet, row 1" in said


def test_columns_are_the_fields_of_a_sample() -> None:
    from mglmm.data.parquet import SCHEMA

    assert set(SCHEMA.names) == set(Sample.model_fields)
    for column, model in (("segments", Segment), ("turns", Turn)):
        assert {field.name for field in SCHEMA.field(column).type.value_type} == set(model.model_fields)
