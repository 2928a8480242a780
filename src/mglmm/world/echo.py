"""Requests that need no picture: the things asked for are of random description, and the answer repeats the words.

A language model that starts from nothing learns to copy what it was asked for from these far sooner than from answers
about pictures, where a likely thing is often right as well (docs/log.md).
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image

from mglmm.colors import COLORS
from mglmm.instructions import instruction, join_list
from mglmm.phrasing import Mention, grounded, listing, pick, write
from mglmm.schema import Rle, Sample, Segment, Turn
from mglmm.world.absent import none_of
from mglmm.world.drawing import Paint
from mglmm.world.entities import plural
from mglmm.world.graph import TRAIN_SEEDS_END
from mglmm.world.kinds import KINDS
from mglmm.world.referring import PLACES, SIDES, SUPERLATIVES, Description
from mglmm.world.scene import stream
from mglmm.world.targets import MANY, NONE, ONE, turn

NUM_TURNS = 16
MAX_SEVERAL = 3
MANY_SHARE, NONE_SHARE = 0.2, 0.15
"""Shares of the requests for several things, and of those for things that the answer says are not there."""
SIDE = 32
"""Of the blank picture, in pixels."""
PREDICATES = ("of", "with", "wearing", "holding", "riding", "on", "under", "inside", "behind", "in front of", *SIDES)
PATTERNS = ("striped", "dotted", "checked")
SIZES = ("small", "large")
DRAWN = 8
"""Drawings of each kind whose parts' names are taken; a person is not dressed alike in all of them."""


def echo_sample(seed: int, size: int = SIDE) -> tuple[Image.Image, Sample]:
    """A blank picture of `size` x `size` pixels and this seed's `NUM_TURNS` requests; every mask is all of it."""
    rng = stream(seed, 7)
    turns = [_request(rng) for _ in range(NUM_TURNS)]
    everywhere = Rle.from_mask(np.ones((size, size), bool))
    sample = Sample(
        id=f"echo-{seed}",
        image=f"images/echo-{seed}.png",
        size=(size, size),
        segments=tuple(Segment(id=i, rle=everywhere, label="thing") for i in range(1, MAX_SEVERAL + 1)),
        turns=tuple(turns),
        source="echo",
        split="train" if seed < TRAIN_SEEDS_END else "test",
    )
    return Image.new("RGB", (size, size)), sample


def _request(rng: np.random.Generator) -> Turn:
    """One thing, several things, or one that is said not to be there."""
    draw = rng.random()
    if draw < NONE_SHARE:
        missing = _description(rng)
        answer = write(pick(rng, NONE), rng, none=none_of(missing))
        asked = instruction("referring", rng, phrase=missing.words())
        return turn("generalized_referring", "object", "echo", asked, grounded(answer))
    if draw < NONE_SHARE + MANY_SHARE:
        phrases = [_description(rng).words() for _ in range(int(rng.integers(2, MAX_SEVERAL + 1)))]
        mentions = [Mention(phrase, (number,)) for number, phrase in enumerate(phrases, start=1)]
        answer = write(pick(rng, MANY), rng, targets=listing(mentions))
        asked = instruction("several", rng, phrases=join_list(phrases))
        return turn("generalized_referring", "object", "echo", asked, grounded(answer))
    target = _description(rng)
    words = {"this": "these", "is": "are"} if target.plural_name else {"this": "this", "is": "is"}
    answer = write(pick(rng, ONE), rng, target=Mention(target.words(), (1,)), **words)
    asked = instruction("referring", rng, phrase=target.words())
    return turn("referring", "object", "echo", asked, grounded(answer))


def _description(rng: np.random.Generator) -> Description:
    """Something with random attributes; half of the time in a relation to another, a quarter of the time at a place."""
    draw = rng.random()
    return replace(
        _thing(rng),
        relation=(pick(rng, PREDICATES), _thing(rng)) if draw < 0.5 else None,
        place=pick(rng, tuple(PLACES)) if 0.5 < draw < 0.75 else None,
        ordinal=(int(rng.integers(4)), pick(rng, ("left", "right"))) if 0.75 < draw < 0.85 else None,
        superlative=pick(rng, SUPERLATIVES) if 0.85 < draw < 0.9 else None,
    )


def _thing(rng: np.random.Generator) -> Description:
    """A name, sometimes with color, pattern, size or state."""
    names, states = _lexicon()
    name = pick(rng, names)
    return Description(
        name,
        color=pick(rng, tuple(COLORS)) if rng.random() < 0.6 else None,
        pattern=pick(rng, PATTERNS) if rng.random() < 0.15 else None,
        size=pick(rng, SIZES) if rng.random() < 0.1 else None,
        state=pick(rng, states) if rng.random() < 0.15 else None,
        plural=KINDS[name].plural if name in KINDS else plural(name),
    )


@lru_cache(maxsize=1)
def _lexicon() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of all kinds of things and of their parts, and the states that they can be in."""
    names, states = set(KINDS), set()
    for kind in KINDS.values():
        for number in range(DRAWN):
            pose = kind.poses[number % len(kind.poses)]
            nodes = kind.build(stream(number), Paint(kind.colors[0]), pose).nodes
            names |= {node.name for path, node in nodes.items() if path}
            states |= {node.state for node in nodes.values() if node.state}
    return tuple(sorted(names)), tuple(sorted(states))
