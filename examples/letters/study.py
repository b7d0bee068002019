"""A study: which letters lead each ranking, and how many of them its minimal set holds."""

from __future__ import annotations

from string import ascii_lowercase

from neuronprobe.callbacks import StudyCallback
from neuronprobe.errors import whole_number
from neuronprobe.shown import Table
from neuronprobe.studies import Trained
from neuronprobe.types import Result, Row


def alphabet(trained: Trained, first: int, minimal: Result) -> Result:
    """Rows that can be found again, a table for page and screen, and a file in the job's folder."""
    rows = [Row("alphabet", "minimal_letters", None if m.k is None else float(m.k), k=m.k, **trained.about())
            for m in minimal.handed]  # fmt: skip
    lines = []
    for name, ranking in trained.rankings.items():
        letters = "".join(ascii_lowercase[neuron] for neuron in ranking.order[: min(first, ranking.earned)].tolist())
        rows.append(Row("alphabet", "place_of_s", float(ranking.order.tolist().index(18)), ranking=name))
        lines.append((name, letters))
    shown = Table("The letters that lead", ("ranking", "letters"), tuple(lines))
    text = "\n".join(f"{name} {letters}" for name, letters in lines)
    return Result(tuple(rows), tables=(shown,), files={"letters.txt": text.encode()})


class Alphabet(StudyCallback):
    """Runs once training is over, behind the studies that it needs."""

    name, needs = "alphabet", ("minimal_set",)

    def __init__(self, first: int = 5) -> None:
        """`first` letters of each ranking are shown. Raises InputError for a number that can't be."""
        super().__init__()
        self.first = whole_number("callbacks.alphabet.first", first, 1)

    def study(self, trained: Trained, **results: Result) -> Result:
        """Called by the job, with the results of what it needs."""
        return alphabet(trained, self.first, results["minimal_set"])
