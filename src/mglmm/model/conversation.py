"""Between the turns of a conversation and token ids: prompts and labels in, a generated answer's text out."""

import re
from collections.abc import Sequence
from typing import Any

from mglmm import grounding

IGNORED = -100
"""Label of tokens that carry no loss (torch's cross_entropy default)."""

MARKUP = (grounding.PHRASE_START, grounding.PHRASE_END, grounding.SEG)

_ANYTHING = "\ue000"
"""Stands for an answer where its place is looked for: of Unicode's private characters, which no template writes."""
_BEFORE_STOP = re.compile(r"^ (?=[.,;:!?)])")
_SPELLED_MARKUP = re.compile("|".join(re.escape(token) for token in MARKUP))


class Conversation:
    """The tokens of one conversation about one image, turn by turn.

    Instruction and answer are tokenised apart, so that the label mask falls exactly between tokens. `labels` are
    `IGNORED` outside the answers (each with its end token).

    Args:
        tokenizer: with the image's token among its own.
        chat_template: the one of the processor.
        image: the image's token and the text that stands for it; None: nobody sees an image.
    """

    def __init__(self, tokenizer: Any, chat_template: Any, image: tuple[str, str] | None):
        self.ids: list[int] = []
        self.labels: list[int] = []
        self._tokenizer, self._template, self._image = tokenizer, chat_template, image
        self._messages: list[dict[str, Any]] = []
        self._text = ""
        """Of all turns so far."""
        self._prompt = ""
        """The same with the last instruction, where the model goes on."""

    def ask(self, instruction: str) -> None:
        """Take in the user's turn, up to where the model goes on."""
        content = [{"type": "text", "text": instruction}]
        if not self._messages and self._image:
            content.insert(0, {"type": "image"})
        self._messages.append({"role": "user", "content": content})
        self._prompt = self._said(add_generation_prompt=True)
        new = self._prompt[len(self._text) :]
        if self._image:
            new = new.replace(*self._image)
        self._add(self._tokens(new), trained=False)

    def answer(self, answer: str) -> None:
        """Take in the model's turn.

        An end token is put behind an answer where the template has none, in place of the space there: else the model
        would never learn to end.
        """
        said = self._answered(answer)
        # some templates begin an answer otherwise than they end a prompt; then the prompt counts, as in generation
        goes_on = said.startswith(self._prompt)
        start = len(self._prompt) if goes_on else self._answered(_ANYTHING).rindex(_ANYTHING)
        if not goes_on and not said.startswith(answer, start):
            raise ValueError("the chat template changes the answer that it is given")
        self._messages.append(_assistant(answer))
        self._text = said
        end = self._tokenizer.eos_token_id
        ids = self._tokens(said[start:])
        if end not in ids:
            ids = [*self._tokens(said[start:].rstrip()), end]
        length = ids.index(end) + 1
        self._add(ids[:length], trained=True)
        self._add(ids[length:], trained=False)

    def _answered(self, answer: str) -> str:
        """The text of all messages and this answer to the last."""
        return self._said(_assistant(answer), add_generation_prompt=False)

    def _said(self, *more: dict[str, Any], add_generation_prompt: bool) -> str:
        """The text of all messages and `more`; ValueError if the template writes earlier ones anew."""
        text: str = self._tokenizer.apply_chat_template(
            [*self._messages, *more],
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
        )
        if not text.startswith(self._text):
            raise ValueError("the chat template changes earlier turns when a new one is added")
        return text

    def _tokens(self, text: str) -> list[int]:
        """The ids of a text; the first of a conversation begins as the tokenizer begins every text."""
        bos = self._tokenizer.bos_token
        begins = not self.ids and not (bos and text.startswith(bos))
        ids: list[int] = self._tokenizer(text, add_special_tokens=begins)["input_ids"]
        return ids

    def _add(self, ids: Sequence[int], trained: bool) -> None:
        self.ids.extend(ids)
        self.labels.extend(ids if trained else [IGNORED] * len(ids))


def _assistant(answer: str) -> dict[str, Any]:
    """The model's turn, as chat templates take it."""
    return {"role": "assistant", "content": [{"type": "text", "text": answer}]}


class AnswerText:
    """The raw answer as its tokens come, spaced as `grounding.render` writes it.

    Markup comes from its own tokens alone: where the model merely spells a tag in letters, the letters are dropped, so
    every `[SEG]` in the text has its mask.
    """

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        added = tokenizer.get_added_vocab()
        self._markup = {added[token]: token for token in MARKUP if token in added}
        # a tag that takes the space behind it with it leaves none to be seen before a full stop either
        self._takes_space = any(tokenizer.added_tokens_decoder[i].rstrip for i in self._markup)
        self._special = {tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id}
        self._text = ""
        """Up to the last tag."""
        self._run: list[int] = []
        """The plain tokens behind it."""

    def add(self, token: int) -> None:
        """Take in the next token."""
        if token in self._special:
            return
        if token in self._markup:
            self._text = " ".join([self._whole().rstrip(), self._markup[token]])
            self._run = []
        else:
            self._run.append(token)

    @property
    def raw(self) -> str:
        """The text so far, with markup."""
        return self._whole().strip()

    def _whole(self) -> str:
        if not self._run:
            return self._text
        plain = _inside(self._tokenizer, self._run)
        if self._text and self._takes_space:
            plain = _BEFORE_STOP.sub("", plain)
        spelled = 1
        while spelled:  # what is left may spell another one
            plain, spelled = _SPELLED_MARKUP.subn("", plain)
        return self._text + plain


def decode_answer(tokenizer: Any, ids: Sequence[int]) -> str:
    """The raw answer of these tokens (see `AnswerText`)."""
    text = AnswerText(tokenizer)
    for token in ids:
        text.add(token)
    return text.raw


def _inside(tokenizer: Any, ids: list[int]) -> str:
    """The text of tokens that stand behind others: some tokenizers drop the space before a first token."""
    before = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole: str = tokenizer.decode([*before, *ids], clean_up_tokenization_spaces=False)
    return whole[len(tokenizer.decode(before, clean_up_tokenization_spaces=False)) :]
