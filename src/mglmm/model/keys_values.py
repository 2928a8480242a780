"""Keys and values of rows that are written together and that come and go, in memory with room for what comes.

The cache of transformers copies all that it holds for every token, which with sixteen rows of a small model takes as
long as the model itself.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

KeysValues = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values float[R, heads, T, d] of each layer."""

ROOM = 64
"""Tokens that there is room for when memory is taken; ours: what is there is copied once in so many tokens."""


class Growing:
    """States float[R, heads, T, d] of R rows that grow at their end.

    Args:
        states: what is there at first; it is copied.
    """

    def __init__(self, states: torch.Tensor):
        self._num_rows, heads, self._end, width = states.shape
        self._first = 0
        self._memory = states.new_zeros(self._num_rows, heads, self._end + ROOM, width)
        self.states.copy_(states)

    @property
    def states(self) -> torch.Tensor:
        """What is there: a part of the memory, which the next change may write into."""
        return self._memory[: self._num_rows, :, self._first : self._end]

    def append(self, states: torch.Tensor) -> None:
        """Every row goes on with float[R, heads, T', d]."""
        end = self._end + states.shape[2]
        if end > self._memory.shape[2]:
            self._move(self._num_rows, self._end - self._first, max(ROOM, states.shape[2]))
            end = self._end + states.shape[2]
        self._memory[: self._num_rows, :, self._end : end] = states
        self._end = end

    def join(self, states: torch.Tensor) -> None:
        """Rows float[R', heads, T', d] join, so that all end together; the shorter begin with zeros."""
        num_rows, length = self._num_rows + len(states), max(self._end - self._first, states.shape[2])
        if num_rows > len(self._memory) or length > self._end:
            self._move(num_rows, length, ROOM)
        first = self._end - length
        self._memory[: self._num_rows, :, first : self._first] = 0
        self._memory[self._num_rows : num_rows, :, first : self._end - states.shape[2]] = 0
        self._memory[self._num_rows : num_rows, :, self._end - states.shape[2] : self._end] = states
        self._num_rows, self._first = num_rows, first

    def keep(self, rows: Sequence[int], num_before: int) -> None:
        """Only these rows are left, in this order, without the first tokens.

        Args:
            rows: no row stands behind the place where it was, unless that is none of the first `len(rows)`.
        """
        for place, row in enumerate(rows):
            if place != row:
                self._memory[place, :, self._first : self._end] = self._memory[row, :, self._first : self._end]
        self._num_rows, self._first = len(rows), self._first + num_before

    def _move(self, num_rows: int, length: int, room: int) -> None:
        """Into new memory for rows of `length` tokens, and for `room` more."""
        states = self.states
        self._memory = states.new_zeros(num_rows, states.shape[1], length + room, states.shape[3])
        self._first, self._end = length - states.shape[2], length
        self.states.copy_(states)


class GrowingLayer(DynamicLayer):
    """One layer of `RowCache`."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values, these at their end."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._keys, self._values = Growing(key_states), Growing(value_states)
        else:
            self._keys.append(key_states)
            self._values.append(value_states)
        self._show()
        return self._keys.states, self._values.states

    def join(self, other: "GrowingLayer") -> None:
        """See `Growing.join`."""
        self._keys.join(other._keys.states)
        self._values.join(other._values.states)
        self._show()

    def keep(self, rows: Sequence[int], num_before: int) -> None:
        """See `Growing.keep`."""
        self._keys.keep(rows, num_before)
        self._values.keep(rows, num_before)
        self._show()

    def row(self, index: int, tokens: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """A copy of some tokens of one row: keys and values float[1, heads, T, d]."""
        return self._keys.states[index : index + 1, :, tokens], self._values.states[index : index + 1, :, tokens]

    def _show(self) -> None:
        """Where transformers looks for them."""
        self.keys, self.values = self._keys.states, self._values.states


class RowCache(Cache):
    """What the language model has read of rows that are written together."""

    layers: list[Any]
    """A `GrowingLayer` each."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=GrowingLayer)

    def join(self, other: "RowCache") -> None:
        """The rows of another cache come behind these; all end together."""
        for layer, joining in zip(self.layers, other.layers, strict=True):
            layer.join(joining)

    def keep(self, rows: Sequence[int], num_before: int) -> None:
        """Only these rows are left, in this order, without their first tokens; see `Growing.keep`."""
        for layer in self.layers:
            layer.keep(rows, num_before)

    def row(self, index: int, tokens: list[int]) -> KeysValues:
        """A copy of what has been read of some tokens of one row, on each layer's own device."""
        return [layer.row(index, tokens) for layer in self.layers]
