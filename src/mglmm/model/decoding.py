"""Writing answers token by token, greedily: rows that are written together, and that come and go between two tokens.

The way of the data, with R rows: prompts (or what is new behind a `Prefix` that has been read before) -> keys and
values -> hidden states float[R, D] -> the best token that `Markup` allows -> back into the language model. Behind every
`[SEG]` the one hidden state that predicted it is kept, never all layers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from mglmm.model.keys_values import KeysValues, RowCache, left_pad

if TYPE_CHECKING:
    from mglmm.model.modeling_mglmm import MGLMMForConditionalGeneration


@dataclass(frozen=True)
class Prefix:
    """What the language model has read of one row: token ids, keys and values of one row without gaps, and `shift`, the
    position of a token behind the image less its index (0 unless an image takes fewer positions than tokens)."""

    ids: tuple[int, ...] = field(repr=False)
    keys_values: KeysValues = field(repr=False)
    shift: int

    def cut(self, length: int) -> "Prefix":
        """The first `length` tokens; shares their memory."""
        if length == len(self.ids):
            return self
        layers = [(keys[:, :, :length], values[:, :, :length]) for keys, values in self.keys_values]
        return Prefix(self.ids[:length], layers, self.shift)

    @property
    def num_bytes(self) -> int:
        """Memory of keys and values."""
        return sum(keys.nbytes + values.nbytes for keys, values in self.keys_values)


def num_shared(ids: Sequence[int], others: Sequence[int]) -> int:
    """How many of their first tokens two rows share."""
    for index, (one, other) in enumerate(zip(ids, others, strict=False)):
        if one != other:
            return index
    return min(len(ids), len(others))


@dataclass(eq=False)
class Row:
    """One answer on its way: `answer` are its token ids so far, with the one that ends it, `states` the hidden state
    float[D] behind each `[SEG]`."""

    prompt: list[int] = field(repr=False)
    limit: int
    answer: list[int] = field(default_factory=list, repr=False)
    states: list[torch.Tensor] = field(default_factory=list, repr=False)
    ended: bool = False
    stopped: bool = False
    """Whether it has ended by itself, not by its limit."""
    state: int = 0
    """Of `Markup`."""

    @property
    def ids(self) -> tuple[int, ...]:
        """What has been read of it: all but the last token."""
        return (*self.prompt, *self.answer[:-1])

    @property
    def met_limit(self) -> bool:
        """Whether it may have no more tokens, and has not ended by itself."""
        return len(self.answer) >= self.limit and not self.stopped


class Markup:
    """Which tokens keep the markup well formed: `<p> phrase </p> [SEG]...`, closed before the answer ends.

    A finite automaton; `scores` float[states, V] are added to the head's, -inf where a token may not come.

    Args:
        model: tells the token ids, and what its generation config suppresses or biases (`suppress_tokens`,
            `sequence_bias`).
        constrained: False allows every token that is not suppressed.
        never: tokens that no answer may hold, unless they end it.

    Raises:
        ValueError: the model has no tokens for phrases, so its markup cannot be constrained.
    """

    TEXT, TEXT_NEAR_END, MASKED, MASKED_NEAR_END, OPENED, PHRASE, PHRASE_NEAR_END, CLOSED = range(8)

    def __init__(self, model: "MGLMMForConditionalGeneration", constrained: bool, never: Sequence[int] = ()):
        config, generation = model.config, model.generation_config
        stops = generation.eos_token_id
        self.stops = tuple(stops) if isinstance(stops, list) else (stops,)
        self.seg, self.constrained = config.seg_token_id, constrained
        self._start, self._end = config.phrase_start_token_id, config.phrase_end_token_id
        self.scores = torch.zeros(8, config.get_text_config().vocab_size, device=model.device)
        if constrained:
            self._forbid()
        for token in (*({*never} - {*self.stops}), *(generation.suppress_tokens or ())):
            self.scores[:, token] = -torch.inf
        biases = generation.sequence_bias or {}
        for tokens, bias in biases.items() if isinstance(biases, dict) else biases:
            if len(tokens) != 1:
                raise ValueError(f"sequence_bias on {len(tokens)} tokens; only single tokens can be biased")
            self.scores[:, tokens[0]] += bias

    def _forbid(self) -> None:
        start, end = self._start, self._end
        if start is None or end is None:
            raise ValueError("this model has no tokens for phrases, so its markup cannot be constrained")
        never = {
            self.TEXT: [end, self.seg],
            self.TEXT_NEAR_END: [start, end, self.seg],
            self.MASKED: [end],
            self.MASKED_NEAR_END: [start, end],
            self.OPENED: [start, end, self.seg, *self.stops],
            self.PHRASE: [start, self.seg, *self.stops],
        }
        for state, tokens in never.items():
            self.scores[state, tokens] = -torch.inf
        for state, token in ((self.PHRASE_NEAR_END, end), (self.CLOSED, self.seg)):
            self.scores[state] = -torch.inf
            self.scores[state, token] = 0.0

    def follow(self, state: int, token: int, num_left: int) -> int:
        """The state after `token` in `state`, with room for `num_left` more tokens."""
        if not self.constrained:
            return self.TEXT
        if token == self._start:
            return self.OPENED
        if token == self._end:
            return self.CLOSED
        if state in (self.OPENED, self.PHRASE):
            return self.PHRASE_NEAR_END if num_left <= 2 else self.PHRASE
        return self.begin(num_left) + (self.MASKED if token == self.seg else self.TEXT)

    def begin(self, num_left: int) -> int:
        """The state of an empty answer: a phrase needs <p>, one token, </p>, [SEG]."""
        return self.TEXT if num_left >= 4 else self.TEXT_NEAR_END


class Decoding:
    """The rows that are being answered together.

    `start` and `resume` change nothing before the new rows are ready to join: if they fail earlier, the others can go
    on. Rows join and leave layer by layer; what fails meanwhile, or within `step`, leaves none usable (`is_whole`).

    Args:
        model: in evaluation mode.
        constrain_markup: forbid tokens that would break the markup; None: as the configuration says.
        never: tokens that no answer may hold, unless they end it.
    """

    def __init__(
        self,
        model: "MGLMMForConditionalGeneration",
        constrain_markup: bool | None = None,
        never: Sequence[int] = (),
    ):
        constrained = model.config.constrain_markup if constrain_markup is None else constrain_markup
        self.markup = Markup(model, constrained, never)
        self.rows: list[Row] = []
        """In the order of the batch; those that have ended leave with `drop_ended`, or when the next step begins."""
        self.is_whole = True
        """False once something has failed while rows joined, left or got a token: none of them can go on."""
        self._model = model
        self._cache = self._new_cache()
        self._mask = torch.zeros(0, 0, dtype=torch.long, device=model.device)
        """int[R, T]: 1 where keys and values are of a token."""
        self._positions = torch.zeros(0, dtype=torch.long, device=model.device)
        """int[R]: of each row's next token."""

    @torch.inference_mode()
    def start(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, limits: Sequence[int], **inputs: Any
    ) -> list[Row]:
        """New rows, their first token written.

        Args:
            input_ids: int[R', T], left-padded prompts.
            attention_mask: int[R', T].
            limits: how many tokens each answer may have.
            inputs: row_image_index and what the vision tower sees, as of `MGLMMProcessor.prompt`.
        """
        mask = attention_mask.to(self._mask)
        embeddings, decoder_inputs = self._model.embed_prompt(input_ids, attention_mask, **inputs)
        decoder_inputs.setdefault("position_ids", (mask.cumsum(1) - 1).clamp(min=0))
        positions = decoder_inputs["position_ids"][..., -1].reshape(-1, len(mask))[0] + 1
        prompts = [ids[kept.bool()].tolist() for ids, kept in zip(input_ids, mask, strict=True)]
        cache = self._new_cache()
        hidden = _read(self._model.lmm.get_decoder(), embeddings, mask, cache, decoder_inputs)
        return self._join(prompts, limits, hidden, cache, mask, positions)

    @torch.inference_mode()
    def resume(self, prefixes: Sequence[Prefix], prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> list[Row]:
        """New rows whose prompts begin with what has been read before, their first token written.

        Raises:
            ValueError: a prompt does not go on behind its prefix.
        """
        for prefix, prompt in zip(prefixes, prompts, strict=True):
            if tuple(prompt[: len(prefix.ids)]) != prefix.ids or len(prompt) == len(prefix.ids):
                raise ValueError(
                    f"a prompt of {len(prompt)} tokens does not go on behind a prefix of {len(prefix.ids)}"
                )
        device = self._mask.device
        past = _padded([[1] * len(prefix.ids) for prefix in prefixes], device)
        new = [list(prompt[len(prefix.ids) :]) for prefix, prompt in zip(prefixes, prompts, strict=True)]
        ids = _padded(new, device)
        added = _padded([[1] * len(tokens) for tokens in new], device)
        first = torch.tensor([len(prefix.ids) + prefix.shift for prefix in prefixes], device=device)
        positions = first[:, None] + (added.cumsum(1) - 1).clamp(min=0)
        cache = self._new_cache()
        for layer, states in enumerate(zip(*(prefix.keys_values for prefix in prefixes), strict=True)):
            keys = torch.cat([left_pad(keys, past.shape[1]) for keys, _ in states])
            values = torch.cat([left_pad(values, past.shape[1]) for _, values in states])
            cache.update(keys, values, layer)
        mask = torch.cat([past, added], 1)
        embeddings = self._model.get_input_embeddings()(ids)
        hidden = _read(self._model.lmm.get_decoder(), embeddings, mask, cache, {"position_ids": positions})
        return self._join([list(prompt) for prompt in prompts], limits, hidden, cache, mask, positions[:, -1] + 1)

    @torch.inference_mode()
    def step(self) -> None:
        """Every row that has not ended gets its next token."""
        self.drop_ended()
        if not self.rows:
            return
        with self._changing():
            last = torch.tensor([[row.answer[-1]] for row in self.rows], device=self._mask.device)
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(last), 1)], 1)
            embeddings = self._model.get_input_embeddings()(last)
            decoder, positions = self._model.decoder_of_one_token, self._positions[:, None]
            hidden = _read(decoder, embeddings, self._mask, self._cache, {"position_ids": positions})
            self._positions = self._positions + 1
            self._write(self.rows, hidden)

    def prefix(self, row: Row) -> Prefix:
        """What has been read of a row that is still in `rows`: its prompt and all of its answer but the last token."""
        index = self.rows.index(row)
        kept = self._mask[index].nonzero().flatten().tolist()
        return Prefix(row.ids, self._cache.row(index, kept), int(self._positions[index]) - len(row.ids))

    def _new_cache(self) -> RowCache:
        return RowCache(copied=self._model.is_decoder_compiled)

    def _join(
        self,
        prompts: Sequence[list[int]],
        limits: Sequence[int],
        hidden: torch.Tensor,
        cache: RowCache,
        mask: torch.Tensor,
        positions: torch.Tensor,
    ) -> list[Row]:
        """The new rows, each with its first token, now part of the batch."""
        asked = zip(prompts, limits, strict=True)
        new = [Row(prompt, limit, state=self.markup.begin(limit)) for prompt, limit in asked]
        self._write(new, hidden)
        self.drop_ended()
        if not self.rows:
            self._cache, self._mask, self._positions = cache, mask, positions
            self.rows = new
            return new
        with self._changing():
            length = max(mask.shape[1], self._mask.shape[1])
            self._cache.join(cache)
            self._mask = torch.cat([_left_pad_mask(self._mask, length), _left_pad_mask(mask, length)])
            self._positions = torch.cat([self._positions, positions])
            self.rows = [*self.rows, *new]
        return new

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """While it lasts the rows are not whole; if it fails they never are again."""
        was_whole, self.is_whole = self.is_whole, False
        yield
        self.is_whole = was_whole

    def _write(self, rows: Sequence[Row], hidden: torch.Tensor) -> None:
        """One more token for each of these rows, given the hidden states float[R, D] that predict it."""
        scores = self._model.get_output_embeddings()(hidden).float() + self.markup.scores[[row.state for row in rows]]
        for row, token, state in zip(rows, scores.argmax(-1).tolist(), hidden, strict=True):
            row.stopped = token in self.markup.stops
            row.answer.append(token)
            if token == self.markup.seg:
                row.states.append(state.clone())
            left = row.limit - len(row.answer)
            row.ended = row.stopped or left <= 0
            row.state = self.markup.follow(row.state, token, left)

    def drop_ended(self) -> None:
        """Rows that have ended leave, and with them the columns that no other row fills."""
        if not any(row.ended for row in self.rows):
            return
        going_on = [index for index, row in enumerate(self.rows) if not row.ended]
        last = iter([index for index in going_on if index >= len(going_on)])
        # the last rows take the places of those that leave, so that hardly any is moved
        kept = [next(last) if self.rows[place].ended else place for place in range(len(going_on))]
        with self._changing():
            self.rows = [self.rows[index] for index in kept]
            if not kept:
                self._cache, self._mask = self._new_cache(), self._mask[:0, :0]
                self._positions = self._positions[:0]
                return
            self._mask, self._positions = self._mask[kept], self._positions[kept]
            first = int(self._mask.any(0).int().argmax())
            self._mask = self._mask[:, first:]
            self._cache.keep(kept, first)


def _read(
    decoder: Callable[..., Any],
    embeddings: torch.Tensor,
    mask: torch.Tensor,
    cache: RowCache,
    inputs: dict[str, Any],
) -> torch.Tensor:
    """The hidden states float[R, D] behind the last token of each row; the cache grows."""
    output = decoder(inputs_embeds=embeddings, attention_mask=mask, past_key_values=cache, use_cache=True, **inputs)
    hidden: torch.Tensor = output.last_hidden_state[:, -1]
    return hidden


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> torch.Tensor:
    """int[R, T]: the rows, zeros on their left."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=device)


def _left_pad_mask(mask: torch.Tensor, length: int) -> torch.Tensor:
    return torch.nn.functional.pad(mask, (length - mask.shape[1], 0))
