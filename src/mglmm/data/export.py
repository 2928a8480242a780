"""From files of samples to the forms that other tools read: `mglmm data export`."""

import json
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import quote

from mglmm.atomic import atomic_file
from mglmm.data import label_studio
from mglmm.data.readers.mgsc import nodes_of, write_mgsc
from mglmm.data.records import (
    SHARD_RECORDS,
    Address,
    Records,
    folder_of,
    image_address,
    image_bytes,
    lines,
    moved,
    watched,
    write_parquet,
)
from mglmm.data.reshape import make_folder, transferred
from mglmm.schema import Sample, UserError, write_jsonl

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio serves files of its own machine. Source: its documentation of local storage."""


@dataclass(frozen=True)
class Options:
    """How samples are exported.

    `name`: of the split, in file names. `with_images`: the images go along, embedded (Parquet) or copied to `images/`.
    `images`: for JSON lines, the folder below that of the file for images that were embedded. `image_prefix`: what
    stands before an image's path in Label Studio's tasks.
    """

    name: str
    with_images: bool = False
    images: str = ""
    image_prefix: str = LOCAL_FILES
    shard_records: int = SHARD_RECORDS


@dataclass(frozen=True)
class Exported:
    """How many samples were written, and how many have nothing that the format can hold."""

    count: int
    left_out: int = 0


def export(form: str, address: Address, out: str, options: Options) -> Exported:
    """Write the samples of a file in another form: to the file `out` (JSON lines) or into that folder (the others).

    Raises:
        UserError: an unknown form, a record that is no sample, an image that cannot be read, or a file that cannot be
            written.
    """
    if form not in FORMS:
        raise UserError(f"no form {form!r}; there are {', '.join(FORMS)}")
    if "://" in out and form != "parquet":
        raise UserError(f"{out}: only Parquet is written to a remote address; give a path on this machine")
    return FORMS[form](address, out, options)


def to_jsonl(address: Address, out: str, options: Options) -> Exported:
    """JSON lines; images that were embedded become files again."""
    path = Path(out)
    make_folder(path.parent)
    return Exported(write_jsonl(path, transferred(address, path.parent, options.images)))


def to_parquet(address: Address, out: str, options: Options) -> Exported:
    """Parquet shards, readable with Hugging Face `datasets` and with `mglmm`; `out` may be a remote folder.

    Embedded images stay embedded. Images by path keep a path relative to the shards.
    """
    count, source = len(Records(address)), folder_of(str(address))

    def _records() -> Iterator[tuple[Sample, bytes | None]]:
        """The samples with the images to embed; the path of any other is made relative to the shards."""
        for line in watched(lines(address), str(address)):
            sample = line.sample()
            if options.with_images or line.image is not None:
                yield sample, image_bytes(sample, source, line.image)
            else:
                yield next(moved([sample], source, out)), None

    write_parquet(_records(), count, out, options.name, options.shard_records)
    return Exported(count)


def to_coco(address: Address, out: str, options: Options) -> Exported:
    """COCO instances: masks and labels; turns, and which part belongs to what, have no place there.

    `out`/annotations/NAME.json; file names are relative to `out`/images.
    """
    folder = make_folder(Path(out) / "annotations")
    count, label_ids = 0, dict[str, int]()
    with (
        atomic_file(folder / f"{options.name}.json") as file,
        tempfile.TemporaryFile("w+", encoding="utf-8") as annotations,
    ):
        file.write('{"info": {"description": "exported by mglmm"}, "images": [')
        images, found = _List(file), _List(annotations)
        for sample, name in _with_names(address, Path(out), options):
            count += 1
            images.add({"id": count, "file_name": name, "height": sample.size[0], "width": sample.size[1]})
            for annotation in _annotations(sample, label_ids):
                found.add({"id": found.count + 1, "image_id": count, **annotation})
        categories = [{"id": number, "name": label} for label, number in label_ids.items()]
        file.write(f'],\n"categories": {json.dumps(categories, ensure_ascii=False)},\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write("]}\n")
    return Exported(count)


def to_mgsc(address: Address, out: str, options: Options) -> Exported:
    """MGSCData: `out`/NAME.txt, and a file a sample in `out`/annotations; samples without `mgsc` turns are left out."""
    folder = make_folder(Path(out) / "annotations")
    names: dict[str, str] = {}
    left_out = 0

    def _samples() -> Iterator[Sample]:
        """The samples that have nodes, whose files and images have different names."""
        nonlocal left_out
        for sample, image in _with_names(address, Path(out), options, flat=True):
            name = f"{sample.id.rpartition('/')[2]}.json"
            if not nodes_of(sample):
                left_out += 1
                continue
            if name in names:
                raise UserError(f"{address}: samples {names[name]} and {sample.id} would both be {folder / name}")
            names[name] = sample.id
            yield sample.model_copy(update={"image": image})

    count = write_mgsc(_samples(), folder)
    _write(Path(out) / f"{options.name}.txt", "".join(f"{name}\n" for name in names).encode())
    return Exported(count, left_out)


def to_label_studio(address: Address, out: str, options: Options) -> Exported:
    """Label Studio: `out`/NAME.json to import, and `out`/NAME.xml, the labelling interface with every label.

    Tasks are read back with `mglmm data convert label-studio`.
    """
    folder = make_folder(Path(out))
    place = folder / f"{options.name}.json"
    labels: dict[str, None] = {}
    with atomic_file(place) as file:
        file.write("[")
        tasks = _List(file)
        for sample, name in _with_names(address, folder, options):
            # what is read back finds its image from the folder of the tasks
            shown = sample.model_copy(update={"image": posixpath.normpath(f"images/{name}")})
            tasks.add(label_studio.task(shown, options.image_prefix + quote(shown.image)))
            labels |= dict.fromkeys(segment.label for segment in sample.segments)
        file.write("]\n")
    _write(place.with_suffix(".xml"), label_studio.labelling_config(sorted(labels)).encode())
    return Exported(tasks.count)


FORMS: Mapping[str, Callable[[Address, str, Options], Exported]] = {
    "coco": to_coco,
    "jsonl": to_jsonl,
    "label-studio": to_label_studio,
    "mgsc": to_mgsc,
    "parquet": to_parquet,
}
"""Name on the command line -> exporter."""


def _write(path: Path, content: bytes) -> None:
    """Write a file at once; UserError if it cannot be."""
    make_folder(path.parent)
    try:
        with atomic_file(path, "wb") as file:
            file.write(content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


class _List:
    """The elements of a JSON array, written one after the other."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.count = 0

    def add(self, value: Mapping[str, Any]) -> None:
        """Write one more element."""
        self._file.write((",\n" if self.count else "\n") + json.dumps(value, ensure_ascii=False))
        self.count += 1


def _annotations(sample: Sample, label_ids: dict[str, int]) -> Iterator[dict[str, Any]]:
    """COCO's annotations of a sample, without ids; new labels are numbered from 1."""
    crowds = set(sample.meta.get("crowd_ids", ()))
    for segment in sample.segments:
        yield {
            "category_id": label_ids.setdefault(segment.label, len(label_ids) + 1),
            **segment.to_coco(),
            "iscrowd": int(segment.id in crowds),
            **({"caption": segment.caption} if segment.caption else {}),
        }


def _with_names(address: Address, out: Path, options: Options, flat: bool = False) -> Iterator[tuple[Sample, str]]:
    """Every sample, and the name of its image relative to `out`/images; copied there if the options say so.

    A copy keeps its path without what leads out of a folder; `flat`: only its last part.
    """
    source, folder = folder_of(str(address)), out / "images"
    copied: dict[str, str] = {}
    for line in watched(lines(address), str(address)):
        sample = line.sample()
        name = next(moved([sample], source, str(folder))).image if line.image is None else sample.image
        if flat or options.with_images:
            parts = PurePosixPath(name.partition("://")[2] or name).parts
            name = parts[-1] if flat else "/".join(part for part in parts if part not in ("..", "/"))
        if options.with_images:
            origin = f"{line.file} {line.where}" if line.image is not None else image_address(sample, source)
            if copied.setdefault(name, origin) != origin:
                raise UserError(f"{folder / name}: {copied[name]} and {origin} would both be copied there")
            _write(folder / name, image_bytes(sample, source, line.image))
        yield sample, name
