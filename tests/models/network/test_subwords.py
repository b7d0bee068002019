"""Subword to word with several tokenizers: alignment, windows, and words without a subword."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from neuronprobe.activations.extraction import read_sentences
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from neuronprobe.models.network.subwords import most_central, overlapping_windows
from neuronprobe.types import Sentence
from tests.families import save_network, save_tokenizer, sentences
from tests.models.conftest import read_all


def test_every_word_has_its_own_last_subword(model: FrozenTransformer) -> None:
    for sentence, encoded in zip(sentences(), model.tokenise(sentences()), strict=True):
        assert len(encoded.spans) == len(sentence.words)
        assert all(one[1] == other[0] for one, other in pairwise(encoded.spans)), "a word begins where one ends"


def test_a_word_with_a_blank_inside_is_one_word_of_the_same_subwords(model: FrozenTransformer) -> None:
    words = [("Tom Hanks", "sleeps"), ("Tom", "Hanks", "sleeps")]
    joined, apart = model.tokenise([Sentence("x", some, {}) for some in words])
    assert joined.ids == apart.ids
    assert joined.spans == [(apart.spans[0][0], apart.spans[1][1]), apart.spans[2]] and joined.rows == [0, 1]


def test_byte_level_words_keep_their_leading_blank(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    size = save_tokenizer(tmp_path, "byte-level")
    BertModel(BertConfig(vocab_size=size, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(
        tmp_path
    )
    model = FrozenTransformer(str(tmp_path))
    ids = model.tokenise([Sentence("x", ("the", "the"), {})])[0].ids
    assert ids[1] == ids[2]
    assert model.tokenizer.convert_ids_to_tokens(ids[1]).startswith("Ġ")


def test_a_slow_tokenizer_is_aligned_word_by_word(tmp_path: Path) -> None:
    from transformers import ByT5Tokenizer, T5Config, T5Model

    tokenizer = ByT5Tokenizer()
    tokenizer.save_pretrained(tmp_path)
    config = T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
                      decoder_start_token_id=0)  # fmt: skip
    T5Model(config).save_pretrained(tmp_path)
    model = FrozenTransformer(str(tmp_path))
    assert not model.tokenizer.is_fast
    for sentence, piece in zip(sentences(5), model.tokenise(sentences(5)), strict=True):
        assert piece.ids == tokenizer(" " + " ".join(sentence.words))["input_ids"], "as in running text"
        words = [tokenizer.decode(piece.ids[start:end]).strip() for start, end in piece.spans]
        assert words == list(sentence.words)
    assert [layer.shape[1] for layer in read_all(model)] == [16, 16, 16]


def test_subwords_are_those_of_running_text(tmp_path: Path) -> None:
    """Also where digits are split before bytes are, as in SmolLM2: a blank before each piece would be wrong."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([" ".join(sentence.words) for sentence in sentences()], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128).save_pretrained(tmp_path)

    save_network(tmp_path, "llama", tokenizer.get_vocab_size())
    model = FrozenTransformer(str(tmp_path))
    words = ("He", "paid", "12,500", "dollars", "in", "A1b")
    (piece,) = model.tokenise([Sentence("x", words, {})])
    assert piece.ids == tokenizer.encode(" " + " ".join(words)).ids
    assert len(read_all(model)) == 4, "a tokenizer without pad token"


def test_a_word_without_subword_is_named(tiny_bert: Path) -> None:
    with pytest.raises(
        InputError, match=r"word 2 of sentence s7 must give at least one subword, got none for '\\u200d'"
    ):
        FrozenTransformer(str(tiny_bert)).tokenise([Sentence("s7", ("a", "\u200d", "b"), {})])


def test_words_without_subword_are_dropped_when_asked(tiny_bert: Path) -> None:
    model = FrozenTransformer(str(tiny_bert), no_subword="drop")
    chosen = [Sentence("a", ("x", "\u200d", "y"), {}), Sentence("b", ("\u200d",), {}), Sentence("c", ("z",), {})]
    layers, dropped, _ = read_sentences(model, chosen, budget=64)
    assert dropped == [1, 3]
    alone, *_ = read_sentences(model, [Sentence("d", ("x", "y"), {}), Sentence("c", ("z",), {})], budget=64)
    torch.testing.assert_close(layers[2][[0, 2, 4]], alone[2])
    assert not layers[2][[1, 3]].any()


def test_a_sentence_beyond_the_model_is_named(tiny_bert: Path) -> None:
    with pytest.raises(InputError, match=r"sentence long must have at most 128 subwords, .* got 202"):
        FrozenTransformer(str(tiny_bert)).tokenise([Sentence("long", ("a",) * 200, {})])


def test_a_sentence_needs_a_cls_and_a_length_that_the_model_takes(gpt2: str, tiny_bert: Path) -> None:
    with pytest.raises(InputError, match=r"puts no \[CLS\] into sentences"):
        FrozenTransformer(gpt2, aggregation="sentence_cls").tokenise(sentences(1))
    model = FrozenTransformer(str(tiny_bert), aggregation="sentence_mean", too_long="windows")
    with pytest.raises(InputError, match="sentence long must have at most 128 subwords"):
        model.tokenise([Sentence("long", ("a",) * 200, {})])
    with pytest.raises(InputError, match="sentence empty must give at least one subword"):
        model.tokenise([Sentence("empty", ("\u200d",), {})])


def test_a_long_sentence_is_read_in_windows_that_cut_no_word(tiny_bert: Path) -> None:
    words = tuple(f"{'ab' * (i % 4 + 1)}" for i in range(90))
    model = FrozenTransformer(str(tiny_bert), too_long="windows")
    pieces = model.tokenise([Sentence("short", ("a", "b"), {}), Sentence("long", words, {})])
    assert len(pieces) > 3 and max(map(len, pieces)) <= 128
    assert sorted(row for piece in pieces for row in piece.rows) == list(range(92))
    for piece in pieces[1:]:
        for row, (start, end) in zip(piece.rows, piece.spans, strict=True):
            pieces_of_word = model.tokenizer(words[row - 2], add_special_tokens=False)["input_ids"]
            assert piece.ids[start:end] == pieces_of_word


def test_windows_overlap_and_each_word_is_taken_where_it_is_most_central() -> None:
    windows = overlapping_windows([2, 1, 1, 2, 1, 1, 3, 1], 5, "s")
    assert windows == [(0, 3), (1, 5), (3, 6), (4, 7), (5, 8)]
    owners = [most_central(word, windows) for word in range(8)]
    assert owners == [0, 0, 1, 1, 2, 3, 4, 4]
    with pytest.raises(InputError, match="word 2 of sentence s must have at most 5 subwords, got 6"):
        overlapping_windows([1, 6], 5, "s")


def test_windows_that_own_no_word_are_left_out(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, too_long="windows")
    words = ("q" * 10,) * 4 + ("q" * 100,) * 2
    pieces = model.tokenise([Sentence("s", words, {})])
    assert sorted(row for piece in pieces for row in piece.rows) == list(range(6)) and all(p.rows for p in pieces)
    assert len(model.chunk([Sentence("s", words, {})], pieces, budget=64).layers[0]) == 6
