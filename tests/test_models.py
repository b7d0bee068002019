"""The frozen transformer hook: words against sentences run alone, alignment with several tokenizers, bad folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from neuronprobe.activations.extraction import read_sentences
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, from_package
from neuronprobe.models.network.batches import length_buckets
from neuronprobe.models.network.subwords import SubwordSentence, most_central, overlapping_windows
from neuronprobe.types import Sentence
from tests.families import save_family, save_tokenizer, sentences


@pytest.fixture(params=["wordpiece", "byte-level", "unigram", "minilm"])
def model(request: pytest.FixtureRequest, tiny_bert: Path, tmp_path: Path) -> Iterator[FrozenTransformer]:
    """Models with four tokenizers."""
    if request.param == "minilm":
        yield request.getfixturevalue("minilm")
    elif request.param == "wordpiece":
        yield FrozenTransformer(str(tiny_bert))
    else:
        from transformers import BertConfig, BertModel

        size = save_tokenizer(tmp_path, request.param)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=128,
        )  # fmt: skip
        BertModel(config).save_pretrained(tmp_path)
        yield FrozenTransformer(str(tmp_path))


def alone(model: FrozenTransformer, sentence: Sentence) -> list[torch.Tensor]:
    """Hugging Face on one sentence without padding; last subwords from the words tokenised one by one."""
    lead = " " if "ByteLevel" in str(model.tokenizer.backend_tokenizer.pre_tokenizer) else ""  # words of running text
    words = [f"{lead}{word}" for word in sentence.words]
    encoding = model.tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        states = model.network(**encoding, output_hidden_states=True).hidden_states
    start = encoding.word_ids().index(0)
    lengths = [len(model.tokenizer([word], is_split_into_words=True, add_special_tokens=False)["input_ids"])
               for word in words]  # fmt: skip
    last = start + torch.tensor(lengths).cumsum(0) - 1
    return [state[0, last] for state in states]


def test_words_equal_those_of_each_sentence_run_alone(model: FrozenTransformer) -> None:
    chosen = sentences()
    layers, dropped, windows = read_sentences(model, chosen, budget=256)
    witness = [torch.cat(words) for words in zip(*(alone(model, sentence) for sentence in chosen), strict=True)]
    assert dropped == [] and windows == 0
    assert len(layers) == len(witness) == len(model.neurons.segments)
    for layer, expected in zip(layers, witness, strict=True):
        relative = (layer - expected).norm(dim=1) / expected.norm(dim=1)
        assert relative.max() < 1e-5


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


def test_an_encoder_of_an_encoder_decoder_is_read(tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    size = save_tokenizer(tmp_path, "unigram")
    config = T5Config(vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0)
    T5Model(config).save_pretrained(tmp_path)
    layers, *_ = read_sentences(FrozenTransformer(str(tmp_path)), sentences(3), budget=64)
    assert [layer.shape[1] for layer in layers] == [16, 16, 16]


def test_roberta_begins_to_count_positions_behind_its_padding(tmp_path: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    size = save_tokenizer(tmp_path, "byte-level")
    config = RobertaConfig(
        vocab_size=size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=34, pad_token_id=1,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(tmp_path)
    model = FrozenTransformer(str(tmp_path), too_long="windows")
    assert model.limit == 32
    layers, _, windows = read_sentences(model, [Sentence("long", ("house",) * 60, {})], budget=256)
    assert windows > 1 and layers[1].isfinite().all()


def test_type_ids_go_only_to_networks_that_take_them(tiny_bert: Path, tmp_path: Path) -> None:
    piece = SubwordSentence([3, 4, 5], [0, 0, 1], [], [])
    assert FrozenTransformer(str(tiny_bert)).forward.inputs([piece])["token_type_ids"].tolist() == [[0, 0, 1]]
    assert "token_type_ids" not in FrozenTransformer(str(save_family(tmp_path, "llama"))).forward.inputs([piece])


def test_nothing_of_the_network_can_be_trained(tiny_bert: Path) -> None:
    network = FrozenTransformer(str(tiny_bert)).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_length_buckets_hold_every_sentence_once_within_the_budget(tiny_bert: Path) -> None:
    encoded = FrozenTransformer(str(tiny_bert)).tokenise(sentences())
    batches = list(length_buckets(encoded, budget=200))
    assert sorted(i for batch in batches for i in batch) == list(range(len(encoded)))
    for batch in batches:
        longest = max(len(encoded[i]) for i in batch)
        assert len(batch) == 1 or longest * len(batch) <= 200


def test_long_and_short_sentences_share_only_small_batches() -> None:
    encoded = [SubwordSentence(ids=[0] * n, type_ids=None, spans=[(0, 1)], rows=[0]) for n in (40, 40, 10, 10, 38)]
    assert list(length_buckets(encoded, budget=400)) == [[0, 1, 4], [2, 3]], "padding 10 to 40 costs more than a batch"
    assert list(length_buckets(encoded, budget=1000)) == [[0, 1, 4, 2, 3]], "a small batch is filled up"


def test_a_word_without_subword_is_named(tiny_bert: Path) -> None:
    with pytest.raises(
        InputError, match=r"word 2 of sentence s7 must give at least one subword, got none for '\\u200d'"
    ):
        FrozenTransformer(str(tiny_bert)).tokenise([Sentence("s7", ("a", "\u200d", "b"), {})])


def test_a_sentence_beyond_the_model_is_named(tiny_bert: Path) -> None:
    with pytest.raises(InputError, match=r"sentence long must have at most 128 subwords, .* got 202"):
        FrozenTransformer(str(tiny_bert)).tokenise([Sentence("long", ("a",) * 200, {})])


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


def test_words_without_subword_are_dropped_when_asked(tiny_bert: Path) -> None:
    model = FrozenTransformer(str(tiny_bert), no_subword="drop")
    chosen = [Sentence("a", ("x", "\u200d", "y"), {}), Sentence("b", ("\u200d",), {}), Sentence("c", ("z",), {})]
    layers, dropped, _ = read_sentences(model, chosen, budget=64)
    assert dropped == [1, 3]
    alone, *_ = read_sentences(model, [Sentence("d", ("x", "y"), {}), Sentence("c", ("z",), {})], budget=64)
    torch.testing.assert_close(layers[2][[0, 2, 4]], alone[2])
    assert not layers[2][[1, 3]].any()


def without(*patterns: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for pattern in patterns:
            for path in folder.glob(pattern):
                path.unlink()

    return remove


def break_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"broken")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("config.json"), "with config.json"),
        (without("*.safetensors"), r"with weights \(model\*.safetensors\)"),
        (without("tokenizer*", "vocab*"), "with a tokenizer"),
    ],
)
def test_a_folder_that_lacks_something_is_named(
    change: Callable[[Path], None], message: str, tiny_bert: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    change(tmp_path / "model")
    with pytest.raises(InputError, match=f"model.name must be a model folder {message}"):
        FrozenTransformer(str(tmp_path / "model"))


def test_broken_weights_are_one_line(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    break_weights(tmp_path / "model")
    with pytest.raises(InputError, match="must be a model that transformers can load") as caught:
        _ = FrozenTransformer(str(tmp_path / "model")).network
    assert "\n" not in str(caught.value)


def test_a_name_that_is_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="must be a folder or a name on the Hugging Face hub, got 'no/such-model'"):
        FrozenTransformer("no/such-model")
    with pytest.raises(InputError, match="must come from an installed package, got 'no_such_package'"):
        from_package("no_such_package", "model")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "config.json"])
def test_the_fingerprint_changes_with_every_file_that_decides(name: str, tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    path = tmp_path / "model" / name
    path.write_text(path.read_text() + " ")
    assert FrozenTransformer(str(tmp_path / "model")).fingerprint != FrozenTransformer(str(tiny_bert)).fingerprint


def test_the_fingerprint_changes_with_the_weights_and_not_with_the_place(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_bert, tmp_path / "model")
    assert FrozenTransformer(str(tmp_path / "model")).fingerprint == FrozenTransformer(str(tiny_bert)).fingerprint
    weights = load_file(tmp_path / "model" / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    assert FrozenTransformer(str(tmp_path / "model")).fingerprint != FrozenTransformer(str(tiny_bert)).fingerprint
