"""The data path makes no allocation, takes no lock and calls no system per record: their numbers are counted in
runs of different length, and what a longer run adds is little per batch of some 2,000 records."""

import os
import subprocess

import pytest
from texts import LICENCES

PER_RECORD = 1 / 100  # a batch has some 2,000 records: 20 calls each, where one per record would be 2,000


@pytest.fixture(scope="session")
def counter(top, tmp_path_factory):
    """The library that counts, to be preloaded."""
    library = tmp_path_factory.mktemp("counter") / "count_calls.so"
    source = os.path.join(top, "tests", "system", "jobs", "count_calls.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", source, "-o", library, "-ldl"], check=True)
    return str(library)


@pytest.fixture
def count_calls(flinc, counter, tmp_path):
    """Counts the calls of a run."""

    def run(*args):
        counts = tmp_path / "counts"
        flinc.run_local(*args, env={"LD_PRELOAD": counter, "COUNT_CALLS_TO": str(counts)})
        return {name: int(n) for name, n in (line.split() for line in counts.read_text().splitlines())}

    return run


def check(short, long, more_records):
    assert min(short.values()) > 0  # it does count
    added = {name: (long[name] - short[name]) / more_records for name in short}
    assert max(added.values()) < PER_RECORD, added


@pytest.mark.parametrize("mode", ["STREAMING", "BATCH"])
def test_pipeline(count_calls, bundle, mode):
    """Chains, a rebalance, a hash edge, keyed state; strings of both kinds."""

    def run(n):
        return count_calls("-p", 2, f"-Dexecution.runtime-mode={mode}", bundle("pipeline"), "--count", n)

    check(run(100_000), run(2_100_000), 2_000_000)


def test_wordcount(flinc, count_calls, tmp_path):
    """From the files to the counts."""
    with open(os.path.join(LICENCES, "GPL-3"), "rb") as f:
        text = f.read()
    (tmp_path / "once").write_bytes(text * 20)
    (tmp_path / "often").write_bytes(text * 420)

    def run(name):
        return count_calls(
            "-p", 2, flinc.example("wordcount"), "--input", tmp_path / name, "--output", tmp_path / (name + ".out"),
            "--execution-mode", "BATCH",
        )  # fmt: skip

    check(run("once"), run("often"), 400 * len(text.split()))
