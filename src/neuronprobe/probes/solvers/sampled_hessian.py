"""The Hessian of a member's mean loss on a sample of the units (Byrd, Chin, Neveitt and Nocedal 2011, section 2).

Units are drawn with chances that follow their curvature, and weighted by the inverse of their chance, so that the
sampled Hessian equals the whole one on average. It is never formed: products go through the outputs of the units. What
gradients have shown of the whole one since is added to it (Nocedal and Wright 2006, section 6.1: BFGS).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from neuronprobe.probes.solvers.panel import Panel
from neuronprobe.targets import Curvature

Block = Float[Tensor, "label column_and_bias"]
"""Of the columns in the working set, with the bias as the last one."""
EVEN = 0.1
"""Part of the chance that all units have alike."""
NEARLY_ALL = 0.7
"""A sample of more than this share of the units is all units."""
MASS = 0.8
"""The Gram matrix of a label is computed from the units that hold this share of the label's curvature."""
SEEDS = 7_400_000
"""Seeds of samples begin here: nothing else is drawn with them, such as the weights of the units."""
ENOUGH = 64
"""A Gram matrix of at most so many columns is computed from all units: to choose some takes longer."""
ALIKE, FEW = 1.1, 16
"""How unlike in width the working sets of a bucket may be."""
RIDGE = 1e-7
"""Added to the diagonal of Gram matrices, which are singular for duplicate columns."""
TINY = 1e-2
"""A way along which gradients changed by less than this share of what the sample says teaches nothing but rounding."""


class Sample(NamedTuple):
    """Drawn units and what each counts for, so that sums over them stand for the mean over all units."""

    units: Int[Tensor, " unit"]
    counts: Float[Tensor, " unit"]


class Reader(NamedTuple):
    """What a member reads: z-scores of some columns of some units; weights and curvatures of all units.

    `curvature` is the loss's, where outputs are given.
    """

    columns: Callable[[Int[Tensor, " unit"], Int[Tensor, " column"]], Float[Tensor, "column unit"]]
    weights: Float[Tensor, " unit"]
    curvatures: Float[Tensor, " unit"]
    curvature: Callable[[Float[Tensor, "label unit"]], Curvature]


def sample(reader: Reader, n: int, seed: int) -> Sample:
    """About `n` units, by the curvature that they add to the mean loss."""
    weights = reader.weights / len(reader.weights)
    if n > NEARLY_ALL * len(weights):
        return Sample(torch.arange(len(weights)), weights)
    share = reader.curvatures / reader.curvatures.sum().clamp_min(1e-30)
    chance = n * ((1 - EVEN) * share + EVEN / len(share))
    chance = (chance * (n / chance.clamp_max(1).sum())).clamp_max(1)
    drawn = torch.rand(len(chance), generator=torch.Generator().manual_seed(SEEDS + seed)) < chance
    units = drawn.nonzero().flatten()
    return Sample(units, weights[units] / chance[units])


class Bucket(NamedTuple):
    """Labels whose working sets are about as large: their columns and Gram matrices side by side.

    `own` are columns of a block, the bias last; behind it the column after the bias stands where a label has fewer.
    """

    labels: Int[Tensor, "label 1"]
    own: Int[Tensor, "label own"]
    grams: Float[Tensor, "label own own"]

    @classmethod
    def of(
        cls, labels: Int[Tensor, " label"], own: Sequence[Int[Tensor, " _"]], grams: Sequence[Float[Tensor, "_ _"]]
    ) -> Bucket:
        """Filled up with columns that no label has."""
        widest, behind = max(map(len, own)), int(own[0][-1]) + 1
        columns = torch.stack([pad(one, (0, widest - len(one)), value=behind) for one in own])
        blocks = torch.stack([pad(gram, (0, widest - len(gram)) * 2) for gram in grams])
        blocks.diagonal(dim1=1, dim2=2).add_(columns == behind)
        return cls(labels.to(columns.device)[:, None], columns, blocks)

    def take(self, block: Block, behind: float = 0.0) -> Float[Tensor, "label own"]:
        """These labels' columns of a block; `behind` where a label has fewer."""
        return pad(block, (0, 1), value=behind)[self.labels, self.own]

    def put(self, block: Block, rows: Float[Tensor, "label own"]) -> None:
        """Write these labels' columns of a block."""
        filled = pad(block, (0, 1))
        filled[self.labels, self.own] = rows
        block.copy_(filled[:, :-1])


def alike(widths: Sequence[int]) -> list[list[int]]:
    """The labels in buckets: the widest of each is at most `ALIKE` times, or by `FEW`, wider than the narrowest."""
    buckets: list[list[int]] = []
    for label in sorted(range(len(widths)), key=widths.__getitem__):
        if buckets and widths[label] <= max(ALIKE * widths[buckets[-1][0]], widths[buckets[-1][0]] + FEW):
            buckets[-1].append(label)
        else:
            buckets.append([label])
    return buckets


class SampledHessian:
    """H = mean of xxᵀ ⊗ the loss's curvature, + 2 λ2, on a working set of columns per label; all labels coupled."""

    def __init__(
        self,
        activations: Float[Tensor, "column unit"],
        counts: Float[Tensor, " unit"],
        inside: Bool[Tensor, "label column"],
        l2: float,
        curvature: Callable[[Float[Tensor, "label unit"]], Curvature],
        point: Block,
    ) -> None:
        """`inside` says which columns belong to the working set of each label; Gram matrices are those of `point`."""
        self._panel, self._counts, self._l2, self._curvature = Panel(activations), counts, l2, curvature
        self._learnt: list[tuple[Block, Block]] = []
        self.mask = torch.cat([inside, inside.new_ones(len(inside), 1)], dim=1)
        self.move_to(point)
        diagonal = self.curvature.diagonal * counts
        members = [row.nonzero().flatten() for row in self.mask]
        self.buckets = [
            Bucket.of(
                torch.tensor(labels),
                [members[i] for i in labels],
                [self._gram(activations, members[i], diagonal[i]) for i in labels],
            )
            for labels in alike([len(own) for own in members])
        ]
        """The diagonal blocks of all labels."""

    @property
    def size(self) -> int:
        """How many numbers it holds: activations and Gram matrices."""
        return self._panel.size + sum(bucket.grams.numel() for bucket in self.buckets)

    def move_to(self, point: Block) -> None:
        """Take the curvature where the point is, and what the sample alone tells; Gram matrices stay as they are."""
        self.curvature, self._learnt = self._curvature(self.outputs(point)), []

    def learn(self, way: Block, gained: Block) -> None:
        """Agree with a way along which the gradient gained so much, until it moves (a BFGS update)."""
        way, gained = way * self.mask, gained * self.mask
        said = self.times(way)
        by_sample, shown = float((way * said).sum()), float((way * gained).sum())
        if by_sample > 0 and shown > TINY * by_sample:
            self._learnt.append((said / math.sqrt(by_sample), gained / math.sqrt(shown)))

    def times(self, way: Block) -> Block:
        """H · way; 0 outside the working sets."""
        product = self._back(self.curvature.times(self.outputs(way)), way)
        for said, shown in self._learnt:
            product += shown * (shown * way).sum() - said * (said * way).sum()
        return product

    def outputs(self, block: Block) -> Float[Tensor, "label unit"]:
        """Of the sampled units; of a way, by how much they change along it."""
        return self._panel.outputs(block[:, :-1]) + block[:, -1:]

    def excess(self, before: Curvature, way: Block, ahead: Float[Tensor, "label unit"]) -> float:
        """By how much loss and λ2 term at the end of a way are above their tangent where `before` is.

        `ahead` are the outputs of the way.
        """
        ridge = self._l2 * way[:, :-1].double().square().sum()
        return float((before.excess(ahead) * self._counts).double().sum() + ridge)

    def gained(self, before: Curvature, way: Block) -> Block:
        """By how much the gradient at the end of a way, where this has moved, differs from that where `before` is."""
        return self._back(self.curvature.slopes - before.slopes, way)

    def _back(self, slopes: Float[Tensor, "label unit"], way: Block) -> Block:
        """What slopes of the units' outputs are in weights, with the λ2 term of a way."""
        slopes, product = slopes * self._counts, torch.empty_like(way)
        product[:, :-1] = self._panel.gathered(slopes)
        product[:, :-1] += 2 * self._l2 * way[:, :-1]
        product[:, -1] = slopes.sum(1)
        return product * self.mask

    def _gram(
        self, activations: Float[Tensor, "column unit"], own: Int[Tensor, " own"], curvature: Float[Tensor, " unit"]
    ) -> Float[Tensor, "own own"]:
        k = len(own) - 1
        scaled = activations.index_select(0, own[:-1])
        total = curvature.sum()
        if k > ENOUGH:
            units = _heaviest(curvature, 4 * k + 100)
            if len(units) < NEARLY_ALL * len(curvature):
                scaled, curvature = scaled.index_select(1, units), curvature[units]
        root = curvature.sqrt()
        scaled *= root
        gram = root.new_empty(k + 1, k + 1)
        torch.mm(scaled, scaled.T, out=gram[:k, :k])
        gram[:k, k] = gram[k, :k] = scaled @ root
        gram[k, k] = root @ root
        gram *= total / gram[k, k].clamp_min(1e-30)
        gram.diagonal()[:k] += 2 * self._l2 + RIDGE
        gram[k, k] += RIDGE / 100
        return gram


def _heaviest(curvature: Float[Tensor, " unit"], least: int) -> Int[Tensor, " unit"]:
    """The fewest units that hold `MASS` of the curvature, `least` at least, in their order."""
    ordered = curvature.sort(descending=True)
    mass = ordered.values.cumsum(0)
    n = min(max(int((mass < MASS * mass[-1]).sum()) + 1, least), len(curvature))
    return ordered.indices[:n].sort().values
