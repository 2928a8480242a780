"""The rules of quality: pure functions over texts and what was measured, each fault with the name of its rule."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mglmm.annotate.looks import place
from mglmm.annotate.records import Description, Looks, Node, Task
from mglmm.annotate.tags import Fault, parse
from mglmm.colors import COLORS, UNLIKE
from mglmm.config import Recipe
from mglmm.data.vocabulary import noun
from mglmm.grounding import ANY_TAG
from mglmm.schema import GroundedText, UserError

Rule = Literal[
    "no_answer",
    "label_missing",
    "label_too_long",
    "label_not_in_caption",
    "caption_too_short",
    "caption_too_long",
    "caption_repeats_itself",
    "caption_of_another",
    "contradictory_color",
    "contradictory_place",
    "speaks_of_markup",
    "unsafe",
    "personal",
    "low_confidence",
    "broken_tag",
    "empty_phrase",
    "unknown_tag",
    "missing_tag",
    "duplicate_tag",
    "label_not_in_phrase",
    "no_name_of_its_own",
    "second_model_disagrees",
]
"""Every rule on texts that can be switched off; those on masks are in `tree`."""

HOLDS_A_TAG = "holds_a_tag"
"""The rule on texts that cannot be: no record may hold what the model's own markup looks like."""

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_SENTENCE = re.compile(r"[^.!?]+")
_MARKUP = re.compile(
    r"\b(highlight\w*|outlined in red|bounding box\w*|(red|thin|colou?red) (outline|contour|border line)"
    r"|(masked|marked|cropped|dimmed|segmented) (region|area|part|object|image|picture|view)"
    r"|segmentation mask|coordinates?|normali[sz]ed)\b|\[\s*0?\.\d+\s*,|</?\w+>|```",
    re.IGNORECASE,
)
"""Text about how the mask was shown instead of what it shows."""
_PERSONAL = re.compile(
    r"[\w.+-]+@[\w-]+\.\w{2,}|https?://\S+|\bwww\.\S+|(?<!\d)\+?\d{2,4}[ /-]\d{3,}[ /-]?\d{2,}(?!\d)"
    r"|\b(named|called|identified as|known as|whose name is) (?-i:[A-Z]\w+)|\b(licen[cs]e|number) plate (reads|says)\b"
    r"|\b(Mr|Mrs|Ms|Dr)\. (?-i:[A-Z]\w+)",
    re.IGNORECASE,
)
"""E-mail, web address, telephone number, a person's name, what a number plate reads."""
_SIDES = {
    "left": re.compile(r"\b(on|at|to|in) the (far |top |bottom |upper |lower )?left\b", re.IGNORECASE),
    "right": re.compile(r"\b(on|at|to|in) the (far |top |bottom |upper |lower )?right\b", re.IGNORECASE),
    "top": re.compile(r"\b(at|in|near) the (very )?(top|upper)\b", re.IGNORECASE),
    "bottom": re.compile(r"\b(at|in|near) the (very )?(bottom|lower)\b", re.IGNORECASE),
}
_OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


class RuleOptions(Recipe):
    """What counts as a fault. `off`: rules that are not applied. Lengths are in words; values are ours."""

    off: tuple[Rule, ...] = ()
    max_label: Annotated[int, Field(ge=1)] = 6
    min_caption: Annotated[int, Field(ge=1)] = 3
    max_caption: Annotated[int, Field(ge=1)] = 120
    max_composed: Annotated[int, Field(ge=1)] = 400
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    unsafe_words: str = ""
    """File with a word or expression a line; "": the one in the package."""


def check_rules(options: RuleOptions) -> None:
    """Nothing, if the file of unsafe words can be read; else UserError, before anything is begun."""
    _unsafe(options.unsafe_words)


def description_faults(said: Description, looks: Looks, options: RuleOptions, has_parts: bool = False) -> list[Fault]:
    """What is wrong with the label and the caption of a node with these looks.

    The color that is measured of a thing with parts may be that of its parts: it contradicts nothing.
    """
    words = _words(said.label)
    faults = []
    if not words:
        faults.append(Fault("label_missing", "the label is empty"))
    elif len(words) > options.max_label:
        faults.append(Fault("label_too_long", f"the label has {len(words)} words, at most {options.max_label} may be"))
    elif not _names(said.caption, words[-1]):
        faults.append(Fault("label_not_in_caption", f"the caption does not say {words[-1]!r}"))
    if said.confidence < options.min_confidence:
        faults.append(Fault("low_confidence", f"confidence {said.confidence:.2f}"))
    faults += _length_faults(said.caption, options.min_caption, options.max_caption)
    faults += text_faults(f"{said.label}. {said.caption}", options)
    faults += [] if has_parts else _color_faults(said, words, looks)
    faults += _place_faults(said.caption, looks)
    return _applied(faults, options)


def text_faults(text: str, options: RuleOptions, with_tags: str = "") -> list[Fault]:
    """What no text may say, whatever it is about; `with_tags`: the same with tags, which tell sentences apart."""
    faults = []
    for rule, pattern in (
        (HOLDS_A_TAG, ANY_TAG),
        ("speaks_of_markup", _MARKUP),
        ("personal", _PERSONAL),
        ("unsafe", _unsafe(options.unsafe_words)),
    ):
        if found := pattern.search(text):
            faults.append(Fault(rule, f"says {found[0].strip()!r}"))
    sentences = [" ".join(_words(sentence)) for sentence in _SENTENCE.findall(with_tags or text)]
    twice = [s for s in sentences if len(s.split()) > 2 and sentences.count(s) > 1]
    if twice:
        faults.append(Fault("caption_repeats_itself", f"says {twice[0]!r} twice"))
    return _applied(faults, options)


def repeated(said: Sequence[Description], nodes: Mapping[int, Node], options: RuleOptions) -> dict[int, list[Fault]]:
    """Faults of captions that are those of another node, by node: of one with another label, or of its own whole.

    Two windows may read alike; a window and a door may not, and a car and its door may not.
    """
    faults: dict[int, list[Fault]] = {}
    by_text: dict[str, list[Description]] = {}
    for one in said:
        by_text.setdefault(" ".join(_words(one.caption)), []).append(one)
    for group in by_text.values():
        for one in group:
            for other in group:
                above = nodes[one.node].parent == other.node
                if one.node != other.node and (above or _words(one.label) != _words(other.label)):
                    faults[one.node] = [Fault("caption_of_another", f"the same caption as of mask {other.node}")]
    return {node: kept for node, found in faults.items() if (kept := _applied(found, options))}


def caption_faults(text: str, task: Task, options: RuleOptions) -> tuple[GroundedText, list[Fault]]:
    """The grounded text of a composed caption, and what is wrong with it."""
    answer, faults = parse(text, task.ids)
    labels = {part.id: part.label for part in (*([task.whole] if task.whole else []), *task.parts)}
    for span, phrase in zip(answer.spans, answer.phrases, strict=True):
        for node in span.segment_ids:
            words = _words(labels[node])
            if words and not any(_names(phrase, word) for word in words):
                faults.append(Fault("label_not_in_phrase", f"{phrase!r} stands for mask {node}, {labels[node]!r}"))
    faults += _length_faults(answer.text, options.min_caption, options.max_composed)
    faults += text_faults(answer.text, options, text)
    return answer, _applied(faults, options)


def _applied(faults: Sequence[Fault], options: RuleOptions) -> list[Fault]:
    return [fault for fault in faults if fault.rule not in options.off]


def _length_faults(text: str, least: int, most: int) -> list[Fault]:
    count = len(_words(text))
    if count < least:
        return [Fault("caption_too_short", f"the caption has {count} words, at least {least} are needed")]
    return [Fault("caption_too_long", f"the caption has {count} words, at most {most} may be")] if count > most else []


def _color_faults(said: Description, label: Sequence[str], looks: Looks) -> list[Fault]:
    """A color that the thing itself is said to have, though it is measured to have one that nobody mistakes for it."""
    if looks.color is None or not label:
        return []
    told = rf"\b({'|'.join(COLORS)})(?: (?!and\b)\w+){{0,2}} {re.escape(label[-1])}\b"
    for text in (said.label, said.caption):
        found = re.search(told, text, re.IGNORECASE)
        if found and found[1].lower() in UNLIKE[looks.color]:
            detail = f"the caption says {found[1].lower()}, the mask is {looks.color}"
            return [Fault("contradictory_color", detail)]
    return []


def _place_faults(caption: str, looks: Looks) -> list[Fault]:
    """The first sentence puts it on one side of the picture, and it lies in the third on the other side."""
    first = (_SENTENCE.findall(caption) or [""])[0]
    where = place(looks)
    for side, said in _SIDES.items():
        if said.search(first) and re.search(rf"\b{_OPPOSITE[side]}\b", where):
            return [Fault("contradictory_place", f"the caption says {side}, the mask is {where}")]
    return []


def _names(text: str, word: str) -> bool:
    """Whether a text has the word in singular or plural."""
    said = set(_words(text))
    forms = {word, noun(word).one.lower(), noun(word).many.lower(), word.removesuffix("s"), word.removesuffix("es")}
    return bool(said & forms)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


@lru_cache(maxsize=4)
def _unsafe(path: str) -> re.Pattern[str]:
    """The expressions of a file, one a line; UserError if it cannot be read."""
    try:
        source = Path(path) if path else files("mglmm") / "assets" / "annotate" / "unsafe.txt"
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"rules.unsafe_words: {path}: cannot be read ({error})") from error
    expressions = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, expressions))})\b" if expressions else r"(?!)", re.IGNORECASE)
