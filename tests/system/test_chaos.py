"""The checker: a few rounds, and the proof that it finds bugs; scripts/chaos.sh has more."""

import os
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "faults"))
import chaos  # noqa: E402


@pytest.fixture(scope="module")
def checker(flinc, tmp_path_factory):
    return chaos.build_checker(flinc.home, str(tmp_path_factory.mktemp("checker")))


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_exactly_once(flinc, checker, seed):
    chaos.run_round(flinc.home, checker, seed)


@pytest.mark.parametrize("name", sorted(chaos.PLANTED))
def test_planted_bugs_are_found(flinc, checker, name):
    assert chaos.find_planted(flinc.home, checker, name, seed=1), chaos.PLANTED[name]
