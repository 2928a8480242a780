"""Rows in memory with room for more, against the plain way: copied whenever they change."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from mglmm.model.keys_values import ROOM, Growing, RowCache

HEADS, WIDTH = 2, 3


def padded(states: torch.Tensor, length: int) -> torch.Tensor:
    return torch.nn.functional.pad(states, (0, 0, length - states.shape[2], 0))


@dataclass
class Plain:
    """Copies all of them whenever something comes or goes."""

    states: torch.Tensor

    def append(self, states: torch.Tensor) -> None:
        self.states = torch.cat([self.states, states], 2)

    def join(self, states: torch.Tensor) -> None:
        length = max(self.states.shape[2], states.shape[2])
        self.states = torch.cat([padded(self.states, length), padded(states, length)])

    def keep(self, rows: list[int], num_before: int) -> None:
        self.states = self.states[rows, :, num_before:]


def cache_of(states: torch.Tensor, copied: bool) -> RowCache:
    """With these as keys, and their negatives as values."""
    cache = RowCache(copied)
    cache.update(states, -states, 0)
    return cache


@pytest.mark.parametrize("copied", [False, True])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rows_that_come_and_go_are_what_copies_would_be(copied: bool, data: st.DataObject) -> None:
    numbers = torch.Generator().manual_seed(data.draw(st.integers(0, 1000), "seed"))

    def states(num_rows: int, length: int) -> torch.Tensor:
        return torch.rand(num_rows, HEADS, length, WIDTH, generator=numbers)

    first = states(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5)))
    cache, plain = cache_of(first, copied), Plain(first.clone())
    first.zero_()
    for what in data.draw(st.lists(st.sampled_from(["append", "join", "keep"]), max_size=25), "steps"):
        num_rows, _, length, _ = plain.states.shape
        if what == "append":
            new = states(num_rows, data.draw(st.sampled_from([1, 1, 1, 2, ROOM - 1, ROOM + 5]), "tokens"))
            cache.update(new, -new, 0)
            plain.append(new)
        elif what == "join":
            new = states(data.draw(st.integers(1, 3), "rows"), data.draw(st.integers(1, 2 * length), "tokens"))
            cache.join(cache_of(new, copied))
            plain.join(new)
        else:
            kept = data.draw(st.sets(st.integers(0, num_rows - 1), min_size=1), "kept")
            moved = iter(sorted(row for row in kept if row >= len(kept)))
            rows = [place if place in kept else next(moved) for place in range(len(kept))]
            num_before = data.draw(st.integers(0, length - 1), "before")
            cache.keep(rows, num_before)
            plain.keep(rows, num_before)
        assert torch.equal(cache.layers[0].keys, plain.states) and torch.equal(cache.layers[0].values, -plain.states)
        assert cache.get_seq_length() == plain.states.shape[2]


def test_a_token_copies_nothing_of_those_before_it() -> None:
    growing = Growing(torch.rand(2, HEADS, 3, WIDTH))
    before = growing.states
    for _ in range(ROOM):
        growing.append(torch.rand(2, HEADS, 1, WIDTH))
    assert growing.states.data_ptr() == before.data_ptr()
    growing.append(torch.rand(2, HEADS, 1, WIDTH))
    assert growing.states.data_ptr() != before.data_ptr()
    assert torch.equal(growing.states[:, :, :3], before)


@pytest.mark.parametrize("copied", [False, True])
def test_a_cache_gives_what_that_of_transformers_gives(copied: bool) -> None:
    ours, theirs = RowCache(copied), DynamicCache()
    for length in (4, 1, 2, ROOM, 1):
        for layer in range(2):
            keys, values = torch.rand(2, 3, HEADS, length, WIDTH)
            got, wanted = ours.update(keys, values, layer), theirs.update(keys, values, layer)
            assert all(torch.equal(one, other) for one, other in zip(got, wanted, strict=True))
        assert ours.get_seq_length() == theirs.get_seq_length()
    (keys, values), _ = ours.row(1, [0, 2])
    assert torch.equal(keys, theirs.layers[0].keys[1:2, :, [0, 2]])
    ours.layers[0].keys.zero_()
    assert keys.all() and values.all(), "a row that is kept is a copy"
