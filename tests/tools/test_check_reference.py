"""tools/check_reference: pages are what the generator prints, or are named."""

import pytest

GENERATOR = """#!/bin/sh
case $1 in
--list) echo errors ;;
errors) printf '# Errors\\n\\nwhat is true\\n' ;;
*) exit 2 ;;
esac
"""


@pytest.fixture
def tree_with_generator(small_tree):
    path = "build/release/tools/reference_pages"
    small_tree.write(path, GENERATOR)
    (small_tree.root / path).chmod(0o755)
    return small_tree


def test_without_the_room_there_is_nothing_to_check(small_tree):
    assert small_tree.check("check_reference")[0] == 77


def test_without_a_build(small_tree):
    small_tree.write("engine/operators/operator.h", "")
    code, out = small_tree.check("check_reference")
    assert code == 1 and "scripts/build.sh makes it" in out[0]


def test_missing_page(tree_with_generator):
    code, out = tree_with_generator.check("check_reference")
    assert code == 1 and "docs/reference/errors.md: is not there" in out


def test_stale_page(tree_with_generator):
    tree_with_generator.write("docs/reference/errors.md", "# Errors\n\nwhat was true\n")
    code, out = tree_with_generator.check("check_reference")
    assert code == 1 and "docs/reference/errors.md: differs from the tables" in out
    assert "    -what was true" in out and "    +what is true" in out


def test_written_page(tree_with_generator):
    assert tree_with_generator.check("check_reference", "--write") == (0, [])
    assert tree_with_generator.check("check_reference") == (0, [])
