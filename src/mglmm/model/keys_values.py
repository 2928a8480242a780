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
        """Rows float[R', heads, T', d] come behind these; see `RowCache.join`."""
        num_rows, length = self._num_rows + len(states), max(self._end - self._first, states.shape[2])
        if num_rows > len(self._memory) or length > self._end:
            self._move(num_rows, length, ROOM)
        first = self._end - length
        self._memory[: self._num_rows, :, first : self._first] = 0
        self._memory[self._num_rows : num_rows, :, first : self._end - states.shape[2]] = 0
        self._memory[self._num_rows : num_rows, :, self._end - states.shape[2] : self._end] = states
        self._num_rows, self._first = num_rows, first

    def keep(self, rows: Sequence[int], num_before: int) -> None:
        """Only these rows are left, without their first tokens; see `RowCache.keep`."""
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


class CopiedLayer(DynamicLayer):
    """One layer of `RowCache`, copied whenever something comes or goes: that torch can compile."""

    keys: Any
    values: Any

    def join(self, other: "CopiedLayer") -> None:
        """See `RowCache.join`."""
        length = max(self.keys.shape[2], other.keys.shape[2])
        self.keys = torch.cat([left_pad(self.keys, length), left_pad(other.keys, length)])
        self.values = torch.cat([left_pad(self.values, length), left_pad(other.values, length)])

    def keep(self, rows: Sequence[int], num_before: int) -> None:
        """See `RowCache.keep`."""
        self.keys, self.values = self.keys[rows, :, num_before:], self.values[rows, :, num_before:]

    def row(self, index: int, tokens: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """A copy of some tokens of one row: keys and values float[1, heads, T, d]."""
        return self.keys[index : index + 1, :, tokens], self.values[index : index + 1, :, tokens]


class GrowingLayer(CopiedLayer):
    """One layer of `RowCache` in memory with room."""

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
        return self.keys, self.values

    def join(self, other: CopiedLayer) -> None:
        """See `RowCache.join`."""
        self._keys.join(other.keys)
        self._values.join(other.values)
        self._show()

    def keep(self, rows: Sequence[int], num_before: int) -> None:
        """See `RowCache.keep`."""
        self._keys.keep(rows, num_before)
        self._values.keep(rows, num_before)
        self._show()

    def _show(self) -> None:
        """Where transformers looks for them."""
        self.keys, self.values = self._keys.states, self._values.states


class RowCache(Cache):
    """What the language model has read of rows that are written together.

    Args:
        copied: without room, as a compiled model needs it.
    """

    layers: list[Any]

    def __init__(self, copied: bool):
        super().__init__(layer_class_to_replicate=CopiedLayer if copied else GrowingLayer)

    def join(self, other: "RowCache") -> None:
        """The rows of another cache come behind these, so that all end together; the shorter begin with zeros."""
        for layer, joining in zip(self.layers, other.layers, strict=True):
            layer.join(joining)

    def keep(self, rows: Sequence[int], num_before: int) -> None:
        """Only these rows are left, in this order, without their first tokens.

        Args:
            rows: each at the place where it was, or one that was none of the first `len(rows)`.
        """
        for layer in self.layers:
            layer.keep(rows, num_before)

    def row(self, index: int, tokens: list[int]) -> KeysValues:
        """A copy of what has been read of some tokens of one row, on each layer's own device."""
        return [layer.row(index, tokens) for layer in self.layers]


def left_pad(states: torch.Tensor, length: int) -> torch.Tensor:
    """float[R, heads, length, d]: zeros before the states."""
    return torch.nn.functional.pad(states, (0, 0, length - states.shape[2], 0))
