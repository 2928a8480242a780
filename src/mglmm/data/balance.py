"""The items of an optimizer step dealt out to micro-batches and processes, so that none waits long for another.

Which items a step has is not touched: its loss is the mean over all of them, however they are dealt out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mglmm.schema import Turn

CHARACTERS_OF_A_TOKEN = 4
"""Ours: what English text has on the average in vocabularies of 32,000 and more."""

TOKENS_OF_A_MASK = 1
"""A decoded mask costs as much as so many tokens of the language model. Ours: SAM's decoder does 3.6 GFLOPs for a mask
at 1024 pixels, and its large maps are slow; a language model of 7B does 14 GFLOPs for a token."""


@dataclass(frozen=True)
class Step:
    """How many items a step has: `accumulated` micro-batches of `batch_size` items for each of `num_processes`."""

    batch_size: int
    accumulated: int = 1
    num_processes: int = 1

    @property
    def items(self) -> int:
        """Of all processes together."""
        return self.batch_size * self.accumulated * self.num_processes


@dataclass(frozen=True)
class Size:
    """What decides how long an item takes: its tokens of text (estimated) and its masks."""

    tokens: int
    masks: int

    @property
    def cost(self) -> int:
        """In tokens."""
        return self.tokens + TOKENS_OF_A_MASK * self.masks


def size_of(conversations: Sequence[Sequence[Turn]]) -> Size:
    """The size of an item with these conversations."""
    turns = [turn for turns in conversations for turn in turns]
    characters = sum(len(turn.instruction) + len(turn.answer.text) for turn in turns)
    return Size(characters // CHARACTERS_OF_A_TOKEN, sum(len(turn.answer.segment_ids) for turn in turns))


def deal(sizes: Sequence[Size], step: Step) -> list[int]:
    """The items of a step in a new order: the k-th micro-batch of it goes to process `k % num_processes`.

    Micro-batches are made of items equally long, so that little is padded; then the costliest that is left always goes
    to the process with the least so far (longest processing time first).

    >>> deal([Size(1, 0), Size(9, 0), Size(2, 0), Size(8, 0)], Step(batch_size=1, accumulated=2, num_processes=2))
    [1, 3, 0, 2]

    Args:
        sizes: one per item.
        step: `step.items` of them.
    """
    by_length = sorted(range(len(sizes)), key=lambda item: (-sizes[item].tokens, item))
    batches = [sorted(by_length[i : i + step.batch_size]) for i in range(0, len(by_length), step.batch_size)]
    costs = [sum(sizes[item].cost for item in batch) for batch in batches]
    hands: list[list[int]] = [[] for _ in range(step.num_processes)]
    for number in sorted(range(len(batches)), key=lambda k: (-costs[k], k)):
        open_hands = [hand for hand in hands if len(hand) < step.accumulated]
        min(open_hands, key=lambda hand: sum(costs[k] for k in hand)).append(number)
    return [item for slot in range(step.accumulated) for hand in hands for item in batches[hand[slot]]]
