"""scripts/quickstart.sh: the README's first command, into a folder of its own."""

import os
import re
import subprocess


def quickstart(top, *args):
    command = [os.path.join(top, "scripts", "quickstart.sh"), *map(str, args)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)


def test_quickstart(top, tmp_path):
    result = quickstart(top, tmp_path / "flinc")
    assert result.returncode == 0, result.stdout + result.stderr
    counts = [int(count) for count in re.findall(r"^ *(\d+)  \w+$", result.stdout, re.M)]
    assert len(counts) == 20 and counts == sorted(counts, reverse=True)
    words, took = re.search(r"of (\d+) words in .*Took (\d+) ms", result.stdout, re.S).groups()
    assert int(words) > 1000 and int(took) < 300_000
    # What it proposes can be typed as it stands.
    proposed = [line.split()[0] for line in result.stdout.split("What to try next:")[1].split("\n") if line]
    assert all(os.path.exists(os.path.join(top, path)) for path in proposed), proposed


def test_unknown_option(top):
    result = quickstart(top, "--fast")
    assert result.returncode == 2 and "unknown option '--fast'" in result.stderr


def test_keep(top, tmp_path):
    """The cluster goes on, and is stopped as the last lines say."""
    result = quickstart(top, "--keep", tmp_path / "flinc")
    assert result.returncode == 0, result.stdout + result.stderr
    rest = re.search(r"The cluster runs: (http://localhost:\d+)", result.stdout)[1]
    lines = [line.strip() for line in result.stdout.split("The cluster runs:")[1].splitlines()]
    export = next(line for line in lines if line.startswith("export "))
    stop = next(line for line in lines if line.endswith("stop-cluster.sh"))
    listed = next(line for line in lines if line.endswith("flink list -a"))
    try:
        shown = subprocess.run(["bash", "-c", f"{export}; {listed}"], capture_output=True, text=True, timeout=60)
        assert "WordCount (FINISHED)" in shown.stdout, (rest, shown.stdout + shown.stderr)
    finally:
        stopped = subprocess.run(["bash", "-c", f"{export}; {stop}"], capture_output=True, text=True, timeout=60)
    assert stopped.stdout.count("Stopping ") == 3, stopped.stdout + stopped.stderr
