"""tools/check_sizes: limits of files, functions and folders."""

import pytest


@pytest.mark.parametrize(
    "path, limit", [("sdk/a.c", 1000), ("sdk/a.h", 500), ("include/flinc/a.h", 900)]
)
def test_file_limits(small_tree, path, limit):
    small_tree.write(path, "\n" * limit)
    assert small_tree.check("check_sizes")[0] == 0
    small_tree.write(path, "\n" * (limit + 1))
    code, out = small_tree.check("check_sizes")
    assert code == 1 and out[0].startswith(f"{path}: {limit + 1} lines")


def test_a_long_source_is_a_warning(small_tree):
    small_tree.write("sdk/a.c", "\n" * 601)
    code, out = small_tree.check("check_sizes")
    assert code == 0 and out == ["sdk/a.c: warning: 601 lines; split it by meaning before it reaches 1000"]


def function(lines):
    """A function of that many lines behind another one, its signature over two of them."""
    body = "    x++;\n" * (lines - 4)
    return "static int one(void)\n{\n}\n\nint *two(int a,\n         int b)\n{\n" + body + "}\n"


def test_function_limit(small_tree):
    small_tree.write("sdk/a.c", function(100))
    assert small_tree.check("check_sizes") == (0, [])
    small_tree.write("sdk/a.c", function(101))
    code, out = small_tree.check("check_sizes")
    assert code == 1 and out[0] == "sdk/a.c:5: two has 101 lines, the limit is 100"


def test_a_long_table_is_no_function(small_tree):
    small_tree.write("sdk/a.c", "static const int t[] = {\n" + "    1,\n" * 200 + "};\n")
    assert small_tree.check("check_sizes") == (0, [])


def test_a_full_folder_is_a_warning(small_tree):
    for i in range(26):
        small_tree.write(f"sdk/a{i}.c", "")
    code, out = small_tree.check("check_sizes")
    assert code == 0 and out == ["sdk: warning: 26 sources; split the folder by meaning"]
