"""From files to a frozen network: parts, adapters, weights, code of a model's own, devices and number types."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from neuronprobe.activations.extraction import read_sentences
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer
from tests.families import save_tokenizer, sentences
from tests.models.conftest import read_all


def test_nothing_of_the_network_can_be_trained(tiny_bert: Path) -> None:
    network = FrozenTransformer(str(tiny_bert)).network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_an_encoder_of_an_encoder_decoder_is_read(tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    size = save_tokenizer(tmp_path, "unigram")
    config = T5Config(vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0)
    T5Model(config).save_pretrained(tmp_path)
    layers, *_ = read_sentences(FrozenTransformer(str(tmp_path)), sentences(3), budget=64)
    assert [layer.shape[1] for layer in layers] == [16, 16, 16]


def test_a_part_that_is_not_there_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(InputError, match=r"model\.part must be encoder for a model of one part, got 'decoder'"):
        _ = FrozenTransformer(str(tiny_bert), part="decoder").network


def break_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"broken")


def test_broken_weights_are_one_line(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    break_weights(tmp_path / "model")
    with pytest.raises(InputError, match="must be a model that transformers can load") as caught:
        _ = FrozenTransformer(str(tmp_path / "model")).network
    assert "\n" not in str(caught.value)


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


def test_code_of_a_models_own_is_refused_unless_allowed(tiny_bert: Path, tmp_path: Path) -> None:

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

    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "them/code--own.OwnModel"}}))
    with pytest.raises(InputError, match=r"takes them/code--own\.OwnModel from another repository"):
        _ = FrozenTransformer(str(folder), trust_remote_code=True).network


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


def test_a_model_is_put_where_its_device_map_says(tiny_bert: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed: pip install accelerate to run this test")
    mapped = FrozenTransformer(str(tiny_bert), device_map={"": "cpu"})
    assert all(
        torch.equal(*both) for both in zip(read_all(mapped), read_all(FrozenTransformer(str(tiny_bert))), strict=True)
    )
    with pytest.raises(InputError, match="must be a model that transformers can load"):
        _ = FrozenTransformer(str(tiny_bert), device_map={"": "nowhere"}).network


def test_the_dtype_and_the_attention_reach_the_network(tiny_bert: Path) -> None:
    model = FrozenTransformer(str(tiny_bert), dtype="bfloat16", attn_implementation="eager")
    assert model.network.dtype == torch.bfloat16 and model.network.config._attn_implementation == "eager"
    exact = read_all(FrozenTransformer(str(tiny_bert)))
    for one, other in zip(read_all(model), exact, strict=True):
        assert 1e-5 < float((one - other).norm() / other.norm()) < 3e-2
    keys = [FrozenTransformer(str(tiny_bert), **o).fingerprint for o in ({}, {"attn_implementation": "eager"})]
    assert keys[0] != keys[1]
