"""What float16 takes from neurons of a high mean: `python benchmarks/rounding.py EWT_FOLDER MODELS_FOLDER`.

UPOS from EWT's dev (the first sentences train) to test (as many), z-scores, one probe a layer. "Before" is the store
that rounds every activation as it is. MODELS_FOLDER has a Hugging Face folder for each of --models."""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from neuronprobe.activations import Split, Store, rounding
from neuronprobe.activations.extraction import read_sentences
from neuronprobe.activations.store import StoreWriter
from neuronprobe.corpora.conllu import read_conllu
from neuronprobe.models import FrozenTransformer
from neuronprobe.neurons import NeuronTable, Segment
from neuronprobe.probes import Fit, Member, score
from neuronprobe.quiet import quiet
from neuronprobe.targets import Labels
from neuronprobe.types import UNKNOWN, Sentence, Units

RATIOS = (1, 100, 1_000, 4_000)
ROUNDINGS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
DRAWS = 5, 2
Layers = Sequence[Float[Tensor, "word _"]]
folders = count()


@dataclass(frozen=True)
class Words:
    """Layers of train and test, and their labels."""

    train: Layers
    test: Layers
    labels: tuple[Tensor, Tensor]

    def layer(self, which: int) -> Words:
        """One of them alone."""
        return Words([self.train[which]], [self.test[which]], self.labels)


@contextmanager
def before() -> Iterator[None]:
    """The store without shifts."""
    kept = rounding.EARLY, rounding.LIMIT
    rounding.EARLY = rounding.LIMIT = math.inf
    yield
    rounding.EARLY, rounding.LIMIT = kept


def store(folder: Path, layers: Layers, dtype: str) -> Store:
    target, table = folder / str(next(folders)), NeuronTable(
        tuple(Segment("residual", number, layer.shape[1]) for number, layer in enumerate(layers))
    )  # fmt: skip
    writer = StoreWriter(target, {}, table, len(layers[0]), dtype)
    writer.append([layer.float() for layer in layers])
    assert writer.settle(), "one chunk is all words"
    writer.finish()
    return Store(target, {})


def accuracy(folder: Path, words: Words, dtype: str, epochs: int = 10) -> Tensor:
    """On test, of a probe for each layer."""
    splits, target = [], Labels(tuple(str(label) for label in range(int(words.labels[0].max()) + 1)))
    for layers, labels in zip((words.train, words.test), words.labels, strict=True):
        opened, n = store(folder, layers, dtype), len(labels)
        units = Units(torch.arange(n)[:, None], labels, torch.arange(n), tuple("" for _ in range(n)), n)
        splits.append(Split(units, opened, opened.neurons, target))
    segment_of = splits[0].neurons.segment_of
    members = [Member(0.0, 1e-4, 0, (segment_of == which).nonzero().flatten()) for which in range(len(words.train))]
    fit = Fit(l1=0.0, l2=1e-4, epochs=epochs, lr=3e-3, batch_size=128, standardise="zscore")
    return score(fit(members, splits[0]), splits[1]).accuracy


def planted(seed: int, n: int = 4_000, width: int = 40) -> Words:
    """4 labels, seen dimly in neurons of deviation 1 that have three quarters of their variance in common."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (2 * n,), generator=generator)
    noise = torch.randn(2 * n, width, generator=generator) / 2
    common = torch.randn(2 * n, 1, generator=generator) * 0.75**0.5
    signal = 0.14 * torch.randn(4, width, generator=generator)[labels]
    both = (noise + common + signal).split(n)
    return Words([both[0]], [both[1]], (labels[:n], labels[n:]))


def real(model: FrozenTransformer, treebank: Path, n: int) -> Words:
    """The first words of EWT's dev and test with their UPOS."""
    found = [list(islice(read_conllu(treebank / f"en_ewt-ud-{split}.conllu"), n)) for split in ("dev", "test")]
    names = sorted({label for sentence in found[0] for label in tags(sentence)})
    labels = [
        torch.tensor([names.index(t) if t in names else UNKNOWN for s in part for t in tags(s)]) for part in found
    ]
    train, test = (list(read_sentences(model, part, 2048).layers) for part in found)
    return Words(train, test, (labels[0], labels[1]))


def tags(sentence: Sentence) -> list[str]:
    return [str(tag) for tag in sentence.annotations["upos"]]


def lifted(words: Words, ratio: float, seed: int) -> Words:
    """The same with means of 0.7 to 1.4 times `ratio` deviations, as far as float16 goes (65,504)."""
    (train,), (test,) = words.train, words.test
    factor = 0.7 * 2 ** torch.rand(train.shape[1], generator=torch.Generator().manual_seed(seed))
    room = 60_000 - torch.cat([train, test]).abs().amax(0)
    shift = torch.minimum(ratio * factor * train.std(0) - train.mean(0), room)
    return Words([train + shift], [test + shift], words.labels)


def rounded(words: Words, share: float, seed: int) -> Words:
    """The same, rounded so that the root-mean-square rounding is `share` of each neuron's deviation."""
    (train,), (test,) = words.train, words.test
    step = share * 12**0.5 * train.std(0)
    phase = torch.rand(train.shape[1], generator=torch.Generator().manual_seed(seed))
    train, test = (((x / step + phase).round() - phase) * step if share else x for x in (train, test))
    return Words([train], [test], words.labels)


def compare_ratios(name: str, folder: Path, draws: Sequence[Words]) -> None:
    """Accuracy against mean over deviation: float32, float16 before, float16 now; mean of the draws."""
    for ratio in RATIOS:
        found = torch.zeros(3, dtype=torch.float64)
        for seed, words in enumerate(draws):
            there = lifted(words, ratio, seed)
            exact = accuracy(folder, there, "float32")
            with before():
                old = accuracy(folder, there, "float16")
            found += torch.cat([exact, old, accuracy(folder, there, "float16")]) / len(draws)
        print(f"| {name} | {ratio:,} | {' | '.join(f'{value:.4f}' for value in found)} |", flush=True)


def compare_roundings(name: str, folder: Path, draws: Sequence[Words]) -> None:
    """Accuracy against rounding over deviation, mean of the draws; in points, from no rounding."""
    found = [
        torch.cat([accuracy(folder, rounded(words, share, seed), "float32") for seed, words in enumerate(draws)])
        for share in ROUNDINGS
    ]
    points = " | ".join(f"{100 * (at - found[0]).mean():+.2f}" for at in found[1:])
    print(f"| {name} | {found[0].mean():.4f} | {points} |", flush=True)


def compare_layers(name: str, folder: Path, words: Words) -> None:
    """Of each layer: the largest mean and the largest rounding, over the deviation; accuracy of the three stores."""
    exact = accuracy(folder, words, "float32")
    with before():
        old = accuracy(folder, words, "float16")
    now = accuracy(folder, words, "float16")
    for number, layer in enumerate(words.train):
        whole = layer.double()
        deviation = whole.std(0, correction=0)
        is_constant = deviation <= 1e-6 * torch.maximum(whole.square().mean(0).sqrt(), deviation.median())
        lost = (whole - whole.half()).square().mean(0).sqrt()
        ratio, share = ((part / deviation)[~is_constant].max() for part in (whole.mean(0).abs(), lost))
        figures = f"{ratio:.1f} | {100 * share:.3f} % | {is_constant.sum()}"
        values = " | ".join(f"{part[number]:.4f}" for part in (exact, old, now))
        print(f"| {name} {number} | {figures} | {values} | {100 * (now - exact)[number]:+.2f} |", flush=True)


def compare_sizes(name: str, folder: Path, words: Words) -> None:
    """Bytes of the store of train."""
    with before():
        old = store(folder, words.train, "float16").folder
    now, exact = (store(folder, words.train, dtype).folder for dtype in ("float16", "float32"))
    sizes = [sum(path.stat().st_size for path in part.iterdir()) for part in (exact, old, now)]
    same = all((now / path.name).read_bytes() == path.read_bytes() for path in old.iterdir())
    print(f"| {name} | {' | '.join(f'{size / 1e6:.2f}' for size in sizes)} | {'yes' if same else 'no'} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--layers", nargs="*", default=["mpnet", "smollm2"], help="models measured layer by layer")
    parser.add_argument("--lifted", nargs="*", default=["mpnet:6", "smollm2:12"], help="layers that are changed")
    parser.add_argument("--sizes", nargs="*", default=["bert-tiny", "rampart", "minilm", "e5", "mpnet", "smollm2"])
    parser.add_argument("--sentences", type=int, default=400)
    options = parser.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as temporary:
        folder, draws = Path(temporary), [planted(seed) for seed in range(DRAWS[0])]
        compare_ratios("planted", folder, draws)
        compare_roundings("planted", folder, draws)
        for name in options.sizes:
            words = real(FrozenTransformer(str(options.models / name)), options.treebank, options.sentences)
            compare_sizes(name, folder, words)
            for which in (int(part.split(":")[1]) for part in options.lifted if part.split(":")[0] == name):
                compare_ratios(f"{name}, layer {which}", folder, [words.layer(which)] * DRAWS[1])
                compare_roundings(f"{name}, layer {which}", folder, [words.layer(which)] * DRAWS[1])
            if name in options.layers:
                compare_layers(name, folder, words)


if __name__ == "__main__":
    main()
