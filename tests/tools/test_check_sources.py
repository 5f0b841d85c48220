"""tools/check_format and tools/check_sdk_headers: what the compilers say is passed on."""

import os
import shutil

import pytest

needs_clang_format = pytest.mark.skipif(
    shutil.which("clang-format") is None, reason="no clang-format here"
)
needs_compilers = pytest.mark.skipif(
    shutil.which("clang++") is None or shutil.which("g++") is None, reason="no g++ or clang++ here"
)


@needs_clang_format
def test_format(small_tree, top):
    shutil.copy(os.path.join(top, ".clang-format"), small_tree.root)
    small_tree.write("sdk/a.c", "int a(void)\n{\n    return 1;\n}\n")
    assert small_tree.check("check_format") == (0, [])
    small_tree.write("sdk/b.c", "int b(void)\n{\n  if (1) return 1;\n}\n")
    code, out = small_tree.check("check_format")
    assert code == 1 and any(line.startswith("sdk/b.c:") for line in out)
    assert small_tree.check("check_format", "--fix")[0] == 0
    assert small_tree.check("check_format") == (0, [])


@needs_compilers
def test_sdk_headers(small_tree):
    assert small_tree.check("check_sdk_headers") == (77, ["no headers in include/flinc"])
    small_tree.write("include/flinc/a.h", "#include <stdint.h>\nint32_t flinc_a(void);\n")
    assert small_tree.check("check_sdk_headers") == (0, [])
    small_tree.write("include/flinc/b.h", "struct flinc_b { int class; };\n")  # no C++
    small_tree.write("include/flinc/c.h", "size_t flinc_c(void);\n")  # not alone
    code, out = small_tree.check("check_sdk_headers")
    assert code == 1
    assert {line.split(": ")[0] for line in out[:-1]} == {"include/flinc/b.h", "include/flinc/c.h"}
    assert not [line for line in out if line.startswith("include/flinc/b.h: gcc")]
