"""The order of studies: behind what they build on, wherever they stand in the configuration."""

from __future__ import annotations

from itertools import permutations

import pytest

from neuronprobe.callbacks import NeuronRanking, Stability, StudyCallback, in_order
from neuronprobe.errors import InputError


def study(name: str, needs: tuple[str, ...] = (), wants: tuple[str, ...] = ()) -> StudyCallback:
    made = StudyCallback()
    made.name, made.needs, made.wants = name, needs, wants
    return made


def names(*studies: StudyCallback) -> list[str]:
    return [one.name for one in in_order({f"key_{i}": one for i, one in enumerate(studies)})]


def test_a_study_stands_behind_those_it_needs_whatever_the_order() -> None:
    chain = [study("last", needs=("middle", "first")), study("middle", wants=("first",)), study("first"), study("free")]
    for given in permutations(chain):
        found = names(*given)
        assert sorted(found) == ["first", "free", "last", "middle"]
        assert found.index("first") < found.index("middle") < found.index("last")


def test_studies_that_need_nothing_keep_their_order() -> None:
    assert names(study("c"), study("a"), study("b")) == ["c", "a", "b"]
    assert names(study("c", wants=("b",)), study("a"), study("b")) == ["b", "c", "a"]


def test_the_ranking_waits_for_stability_and_does_without_it() -> None:
    assert names(NeuronRanking(), Stability()) == names(Stability(), NeuronRanking()) == ["stability", "ranking"]
    assert names(NeuronRanking()) == ["ranking"]


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        ([study("one", needs=("two",))], r"callbacks must hold two for one, got none; add it\."),
        ([study("one", needs=("two",)), study("two", needs=("one",))], r"in a circle, got one -> two -> one\."),
        ([study("one", needs=("one",))], r"in a circle, got one -> one\."),
        (
            [study("zero", wants=("one",)), study("one", needs=("two",)), study("two", wants=("one",))],
            r"in a circle, got (zero -> )?one -> two -> one\.",
        ),
    ],
)
def test_what_can_not_be_ordered_is_refused_in_one_line(studies: list[StudyCallback], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        names(*studies)
    assert "\n" not in str(refused.value)
