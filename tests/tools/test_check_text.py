"""tools/check_text: machine paths and unfinished work, and nothing else."""

import pytest


@pytest.mark.parametrize(
    "text",
    ["cd /work/main", "x = '/root/x'", "open /home/someone/x", "/* TODO: later */", "# FIXME", "a stub of it"],
)
def test_found(small_tree, text):
    small_tree.write("docs/a.md", "fine\n" + text + "\n")
    code, out = small_tree.check("check_text")
    assert code == 1 and out[0].startswith("docs/a.md:2: ")


@pytest.mark.parametrize(
    "text",
    ["network/work/x", "/workers", "mkstemp(XXXXXX)", "stubborn", "$HOME/x", "/home/$USER", "a/root/b", "<root>"],
)
def test_not_found(small_tree, text):
    small_tree.write("docs/a.md", text + "\n")
    assert small_tree.check("check_text") == (0, [])


def test_binary_files_are_left_alone(small_tree):
    (small_tree.root / "a.bin").write_bytes(b"TODO\0")
    assert small_tree.check("check_text") == (0, [])
