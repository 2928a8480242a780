"""The folder of a run: a file for every finished picture, so that a run that was killed goes on where it was."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mglmm.annotate.records import Finished
from mglmm.atomic import atomic_file
from mglmm.schema import Record, Sample, UserError, read_line

RUN_NAME = "run.json"


class Quarantined(Record):
    """A picture that could not be annotated, and why."""

    id: str
    stage: str
    reason: str


class Store:
    """Finished and quarantined pictures by id, each written as a whole or not at all."""

    def __init__(self, out: Path, identity: Mapping[str, Any]) -> None:
        """Open or make the folder `out` of the run with this `identity`.

        Raises:
            UserError: the folder holds another run, or cannot be written.
        """
        self.out = out
        self._records, self._quarantine = out / "records", out / "quarantine"
        text = json.dumps(identity, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        path = out / RUN_NAME
        try:
            out.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                _check_same(path, _identity(path), json.loads(text))
            else:
                with atomic_file(path) as file:
                    file.write(text)
        except OSError as error:
            raise UserError(f"{error.filename or out}: cannot be written ({error.strerror})") from error

    def is_done(self, name: str) -> bool:
        """Whether the picture is finished or quarantined."""
        return self._place(self._records, name).is_file() or self._place(self._quarantine, name).is_file()

    def write(self, finished: Finished) -> None:
        """Keep a finished picture; the path of its image is kept relative to the folder of the run."""
        kept = finished.model_copy(update={"sample": _beside(finished.sample, self.out)})
        self._write(self._records, finished.sample.id, kept)

    def quarantine(self, name: str, stage: str, reason: str) -> None:
        """Keep a picture out of all further runs, until `release`."""
        self._write(self._quarantine, name, Quarantined(id=name, stage=stage, reason=reason))

    def release(self, names: Iterable[str]) -> None:
        """Let quarantined pictures be tried again."""
        for name in names:
            self._place(self._quarantine, name).unlink(missing_ok=True)

    def finished(self, name: str) -> Finished | None:
        """The finished picture; None if it is not."""
        path = self._place(self._records, name)
        return read_line(path.read_bytes(), Finished, str(path)) if path.is_file() else None

    def quarantined(self, name: str) -> Quarantined | None:
        """Why the picture is in quarantine; None if it is not."""
        path = self._place(self._quarantine, name)
        return read_line(path.read_bytes(), Quarantined, str(path)) if path.is_file() else None

    def _write(self, folder: Path, name: str, record: Record) -> None:
        path = self._place(folder, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                file.write(record.model_dump_json() + "\n")
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error

    @staticmethod
    def _place(folder: Path, name: str) -> Path:
        """Names may hold anything, and folders with very many files are slow."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:20]
        return folder / digest[:2] / f"{digest}.json"


def _beside(sample: Sample, out: Path) -> Sample:
    """The sample with the path of its image relative to the folder `out`."""
    if "://" in sample.image:
        return sample
    return sample.model_copy(update={"image": Path(os.path.relpath(sample.image, out)).as_posix()})


def _identity(path: Path) -> dict[str, Any]:
    """What the run in a folder is."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        reason = f"{path}: is damaged ({error})"
    else:
        if isinstance(value, dict):
            return value
        reason = f"{path}: is damaged (no object)"
    raise UserError(f"{reason}; remove it if the folder is of this very run, else choose another --out")


def _check_same(path: Path, there: Mapping[str, Any], here: Mapping[str, Any], place: str = "") -> None:
    for key in sorted({*there, *here}):
        name = f"{place}{key}"
        old, new = there.get(key), here.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            _check_same(path, old, new, f"{name}.")
        elif old != new:
            raise UserError(
                f"{path}: the folder holds a run with {name} = {json.dumps(old)}, this one has {json.dumps(new)}; "
                "choose another --out"
            )
