"""The markup of grounded text, and the only place that knows it: `<p> the red car </p> [SEG]`.

Everywhere else a grounded text is plain text with spans (`schema.GroundedText`). `render` writes the markup that a
language model learns, `parse` reads back whatever a language model wrote.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mglmm.schema import GroundedText, Span

SEG = "[SEG]"
PHRASE_START = "<p>"
PHRASE_END = "</p>"

ANY_TAG = re.compile(r"<\s*(?:/\s*)?p\s*>|\[\s*S\s*E\s*G\s*\]", re.IGNORECASE)
"""A tag in any spelling, also one split by whitespace or in the wrong case, which is not a tag but was meant as one.

No plain text may hold one: `render` refuses it.
"""


@dataclass(frozen=True)
class Parsed:
    """What `parse` found in a text.

    `num_invalid`: number of malformed places. `seg_spans`: for each `[SEG]` in reading order the index of its span in
    `text.spans`, or None if it stands behind no phrase. `unnamed`: those that do, in reading order: (segment id, where
    the word before the `[SEG]` ends in the plain text).
    """

    text: GroundedText
    num_invalid: int
    seg_spans: list[int | None]
    unnamed: tuple[tuple[int, int], ...]


def render(grounded: GroundedText, unnamed: Sequence[int] = ()) -> str:
    """The text with markup: each span becomes `<p> phrase </p>` and one ` [SEG]` for each of its segments.

    `unnamed`: ends of words, in characters of the plain text, behind which a `[SEG]` stands that belongs to no phrase.

    Raises:
        ValueError: the plain text holds something that reads as a tag, or a phrase is blank; neither could be parsed.
            A place of `unnamed` is not in the text.

    >>> render(GroundedText(text="Here is the cat.", spans=(Span(start=8, end=15, segment_ids=(3, 4)),)))
    'Here is <p> the cat </p> [SEG] [SEG].'
    >>> render(GroundedText(text="Sure, it is."), [11])
    'Sure, it is [SEG].'
    """
    tag = ANY_TAG.search(grounded.text)
    if tag:
        raise ValueError(f"plain text must hold no markup, but has {tag[0]!r} at character {tag.start()}")
    for place in unnamed:
        if not 0 <= place <= len(grounded.text):
            raise ValueError(f"character {place} is not in the text of {len(grounded.text)} characters")
    # at the very start the space stands behind the tag, as `parse` expects it
    pieces, end = [f"{SEG} "] * sum(place == 0 for place in unnamed), 0
    for span, phrase in zip(grounded.spans, grounded.phrases, strict=True):
        if not phrase.strip():
            raise ValueError(f"the phrase at characters [{span.start}, {span.end}) is blank")
        marked = _with_segs(grounded.text, span.start, span.end, unnamed)
        pieces += [_with_segs(grounded.text, end, span.start, unnamed), f"{PHRASE_START} {marked} {PHRASE_END}"]
        pieces += [f" {SEG}"] * len(span.segment_ids)
        end = span.end
    return "".join([*pieces, _with_segs(grounded.text, end, len(grounded.text), unnamed)])


def parse(marked: str, segment_ids: Sequence[int] | None = None) -> Parsed:
    """The plain text and spans of a text with markup; the k-th `[SEG]` is segment `segment_ids[k]` (default: k).

    Reads any string. Each of these is one malformed place, removed from the text without a span: `<p>` that is never
    closed or holds another `<p>` (the inner one counts), `</p>` without `<p>`, a blank phrase (with its first `[SEG]`),
    a phrase without `[SEG]`, `[SEG]` without a phrase right before it, and a tag that is split by whitespace or in the
    wrong case. Where a `[SEG]` without a phrase stood is kept (`Parsed.unnamed`).
    `parse(render(x), x.segment_ids).text == x`.

    Raises:
        ValueError: `segment_ids` is given and its length is not the number of `[SEG]`.

    >>> parse("A <p> cat </p> [SEG] and a <p> dog.").num_invalid
    1
    """
    reader = _Reader()
    end = 0
    for tag in ANY_TAG.finditer(marked):
        start = tag.start()
        # a tag takes the one space with it that `render` puts on its inner side
        if not _is_opening(tag[0]) and marked[end:start].endswith(" "):
            start -= 1
        reader.words(marked[end:start])
        reader.tag(tag[0])
        end = tag.end()
        if _is_opening(tag[0]) and marked.startswith(" ", end):
            end += 1
    reader.words(marked[end:])
    return reader.finish(segment_ids)


def strip(marked: str) -> str:
    """The plain text of a text with markup.

    >>> strip("Here is <p> the cat </p> [SEG].")
    'Here is the cat.'
    """
    return parse(marked).text.text


def _with_segs(text: str, start: int, end: int, places: Sequence[int]) -> str:
    """Characters `[start, end)` with ` [SEG]` at the places among them, but for one at `start`."""
    cuts = [start, *sorted(place for place in places if start < place <= end), end]
    return f" {SEG}".join(text[one:other] for one, other in pairwise(cuts))


def _is_opening(tag: str) -> bool:
    return tag[0] == "<" and "/" not in tag


@dataclass
class _Phrase:
    start: int
    end: int
    segs: list[int] = field(default_factory=list)
    """Which `[SEG]` of the text stand behind it."""


@dataclass
class _Reader:
    """Builds the plain text from the words and tags that it is given in reading order."""

    text: str = ""
    gap: str = ""
    """Whitespace since the last phrase or `[SEG]`: dropped if a `[SEG]` of that phrase follows."""
    opened: int | None = None
    last: _Phrase | None = None
    """The phrase that a `[SEG]` right here would belong to."""
    phrases: list[_Phrase] = field(default_factory=list)
    num_segs: int = 0
    unnamed: list[tuple[int, int]] = field(default_factory=list)
    """Which `[SEG]` stand behind no phrase, and where in the text."""
    num_invalid: int = 0

    def words(self, words: str) -> None:
        """Take plain text up to the next tag."""
        if self.last is not None and not words.strip():
            self.gap += words
            return
        self._leave_phrase()
        if not self.text and self.num_invalid and self.opened is None:  # no space is left over from a bad tag
            words = words.removeprefix(" ")
        self.text += words

    def tag(self, tag: str) -> None:
        """Take a tag, counting one that does not fit here."""
        if tag == SEG:
            self._seg()
            return
        self._leave_phrase()
        if tag == PHRASE_START:
            self.num_invalid += self.opened is not None
            self.opened = len(self.text)
        elif tag == PHRASE_END and self.opened is not None:
            self.last = _Phrase(self.opened, len(self.text))
            self.opened = None
        else:
            self.num_invalid += 1

    def finish(self, segment_ids: Sequence[int] | None) -> Parsed:
        """What was read, its `[SEG]` tied to `segment_ids` (None: numbered from 0)."""
        self._leave_phrase()
        self.num_invalid += self.opened is not None
        ids = list(range(self.num_segs)) if segment_ids is None else list(segment_ids)
        if len(ids) != self.num_segs:
            raise ValueError(f"the text holds {self.num_segs} {SEG}, but there are {len(ids)} segment ids")
        seg_spans: list[int | None] = [None] * self.num_segs
        for index, phrase in enumerate(self.phrases):
            for k in phrase.segs:
                seg_spans[k] = index
        spans = [Span(start=p.start, end=p.end, segment_ids=tuple(ids[k] for k in p.segs)) for p in self.phrases]
        # taking tags out can join what is left into a new one; brackets of the same length keep the spans in place
        text, num_joined = ANY_TAG.subn(lambda m: f"({m[0][1:-1]})", self.text)
        unnamed = tuple((ids[k], place) for k, place in self.unnamed)
        return Parsed(GroundedText(text=text, spans=tuple(spans)), self.num_invalid + num_joined, seg_spans, unnamed)

    def _seg(self) -> None:
        if self.last is None:
            self.num_invalid += 1
            self.unnamed.append((self.num_segs, len(self.text.rstrip())))
        else:
            self.last.segs.append(self.num_segs)
            self.gap = ""
        self.num_segs += 1

    def _leave_phrase(self) -> None:
        """Take in the last phrase, if it is whole, and the whitespace behind it."""
        if self.last is None:
            return
        if not self.text[self.last.start :].strip():
            self.num_invalid += max(1, len(self.last.segs))
            self.text = self.text[: self.last.start]
            if self.text.endswith(" ") and (not self.phrases or self.phrases[-1].end < len(self.text)):
                self.text = self.text[:-1]  # the space before what is left out; the one behind it stays
            self.unnamed += [(k, len(self.text.rstrip())) for k in self.last.segs]
        elif not self.last.segs:
            self.num_invalid += 1
        else:
            self.phrases.append(self.last)
        self.text += self.gap
        self.last, self.gap = None, ""
