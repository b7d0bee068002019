"""Every family of transformers that the project reads, as a tiny model: sites, edits and checks mean the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from neuronprobe.activations.extraction import read_sentences
from neuronprobe.errors import InputError
from neuronprobe.models import FrozenTransformer, shift
from neuronprobe.models.network.subwords import SubwordSentence
from neuronprobe.models.sites.finding import Anatomy
from neuronprobe.models.sites.hook import LayerSite
from neuronprobe.models.sites.site import Site, preset
from tests.contracts.conftest import Folders
from tests.families import FAMILIES, save_family, sentences

LAYERS = 3
WITHOUT_ATTENTION = {"xlnet"}
"""Families whose output projection of attention is no module."""
every_family = pytest.mark.parametrize("name", FAMILIES)


def alone(model: FrozenTransformer, piece: SubwordSentence) -> tuple[Tensor, ...]:
    """Hugging Face's hidden states of one sentence, without padding and without a hook."""
    with torch.no_grad():
        output = model.network(**model.forward.inputs([piece]), output_hidden_states=True)
    return tuple(output.hidden_states)


def relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


@every_family
def test_words_have_the_hidden_states_of_their_last_subwords(name: str, family: Folders) -> None:
    model = FrozenTransformer(str(family(name)))
    chosen = sentences(6)
    read = read_sentences(model, chosen, budget=200)
    states = [[state[0, [end - 1 for _, end in piece.spans]] for state in alone(model, piece)]
              for piece in model.tokenise(chosen)]  # fmt: skip
    assert [segment.layer for segment in model.neurons.segments] == list(range(LAYERS + 1))
    for layer, witness in zip(read.layers, zip(*states, strict=True), strict=True):
        assert relative(layer, torch.cat(witness)) < 1e-5


@every_family
@pytest.mark.parametrize("site", ["mlp", "attention"])
def test_a_site_has_the_input_of_its_matrix_in_every_block(name: str, site: str, family: Folders) -> None:
    if site == "attention" and name in WITHOUT_ATTENTION:
        with pytest.raises(InputError, match=r"model\.sites must be there in the model, got attention"):
            _ = FrozenTransformer(str(family(name)), sites=site).layer_sites
        return
    model = FrozenTransformer(str(family(name)), sites=site)
    assert [layer_site.layer for layer_site in model.layer_sites] == list(range(1, LAYERS + 1))
    width = {"attention": 32, "mlp": 128 if name == "bloom" else 48}[site]
    assert {layer_site.width for layer_site in model.layer_sites} == {width}
    assert {segment.heads for segment in model.neurons.segments} == {4 if site == "attention" else None}
    pieces = model.tokenise(sentences(4))
    read = model.read(pieces)
    for layer_site, values in zip(model.layer_sites, read, strict=True):
        witness = torch.cat([_input_alone(model, layer_site, piece) for piece in pieces])
        assert relative(values, witness) < 1e-5


def _input_alone(model: FrozenTransformer, layer_site: LayerSite, piece: SubwordSentence) -> Tensor:
    """What a module gets with one sentence, whatever the order of its axes."""
    seen: list[Tensor] = []
    module = model.network.get_submodule(layer_site.module)
    handle = module.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    alone(model, piece)
    handle.remove()
    return seen[layer_site.call].reshape(len(piece), layer_site.width)[[end - 1 for _, end in piece.spans]]


@every_family
@pytest.mark.parametrize("site", ["mlp", "attention"])
def test_structure_finds_what_the_preset_says(name: str, site: str, family: Folders) -> None:
    if site == "attention" and name in WITHOUT_ATTENTION:
        pytest.skip("this family has no such module; remove it from WITHOUT_ATTENTION when it has")
    model = FrozenTransformer(str(family(name)))
    batch = model.forward.inputs([SubwordSentence(list(range(3, 3 + n)), None, [], []) for n in (7, 5)])
    run = lambda: model.network(**batch, output_hidden_states=True)  # noqa: E731
    anatomy = Anatomy(model.network, run, lambda output: output.hidden_states)
    by_structure = anatomy.find(Site(site), "a family without preset", False)
    assert preset(name, site, False)
    assert by_structure == anatomy.find(Site(site), name, False)


@every_family
def test_an_intervention_is_read_where_it_is_made_changes_what_follows_and_leaves_nothing(
    name: str, family: Folders
) -> None:
    model = FrozenTransformer(str(family(name)), sites=["residual", "mlp"])
    pieces = model.tokenise(sentences(3))
    before = model.read(pieces)
    hooks = _n_hooks(model)
    for segment, (start, layer_site) in enumerate(zip(model.neurons.starts, model.layer_sites, strict=False)):
        chosen = torch.tensor([start + 1, start + layer_site.width - 1])
        with model.intervene(shift(chosen, 3.0)):
            during = model.read(pieces)
            assert torch.equal(during[segment], model.read(pieces)[segment]), "in every forward pass"
        expected = before[segment].clone()
        expected[:, [1, -1]] += 3.0
        torch.testing.assert_close(during[segment], expected, rtol=1e-4, atol=1e-4)
        for other, (was, is_now) in enumerate(zip(before, during, strict=True)):
            if _runs_before(model.layer_sites[other], layer_site):
                torch.testing.assert_close(is_now, was, rtol=0, atol=0)
        last = len([p for p in model.layer_sites if p.site == "residual"]) - 1
        assert relative(during[last], before[last]) > 1e-3, f"{layer_site.module} does nothing"
    assert _n_hooks(model) == hooks
    assert all(torch.equal(was, is_now) for was, is_now in zip(before, model.read(pieces), strict=True))


def _runs_before(one: LayerSite, other: LayerSite) -> bool:
    """The residual stream of layer i leaves block i, in which its other sites are."""
    return (one.layer, one.site == "residual") < (other.layer, other.site == "residual")


def _n_hooks(model: FrozenTransformer) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.network.modules())


@every_family
def test_random_weights_are_drawn_anew_by_the_seed(name: str, family: Folders) -> None:
    folder = str(family(name))
    trained = FrozenTransformer(folder)
    one, same, other = (FrozenTransformer(folder, random_weights=True, seed=seed) for seed in (1, 1, 2))
    kept = FrozenTransformer(folder, random_weights=True, keep_embeddings=True, seed=1)
    read = [read_sentences(model, sentences(3), 256).layers for model in (trained, one, same, other, kept)]
    for was, new, again, differs, _ in list(zip(*read, strict=True))[1:]:
        assert torch.equal(new, again)
        assert relative(new, was) > 0.1 and relative(differs, new) > 0.1
    assert relative(read[1][0], read[0][0]) > 0.1, "the embedding layer is drawn anew"
    torch.testing.assert_close(read[4][0], read[0][0])
    assert relative(read[4][-1], read[0][-1]) > 0.1
    assert len({str(model.fingerprint) for model in (trained, one, other, kept)}) == 4


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_the_decoder_of_two_parts_is_read_and_edited(name: str, family: Folders) -> None:
    model = FrozenTransformer(str(family(name)), part="decoder", sites=["residual", "mlp", "attention"])
    pieces = model.tokenise(sentences(3))
    read = dict(zip([(p.site, p.layer) for p in model.layer_sites], model.read(pieces), strict=True))
    row = 0
    for piece in pieces:
        inputs = model.forward.inputs([piece])
        with torch.no_grad():
            output = model.network(**inputs, decoder_input_ids=inputs["input_ids"], output_hidden_states=True)
        for layer, state in enumerate(output.decoder_hidden_states):
            witness = state[0, [end - 1 for _, end in piece.spans]]
            assert relative(read["residual", layer][row : row + len(witness)], witness) < 1e-5
        row += len(piece.spans)
    assert {p.module.split(".")[0] for p in model.layer_sites} == {"decoder"}
    assert [layer for site, layer in read if site == "attention"] == [1, 2, 3]
    assert not any("cross" in p.module.lower() or "encdec" in p.module.lower() for p in model.layer_sites)
    encoder = FrozenTransformer(str(family(name)))
    assert encoder.fingerprint != model.fingerprint


def test_a_model_whose_blocks_are_not_found_is_read_and_not_edited(tmp_path: Path) -> None:
    model = FrozenTransformer(str(save_family(tmp_path, "xlm", emb_dim=32, n_layers=3, n_heads=4)))
    chosen = sentences(4)
    read = read_sentences(model, chosen, 256)
    states = [alone(model, piece) for piece in model.tokenise(chosen)]
    witness = torch.cat(
        [s[2][0, [e - 1 for _, e in p.spans]] for s, p in zip(states, model.tokenise(chosen), strict=True)]
    )
    assert relative(read.layers[2], witness) < 1e-5 and len(read.layers) == 4
    with pytest.raises(InputError, match=r"interventions need the model's blocks"), model.intervene():
        pass
    with pytest.raises(InputError, match=r"model\.sites must be residual"):
        _ = FrozenTransformer(str(tmp_path), sites="mlp").layer_sites
