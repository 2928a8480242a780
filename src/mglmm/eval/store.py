"""The predictions of one run on disk: written as they come, found again after a kill, checked before they are scored.

`predictions.jsonl` holds one `Prediction` a line; `run.json` beside it says what they are predictions of.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from mglmm.atomic import cut_half_line
from mglmm.eval.questions import Question
from mglmm.grounding import render
from mglmm.schema import Prediction, UserError, check_parents, read_line

PREDICTIONS_NAME = "predictions.jsonl"
RUN_NAME = "run.json"

Key = tuple[str, int]


class _Answered(BaseModel):
    """Which question a line answers; the rest of the line is looked at when it is scored."""

    sample_id: str
    turn_index: int = 0


class PredictionStore:
    """Random access to a file of predictions by (sample id, turn index); only places in the file are kept in memory.

    Raises:
        UserError: the file is missing, a line names no question, or a question is answered twice.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[Key, tuple[int, int]] = {}
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        place = 0
        try:
            for number, line in enumerate(self._file, start=1):
                if line.strip():
                    self._remember(line, number, place)
                place += len(line)
        except UserError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._places)

    def keys(self) -> set[Key]:
        """The questions that are answered; going over the store itself gives them in the order of the file."""
        return set(self._places)

    def line(self, key: Key) -> bytes:
        """The line that holds the answer to the question `key`, with its line end."""
        self._file.seek(self._places[key][0])
        return self._file.readline()

    def get(self, question: Question) -> Prediction:
        """The checked answer to `question`.

        Raises:
            UserError: there is none, it is malformed, or it does not fit the question.
        """
        if question.key not in self._places:
            raise UserError(f"{self.path}: no prediction for sample {question.key[0]}, turn {question.key[1]}")
        place, number = self._places[question.key]
        self._file.seek(place)
        prediction = read_line(self._file.readline(), Prediction, f"{self.path}, line {number}")
        check(prediction, question, f"{self.path}, line {number}")
        return prediction

    def _remember(self, line: bytes, number: int, place: int) -> None:
        answered = read_line(line, _Answered, f"{self.path}, line {number}")
        key = answered.sample_id, answered.turn_index
        if key in self._places:
            earlier = self._places[key][1]
            raise UserError(
                f"{self.path}, line {number}: sample {key[0]}, turn {key[1]} is answered before, in line {earlier}"
            )
        self._places[key] = place, number


def check(prediction: Prediction, question: Question, where: str) -> None:
    """Nothing, if `prediction` is a well-formed answer to `question`.

    Raises:
        UserError: another instruction, image or mask size, markup in the plain text, an unknown or repeated segment
            id, parents that make no tree, a score that is no number; begins with `where`.
    """
    if prediction.size != question.sample.size:
        raise UserError(f"{where}, field size: {prediction.size}, but the image is {question.sample.size}")
    if prediction.instruction != question.turn.instruction:
        raise UserError(
            f"{where}, field instruction: {prediction.instruction!r}, but the benchmark asks "
            f"{question.turn.instruction!r}; the predictions belong to other samples"
        )
    ids = [segment.id for segment in prediction.segments]
    if len(set(ids)) != len(ids):
        raise UserError(f"{where}, field segments: segment ids are not unique")
    try:
        check_parents(prediction.segments, complete=False)  # an answer about parts need not hold the whole
    except ValueError as error:
        raise UserError(f"{where}, field segments: {error}") from error
    try:
        render(prediction.answer)
    except ValueError as error:
        raise UserError(f"{where}, field answer: {error}; mglmm.grounding.parse takes a raw answer apart") from error
    if unknown := sorted(set(prediction.answer.segment_ids) - set(ids)):
        raise UserError(f"{where}, field answer.spans: segments {unknown} do not exist")
    for k, segment in enumerate(prediction.segments):
        if segment.rle.size != prediction.size:
            raise UserError(f"{where}, field segments.{k}.rle: size {segment.rle.size} is not {prediction.size}")
        if segment.score is not None and not isfinite(segment.score):
            raise UserError(f"{where}, field segments.{k}.score: {segment.score} is not a number")


class PredictionWriter:
    """Appends predictions to a file so that a kill loses at most the lines being written.

    A half-written last line of an earlier run is cut off when the file is opened.
    """

    def __init__(self, path: Path) -> None:
        cut_half_line(path)
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append the predictions; they are on disk when this returns."""
        self.write_lines([(p.to_json() + "\n").encode() for p in predictions])

    def write_lines(self, lines: Iterable[bytes]) -> None:
        """Append whole lines; they are on disk when this returns."""
        self._file.write(b"".join(lines))
        self._file.flush()
        os.fsync(self._file.fileno())


def claim(out: Path, identity: Mapping[str, Any]) -> None:
    """Make `out` the folder of the run `identity`: create it, or find it with the same run.

    Raises:
        UserError: the folder holds another run (names the field that differs), or cannot be written.
    """
    path = out / RUN_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if (out / PREDICTIONS_NAME).exists():
                raise UserError(f"{out}: holds {PREDICTIONS_NAME} without {RUN_NAME}; choose another folder")
            path.write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
            return
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{out}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON ({error}); choose another folder") from error
    current = json.loads(json.dumps(identity))
    for name in sorted(earlier.keys() | current.keys()):
        if earlier.get(name) != current.get(name):
            raise UserError(
                f"{out}: holds a run with {name} {earlier.get(name)!r}, this one has {current.get(name)!r}; "
                "choose another folder"
            )
