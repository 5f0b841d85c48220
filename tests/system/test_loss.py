"""Losses of a worker, a task manager, the job manager and the network, one round each; scripts/loss.sh has more."""

import os
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "faults"))
import loss  # noqa: E402


@pytest.mark.parametrize("kind", loss.KINDS)
def test_loss(flinc, bundle, kind):
    loss.run_rounds(flinc.home, bundle("counted"), [kind], seed=1)
