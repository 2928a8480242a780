"""What happens at each step of generation: keep the vector behind each `[SEG]`, keep the markup well formed."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import torch
from torch import nn
from transformers import LogitsProcessor, StoppingCriteria


class SegRecorder(StoppingCriteria):
    """Keeps, for every emitted `[SEG]`, the hidden state that predicted it: one vector each, never all layers.

    A context manager: inside it, the input of `output_embeddings` (float[B, 1, D] at each step) is at hand when the
    step's token is known. After generation `rows[b]` lists the vectors float[D] of row b in order.
    """

    def __init__(self, output_embeddings: nn.Module, seg_token_id: int, num_rows: int):
        self.rows: list[list[torch.Tensor]] = [[] for _ in range(num_rows)]
        self._output_embeddings = output_embeddings
        self._seg_token_id = seg_token_id
        self._last: torch.Tensor | None = None

    def __enter__(self) -> Self:
        self._hook = self._output_embeddings.register_forward_pre_hook(self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hook.remove()

    def _remember(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._last = inputs[0][:, -1]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Called by `generate` once the new token stands in `input_ids`; never asks to stop."""
        if self._last is None:
            raise RuntimeError("SegRecorder must be entered before generation starts")
        for row in (input_ids[:, -1] == self._seg_token_id).nonzero().flatten().tolist():
            self.rows[row].append(self._last[row].clone())
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


class MarkupConstraint(LogitsProcessor):
    """Forbids every token that would break the markup: `<p> phrase </p> [SEG]...`, closed before the answer ends.

    Args:
        phrase_start, phrase_end, seg: token ids.
        eos: the ids that end an answer.
        prompt_length: number of prompt tokens (left-padded, so the same for all rows).
        max_new_tokens: the limit of `generate`; the last two steps close an open phrase.
    """

    def __init__(
        self,
        phrase_start: int,
        phrase_end: int,
        seg: int,
        eos: Sequence[int],
        prompt_length: int,
        max_new_tokens: int,
    ):
        self.phrase_start, self.phrase_end, self.seg, self.eos = phrase_start, phrase_end, seg, eos
        self.prompt_length = prompt_length
        self.max_new_tokens = max_new_tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores float[B, V] with -inf for what may not come next."""
        answer = input_ids[:, self.prompt_length :]
        left = self.max_new_tokens - answer.shape[1]
        scores = scores.clone()
        if answer.shape[1] == 0:
            self._forbid(
                scores, torch.ones(len(scores), dtype=torch.bool, device=scores.device), self.phrase_end, self.seg
            )
            if left < 4:
                self._forbid(scores, torch.ones(len(scores), dtype=torch.bool, device=scores.device), self.phrase_start)
            return scores
        last = answer[:, -1]
        in_phrase = (answer == self.phrase_start).sum(1) > (answer == self.phrase_end).sum(1)
        closed = last == self.phrase_end
        self._forbid(scores, in_phrase, self.phrase_start, self.seg, *self.eos)
        self._forbid(scores, last == self.phrase_start, self.phrase_end)
        self._forbid(scores, ~in_phrase, self.phrase_end)
        self._forbid(scores, ~in_phrase & ~closed & (last != self.seg), self.seg)
        self._force(scores, closed, self.seg)
        if left < 4:  # a phrase needs <p>, one token, </p>, [SEG]
            self._forbid(scores, ~in_phrase & ~closed, self.phrase_start)
        if left <= 2:
            self._force(scores, in_phrase, self.phrase_end)
        return scores

    @staticmethod
    def _forbid(scores: torch.Tensor, rows: torch.Tensor, *tokens: int) -> None:
        for token in tokens:
            scores[rows, token] = -torch.inf

    @staticmethod
    def _force(scores: torch.Tensor, rows: torch.Tensor, token: int) -> None:
        scores[rows] = -torch.inf
        scores[rows, token] = 0.0
