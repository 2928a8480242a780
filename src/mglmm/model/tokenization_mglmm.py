"""The tokenizer that the published checkpoints were trained with, on today's library.

Source of the rules: the behaviour of transformers 4.28's slow Llama tokenizer. Text is split at the added tokens, which
swallow the whitespace around them; each stretch in between is a sentencepiece call of its own, with its own "▁" first.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

from mglmm.model.configuration_mglmm import MGLMMConfig
from mglmm.schema import UserError

SPECIAL = ("<unk>", "<s>", "</s>")

_PROBES = (
    "Please segment the 2 red-and-white cars, if any.",
    " two  spaces ",
    "caf\u00e9 \u4f60\u597d \U0001f600\n\ttab",
)
"""Texts on which both tokenizers must agree before ours is trusted: words, spaces, bytes."""


class LegacyLlamaTokenizer(PreTrainedTokenizerFast):
    """A fast tokenizer that decodes as it was trained: stretches and added tokens are joined by one space, and a
    special token that stands behind text gets one before that text."""

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        special = {i for i in map(self.backend_tokenizer.token_to_id, SPECIAL) if i is not None}
        if skip_special_tokens:
            ids = [i for i in ids if i not in special]
        added = set(self.added_tokens_decoder) - special
        pieces: list[str] = []
        for is_added, run in groupby(ids, key=added.__contains__):
            if is_added:
                pieces += self.convert_ids_to_tokens(list(run))
            else:
                pieces.append(self._stretch(list(run), special))
        return " ".join(pieces)

    def _stretch(self, ids: list[int], special: set[int]) -> str:
        """The text of tokens between two added ones."""
        text = ""
        waiting: list[int] = []
        for place, token in enumerate(ids):
            if token not in special:
                waiting.append(token)
                continue
            if waiting or (place and ids[place - 1] not in special):
                text += " "
            text += self._words(waiting) + str(self.convert_ids_to_tokens(token))
            waiting = []
        return text + self._words(waiting)

    def _words(self, ids: list[int]) -> str:
        return self.backend_tokenizer.decode(ids, skip_special_tokens=False) if ids else ""


def load_llama_tokenizer(path: Path, added: Sequence[str], image_token: str = "<image>") -> LegacyLlamaTokenizer:
    """The tokenizer of a sentencepiece model with the added tokens of a checkpoint, and the image's placeholder last.

    Args:
        path: `tokenizer.model`.
        added: in order of their ids, which follow those of the model's pieces.
        image_token: stands where the image's features go.

    Raises:
        UserError: the file is no sentencepiece model of byte pairs, or sentencepiece is not installed.
    """
    try:
        from sentencepiece import SentencePieceProcessor
    except ModuleNotFoundError as error:
        raise UserError("reading tokenizer.model needs sentencepiece: pip install 'mglmm[convert]'") from error
    try:
        pieces = SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise UserError(f"{path}: no sentencepiece model") from error
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    if not set(SPECIAL) <= vocab.keys():
        raise UserError(f"{path}: not the byte-pair model of Llama; it lacks one of {', '.join(SPECIAL)}")
    backend = Tokenizer(
        models.BPE(vocab=vocab, merges=generate_merges(vocab), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", vocab["<s>"])])
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokens = [AddedToken(token, lstrip=True, rstrip=True, normalized=False, special=False) for token in added]
    backend.add_tokens([*tokens, AddedToken(image_token, normalized=False, special=False)])
    if any(backend.encode(text, add_special_tokens=False).ids != pieces.encode(text) for text in _PROBES):
        raise UserError(f"{path}: not the byte-pair model of Llama; its pieces come out otherwise here")
    return LegacyLlamaTokenizer(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


AutoTokenizer.register(MGLMMConfig, fast_tokenizer_class=LegacyLlamaTokenizer)
