"""COCO's JSON files, written element by element: none is held."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mglmm.atomic import atomic_file


class JsonList:
    """The elements of a JSON array, written one after the other."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.count = 0

    def add(self, value: Mapping[str, Any]) -> None:
        """Write one more element."""
        self._file.write((",\n" if self.count else "\n") + json.dumps(value, ensure_ascii=False))
        self.count += 1


@dataclass
class CocoFile:
    """A file that is being filled. `categories` are written last, if there are any."""

    images: JsonList
    annotations: JsonList
    categories: list[dict[str, Any]] = field(default_factory=list)

    def annotate(self, annotation: Mapping[str, Any]) -> None:
        """Add an annotation with the next id, from 1 on."""
        self.annotations.add({"id": self.annotations.count + 1, **annotation})


@contextmanager
def coco_file(path: Path) -> Iterator[CocoFile]:
    """A file of COCO's form that is there, whole, when the block has ended well; see `atomic_file`."""
    with atomic_file(path) as file, tempfile.TemporaryFile("w+", encoding="utf-8") as annotations:
        file.write('{"info": {"description": "exported by mglmm"}, "images": [')
        coco = CocoFile(JsonList(file), JsonList(annotations))
        yield coco
        file.write("]")
        if coco.categories:
            file.write(f',\n"categories": {json.dumps(coco.categories, ensure_ascii=False)}')
        file.write(',\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write("]}\n")
