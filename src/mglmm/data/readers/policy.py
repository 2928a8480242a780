"""What happens to a broken record: it is refused with one clear line, or skipped and counted. Others never change.

A record is what becomes one `Sample`: an image with all that its files say about it. If any of that is broken the whole
record is, since half of its truth would be another truth.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mglmm import masks
from mglmm.grounding import render
from mglmm.schema import Sample, UserError

S = TypeVar("S", bound="SourceRecord")
T = TypeVar("T")

Reader = Callable[..., "Reading"]
"""`reader(root, split, *, on_bad=refuse, check_images=True, ...)`: the samples of one split, image by image.

It raises UserError if a file is missing or broken as a whole; or, by the default `on_bad`, for the first broken record.
"""

OnBad = Callable[[UserError], None]
"""Called with the one clear line about a broken record; either raises it or returns, and the record is left out."""

MAX_SHOWN = 20
"""So many of the skipped records are remembered with their reason; all are counted. Ours."""


class SourceRecord(BaseModel):
    """Base of the records as a data set's own files hold them: what a reader does not use is ignored.

    Numbers are finite: JSON as Python writes it may hold NaN.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    @classmethod
    def parse(cls: type[S], raw: bytes | str, place: str) -> S:
        """The record in a JSON text; `place` names it in errors.

        Raises:
            UserError: not valid JSON, or a field is missing or of the wrong type; names place and field.
        """
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            raise UserError(f"{place}{first_mistake(error)}") from None

    @classmethod
    def of(cls: type[S], value: object, place: str) -> S:
        """The record in a value that has been read already; as `parse`."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise UserError(f"{place}{first_mistake(error)}") from None


def first_mistake(error: ValidationError) -> str:
    """ ", field F: what is wrong" (or ": what is wrong") of the first of the mistakes."""
    mistakes = error.errors()
    # where a field may be one thing or another, the deepest mistake is that of the one that is meant
    first = max((m for m in mistakes if m["loc"][:1] == mistakes[0]["loc"][:1]), key=lambda m: len(m["loc"]))
    field_name = ".".join(str(part) for part in first["loc"] if "[" not in str(part))
    return f"{', field ' + field_name if field_name else ''}: {first['msg']}"


def refuse(error: UserError) -> None:
    """Raise the error: the first broken record ends the reading."""
    raise error


@dataclass
class Skipped:
    """Counts broken records and remembers what was wrong with the first `MAX_SHOWN`."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def __call__(self, error: UserError) -> None:
        """Count one broken record."""
        self.count += 1
        if len(self.first) < MAX_SHOWN:
            self.first.append(str(error))


def record_mistakes(sample: Sample) -> list[str]:
    """What is wrong with a sample that has the form of one, apart from its image; [] if nothing is."""
    segments = sample.segments
    found = [f"segment {s.id} has an empty mask" for s in segments if masks.is_empty(s.rle.counts)]
    found += [f"segment {s.id} has an empty label" for s in segments if not s.label.strip()]
    found += [
        f"segment {s.id} has the score {s.score}, outside of 0..1"
        for s in segments
        if s.score is not None and not 0 <= s.score <= 1
    ]
    for index, turn in enumerate(sample.turns):
        if not turn.instruction.strip():
            found.append(f"turn {index} has an empty instruction")
        try:
            render(turn.answer)
        except ValueError as error:
            found.append(f"turn {index}: {error}")
    texts = [sample.id, sample.image, *[s.label for s in segments], *[s.caption for s in segments if s.caption]]
    texts += [text for turn in sample.turns for text in (turn.instruction, turn.answer.text)]
    if not is_unicode("".join(texts)):
        found.append("a text holds half a character (a lone surrogate), which no file can")
    return found


def is_unicode(text: str) -> bool:
    r"""Whether a text can be written: JSON and pickles may hold half a character, as in "\ud800"."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Reading(Iterator[Sample]):
    """The samples of a split: its records, of which each becomes one when it is asked for.

    A record that cannot be built goes to `on_bad` instead. So does a sample with mistakes (`record_mistakes`): what is
    converted is what `mglmm data check` accepts.

    Args:
        records: what becomes a sample each. Nothing that building one needs may depend on others having been built.
        build: raises UserError, which names its place already, or ValueError (of which pydantic's is one), to which
            `place(record)` is added.
    """

    def __init__(
        self, records: Iterable[T], build: Callable[[T], Sample], place: Callable[[T], str], on_bad: OnBad
    ) -> None:
        self.records: Iterator[Any] = iter(records)
        """Those that are left; who takes one from here passes it by."""
        self._build, self._place, self._on_bad = build, place, on_bad

    def __next__(self) -> Sample:
        """The next sample."""
        for record in self.records:
            sample = self.sample(record)
            if sample is not None:
                return sample
        raise StopIteration

    def sample(self, record: Any) -> Sample | None:
        """The sample of one of `records`; None if it is broken."""
        try:
            sample = self._build(record)
        except UserError as error:
            mistake = error
        except ValidationError as error:
            mistake = UserError(f"{self._place(record)}{first_mistake(error)}")
        except ValueError as error:
            mistake = UserError(f"{self._place(record)}: {error}")
        else:
            found = record_mistakes(sample)
            if not found:
                return sample
            mistake = UserError(f"{self._place(record)}: {found[0]}")
        self._on_bad(mistake)
        return None
