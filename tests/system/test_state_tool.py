"""`flink state` on snapshots that lie in the tree (written by test_statetool.c): two checkpoints of a job of two
operators, the second one with an increment."""

import json
import os
import shutil

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
FIRST = os.path.join(HERE, "snapshots", "chk-42")
SECOND = os.path.join(HERE, "snapshots", "chk-43")


def lines(result):
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_info(flinc):
    result = flinc.run("state", "info", SECOND)
    assert result.returncode == 0
    for text in ("incremental checkpoint 43", "'Word Count'", "Count", "parallelism 12 (at most 128)"):
        assert text in result.stdout


def test_ls(flinc):
    result = flinc.run("state", "ls", SECOND)
    assert result.returncode == 0
    for text in ("count (value)", "word STRING NOT NULL", "n BIGINT NOT NULL", "splits (list)", "rules (broadcast)"):
        assert text in result.stdout


def test_dump(flinc):
    rows = lines(flinc.run("state", "dump", SECOND, "--state", "count"))
    counts = {row["key"]["word"]: row["value"]["n"] for row in rows}
    assert len(counts) == len(rows) == 21
    assert counts["word-12-of-a-longer-kind-0"] == 12500  # by the increment
    assert counts["word-11-of-a-longer-kind-0"] == 11000
    assert "word-19-of-a-longer-kind-0" not in counts
    some = lines(flinc.run("state", "dump", SECOND, "--operator", "Count", "--key-group", "12"))
    assert [row for row in rows if row["key_group"] == 12] == some and len(some) == 3
    split = lines(flinc.run("state", "dump", SECOND, "--state", "splits"))
    assert split[0]["value"] == {"file": "/in/a.txt", "offset": 200}


def test_diff(flinc):
    changes = lines(flinc.run("state", "diff", FIRST, SECOND))
    kinds = [row["change"] for row in changes]
    assert (kinds.count("added"), kinds.count("removed"), kinds.count("changed")) == (2, 1, 5)
    changed = next(row for row in changes if row.get("key") == {"word": "word-13-of-a-longer-kind-1"})
    assert (changed["was"], changed["value"]) == ({"n": 13001}, {"n": 13501})
    assert lines(flinc.run("state", "diff", FIRST, FIRST)) == []


def fails(flinc, *arguments):
    result = flinc.run("state", *arguments)
    assert result.returncode == 1 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


def test_what_is_no_snapshot(flinc, tmp_path):
    assert "nothing" in fails(flinc, "info", str(tmp_path / "nothing"))
    assert "never completed" in fails(flinc, "dump", str(tmp_path))
    metadata = tmp_path / "_metadata"
    metadata.write_bytes(b"\x49\x60\x67\x2d\0\0\0\5")
    assert "Apache Flink" in fails(flinc, "info", str(tmp_path))
    metadata.write_bytes(b"something else")
    assert "no checkpoint or savepoint of Flinc" in fails(flinc, "info", str(tmp_path))


@pytest.mark.parametrize("at", [0, 9, 40, 300, -1])
def test_damage_is_named(flinc, tmp_path, at):
    folder = tmp_path / "chk-43"
    shutil.copytree(SECOND, folder)
    metadata = folder / "_metadata"
    content = bytearray(metadata.read_bytes())
    content[at] ^= 4
    metadata.write_bytes(content)
    assert str(folder / "_metadata") in fails(flinc, "dump", str(folder))


def test_mistakes_and_help(flinc):
    assert "no sub-command" in fails(flinc, "dmup", FIRST)
    assert "did you mean 'Count'?" in fails(flinc, "dump", FIRST, "--operator", "Coutn")
    assert "state dump <snapshot>" in flinc.run("state", "-h").stdout
    assert 'Action "state"' in flinc.run("-h").stdout
