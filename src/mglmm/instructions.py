"""The wording of instructions, and the small grammar that varies any text: choices, slots, articles, numbers, lists.

A template holds choices and slots: `"[show|find] [|me ]{phrase}"`. A choice is one of its `|` parts, each equally
likely (a part may be empty, and may hold choices again); a slot is filled by name. To teach a new way of asking, add a
template to `INSTRUCTIONS`; keep the words plain, because the default model's tokenizer is small.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

COMMON: dict[str, str] = {
    "please": "[||please ]",
    "picture": "[the|the|this] [picture|image|photo|scene]",
    "here": "[||| in [the|this] [picture|image|photo|scene]]",
    "all_things": "[everything|all objects|all things]",
    "give": "[show|give|draw] [|me ]",
    "with_masks": "[, with masks| with masks|, with segmentation masks|, and segment each one|, and mark each one][|.]",
    "answer_with_masks": "[please |][answer|reply|respond] with [|interleaved |segmentation ]masks"
    "[|| for the parts of the answer].",
}
"""Pieces that many templates share; each is a slot of the same name that fills itself."""

INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    "panoptic_segcap": (
        "{please}[describe|explain] {all_things} in {picture}[| in detail]{with_masks}",
        "{please}describe {all_things} in {picture} in [detail|full]. {answer_with_masks}",
        "{please}give [|me ]a [detailed|full|complete] description of {all_things} in {picture}{with_masks}",
        "{please}give [|me ]a [detailed|full|complete] description of {picture}. {answer_with_masks}",
        "{please}describe [the whole|this whole|the entire] [picture|image|photo|scene][| in detail]{with_masks}",
        "[what is|what can be seen|what do you see] in {picture}? [describe it in detail|answer in detail]{with_masks}",
    ),
    "fine_grained_segcap": (
        "{please}describe {object}[| in detail| and its parts| in detail with its parts]{with_masks}",
        "{please}describe {object} {here} in [detail|full]. {answer_with_masks}",
        "{please}give [|me ]a [detailed|full|complete] description of {object}{here}. {answer_with_masks}",
        "{please}give [|me ]a [detailed|full|complete] description of {object} and [|all ]its parts{with_masks}",
        "{please}describe [all|the] parts of {object}[| in detail]{with_masks}",
        "what does {object} look like? [describe it in detail|answer in detail]{with_masks}",
        "look at {object}{here} and describe it[| in detail]{with_masks}",
    ),
    "gcg": (
        "{please}[describe|caption] {picture} [briefly|shortly|in one sentence]{with_masks}",
        "{please}[write|give] [|me ]a [|short |brief ][caption|description] [of|for] {picture}. {answer_with_masks}",
        "[what is shown|what is going on] in {picture}? answer [briefly|in one sentence]{with_masks}",
    ),
    "referring": (
        "{please}[segment|segment|find|locate|mark|outline|show|show me|point out] {phrase}{here}[.|]",
        "[can|could] you [|please ][segment|find|mark|outline] {phrase}{here}?",
        "where is {phrase}{here}?[| please segment it.| segment it.| mark it.]",
        "{give}[the|a] mask [of|for] {phrase}{here}[.|]",
        "{please}give [|me ][a|the] segmentation mask [of|for] {phrase}{here}[.|]",
    ),
    "several": (
        "{please}[segment|segment|find|locate|mark|outline|show|show me|point out] {phrases}{here}[.|]",
        "[can|could] you [|please ][segment|find|mark|outline] {phrases}{here}?",
        "where are {phrases}{here}?[| please segment them.| segment them.| mark them.]",
        "{give}[the |]masks [of|for] {phrases}{here}[.|]",
    ),
    "numbered": (
        "{please}[segment|find|mark|outline|show] [each|every] {label}{here}[| one by one| separately][.|]",
        "{give}[one|a] mask for [each|every] {label}{here}[.|]",
        "where is [each|every] {label}{here}? segment [each of them|them one by one].",
    ),
    "semantic": (
        "{please}[segment|segment|find|mark|outline|show] all [||the |of the ]{label}{here}[.|]",
        "[can|could] you [|please ][segment|find|mark|outline] all [|the ]{label}{here}?",
        "{give}the mask of all [|the ]{label}{here}[.|]",
        "which pixels [are|belong to|show] {label}? segment them[| all].",
    ),
    "panoptic": (
        "{please}segment [{all_things}|every object]{here}[.|]",
        "{please}[list|name] and segment {all_things} in {picture}[.|]",
        "which [objects|things] are in {picture}? [segment|mark] [them|them all].",
    ),
    "parts": (
        "{please}[segment|mark|outline|show] [all|the] parts of {object}{here}[.|]",
        "{please}[list|name] and segment [all|the] parts of {object}[.|]",
        "which parts does {object} have? [segment|mark] [them|them all].",
    ),
    "caption_short": (
        "[what is|what is shown|what can be seen] in {picture}? [answer briefly|answer in one sentence].",
        "{please}describe {picture} [briefly|in one sentence|in a few words][.|]",
        "{please}[write|give] [|me ]a [short|brief] caption [of|for] {picture}[.|]",
    ),
    "caption_long": (
        "{please}describe {picture} in [detail|full][|, without masks|, in words only][.|]",
        "{please}[write|give] [|me ]a [long|detailed|full] [caption|description] [of|for] {picture}[.|]",
    ),
    "region_short": (
        "{please}describe [this|the marked] [region|part|area] [briefly|in a few words][.|]",
        "what is [shown in |in |]this [region|part|area][| of {picture}]? [answer briefly|answer in a few words].",
    ),
    "region_long": (
        "{please}describe [this|the marked] [region|part|area] in [detail|full][.|]",
        "{please}give [|me ]a [long|detailed|full] description of [this|the marked] [region|part|area][.|]",
    ),
    "count": (
        "how many {label} [are there|can you see|do you see]{here}?",
        "{please}count [|all ][|the ]{label}{here}[.|]",
        "what is the number of {label} in {picture}?",
    ),
    "yes_no": (
        "[is there|is there|do you see|can you see] {object} in {picture}?",
        "[is there|do you see|can you see] {object} here?",
        "does {picture} [show|have|contain] {object}?",
    ),
    "color": (
        "what [color|color|colour] is {object}{here}?",
        "what is the [color|colour] of {object}{here}?",
        "{please}[tell me|name] the [color|colour] of {object}[.|]",
    ),
    "color_plural": (
        "what [color|color|colour] are {object}{here}?",
        "what is the [color|colour] of {object}{here}?",
        "{please}[tell me|name] the [color|colour] of {object}[.|]",
    ),
    "reasoning": (
        "{question}",
        "{question} [please |]segment [it|the answer].",
        "{question} {give}the mask.",
        "{question} [please |]answer with [a mask|masks].",
    ),
}
"""Purpose -> templates, each equally likely. Slots besides those of `COMMON`: `{object}` a noun phrase with its
article ("the red car", "a cat"), `{phrase}` what is referred to, `{phrases}` a joined list of such, `{label}` a bare
noun ("numbered": singular, everywhere else plural or uncountable), `{question}` a whole question."""

_NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDINAL_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
_SILENT_H = ("hour", "honest", "honor")
_CONSONANT_SOUND = ("uni", "use", "one", "euro", "ufo")
_TOKEN = re.compile(r"[\[\]|]|[^\[\]|]+")
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class _Choice:
    """One of several sequences of texts and choices."""

    options: tuple[tuple["str | _Choice", ...], ...]


def instruction(purpose: str, rng: np.random.Generator, **slots: str) -> str:
    """An instruction of this purpose, worded by chance, each sentence with a capital letter.

    Raises:
        KeyError: unknown purpose, or a slot that the drawn template needs and that is not given.

    >>> instruction("color", np.random.default_rng(19), object="the car")
    'What is the color of the car?'
    """
    template = _pick(INSTRUCTIONS[purpose], rng)
    text = expand(template, rng, **slots)
    missing = _SLOT.search(text)
    if missing:
        raise KeyError(f"instruction {purpose!r} needs the slot {missing[1]!r}")
    return sentence_case(text)


def expand(template: str, rng: np.random.Generator, **slots: str) -> str:
    """The template with every choice drawn and every given slot filled; other slots stay as `{name}`.

    What fills a slot is taken as it stands, never read as a template. Space that an empty part leaves is tidied up.

    Raises:
        ValueError: brackets that do not match, or `|` outside of brackets.

    >>> expand("[a|a] {thing} [|] .", np.random.default_rng(0), thing="cat")
    'a cat.'
    """
    text = re.sub(r" +", " ", _draw(_parsed(template), rng)).strip()
    text = re.sub(r" ([.,?!])", r"\1", text)
    return _SLOT.sub(lambda slot: slots.get(slot[1], slot[0]), text)


def variants(template: str) -> int:
    """The number of ways in which `expand` can draw the template (equal texts counted apart).

    >>> variants("[a|b[c|d]] [|e]")
    6
    """
    return _count(_parsed(template))


def sentence_case(text: str) -> str:
    """The text with a capital letter at the start of each sentence; the rest is left alone.

    >>> sentence_case("where is it? show me.")
    'Where is it? Show me.'
    """
    return re.sub(r"(^|[.?!] )([a-z])", lambda start: start[1] + start[2].upper(), text)


def with_article(noun: str) -> str:
    """The noun phrase behind "a" or "an", by its first sound.

    >>> with_article("orange car"), with_article("uniform"), with_article("cat")
    ('an orange car', 'a uniform', 'a cat')
    """
    vowel = noun.startswith((*"aeiouAEIOU", *_SILENT_H)) and not noun.startswith(_CONSONANT_SOUND)
    return f"{'an' if vowel else 'a'} {noun}"


def plural(count: int, singular: str, plural: str) -> str:
    """The number as a word and the noun in the right form.

    >>> plural(2, "cat", "cats"), plural(1, "cat", "cats"), plural(0, "cat", "cats")
    ('two cats', 'one cat', 'no cats')
    """
    return f"{number_word(count)} {singular if count == 1 else plural}"


def number_word(count: int) -> str:
    """The number as a word up to ten ("no" for zero), as digits above.

    >>> number_word(3), number_word(40)
    ('three', '40')
    """
    return _NUMBER_WORDS[count] if count < len(_NUMBER_WORDS) else str(count)


def ordinal_word(index: int) -> str:
    """The ordinal of a position counted from 0: "first" for 0; in digits above "tenth".

    >>> ordinal_word(0), ordinal_word(12), ordinal_word(21)
    ('first', '13th', '22nd')
    """
    if index < len(_ORDINALS):
        return _ORDINALS[index]
    number = index + 1
    ending = "th" if number % 100 in (11, 12, 13) else _ORDINAL_ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"


def join_list(items: Sequence[str], word: str = "and") -> str:
    """The items as an English list.

    >>> join_list(["a cat", "a dog", "a car"]), join_list(["a", "b"], "or"), join_list(["a"])
    ('a cat, a dog and a car', 'a or b', 'a')
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


@cache
def _parsed(template: str) -> tuple[str | _Choice, ...]:
    """The template as texts and choices, the pieces of `COMMON` put in (they may hold one another)."""
    while any(slot in COMMON for slot in _SLOT.findall(template)):
        template = _SLOT.sub(lambda slot: COMMON.get(slot[1], slot[0]), template)
    options: list[list[list[str | _Choice]]] = [[[]]]
    for token in _TOKEN.findall(template):
        if token == "[":
            options.append([[]])
        elif token == "|" and len(options) > 1:
            options[-1].append([])
        elif token == "]" and len(options) > 1:
            choice = _Choice(tuple(tuple(option) for option in options.pop()))
            options[-1][-1].append(choice)
        elif token in "]|":
            raise ValueError(f"{token!r} outside of brackets in the template {template!r}")
        else:
            options[-1][-1].append(token)
    if len(options) > 1:
        raise ValueError(f"a bracket is never closed in the template {template!r}")
    return tuple(options[0][0])


def _draw(sequence: tuple[str | _Choice, ...], rng: np.random.Generator) -> str:
    return "".join(
        node if isinstance(node, str) else _draw(node.options[int(rng.integers(len(node.options)))], rng)
        for node in sequence
    )


def _count(sequence: tuple[str | _Choice, ...]) -> int:
    counts = [sum(_count(o) for o in node.options) for node in sequence if isinstance(node, _Choice)]
    return int(np.prod(counts, dtype=np.int64))
