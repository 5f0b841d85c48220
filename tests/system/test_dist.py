"""The distribution: its folders, what its library shows, and that it works wherever it is moved."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import Flinc


def read(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def moved(flinc, tmp_path):
    """A copy in a folder whose name has what breaks careless scripts."""
    home = tmp_path / "a moved $home"
    shutil.copytree(flinc.home, home, symlinks=True)
    return Flinc(str(home))


def words_of(folder):
    """{word: count} of all part files."""
    counts = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            for line in f:
                word, count = re.fullmatch(r"\((\w+),(\d+)\)\n", line).groups()
                counts[word] = int(count)
    return counts


def count_words(flinc, bundle, tmp_path, **more):
    text = tmp_path / "text"
    text.write_text("to be or not to be\n")
    out = tmp_path / "out"
    options = ["--input", text, "--output", out, "--execution-mode", "BATCH"]
    result = flinc.run("run", "-t", "local", bundle, *options, **more)
    assert result.returncode == 0, result.stdout + result.stderr
    assert words_of(out) == {"to": 2, "be": 2, "or": 1, "not": 1}
    return result


def test_layout(flinc):
    folders = "bin conf lib libexec plugins examples log opt include/flinc".split()
    files = "LICENSE README.txt VERSION conf/config.yaml bin/flink bin/flinc-config lib/libflinc.so.0".split()
    assert all(os.path.isdir(flinc.path(f)) for f in folders)
    assert all(os.path.isfile(flinc.path(f)) for f in files)
    assert os.path.isfile(flinc.path("examples", "wordcount.so"))
    assert os.path.isfile(flinc.path("examples", "wordcount", "wordcount.c"))


def test_the_library_shows_the_sdk_only(flinc):
    symbols = read("nm", "-D", "--defined-only", "--format=posix", flinc.path("lib", "libflinc.so.0"))
    names = [line.split()[0] for line in symbols.splitlines()]
    assert names and [n for n in names if not n.startswith("flinc_")] == []


def test_soname_and_search_path(flinc):
    library = read("readelf", "-d", flinc.path("lib", "libflinc.so"))
    assert "Library soname: [libflinc.so.0]" in library and "RUNPATH" not in library
    program = read("readelf", "-d", flinc.path("bin", "flink"))
    assert "[libflinc.so.0]" in program and "[$ORIGIN/../lib]" in program


def test_binaries_are_stripped_and_know_no_build_folder(flinc, top):
    for path in ("bin/flink", "lib/libflinc.so.0", "examples/wordcount.so"):
        assert ".symtab" not in read("readelf", "-S", "--wide", flinc.path(path))
        with open(flinc.path(path), "rb") as f:
            assert os.path.realpath(top).encode() + b"/" not in f.read()


def test_moved(moved, tmp_path):
    assert moved.run("--version").returncode == 0
    count_words(moved, moved.path("examples", "wordcount.so"), tmp_path)


def test_build_folder_has_the_same_layout(flinc, top, tmp_path):
    build = Flinc(os.path.join(top, "build", "release"))
    count_words(build, build.path("examples", "wordcount.so"), tmp_path)


def test_flinc_config(moved):
    config = moved.path("bin", "flinc-config")
    with open(moved.path("VERSION"), encoding="utf-8") as f:
        assert read(config, "--version") == f.read()
    assert read(config, "--home") == moved.home + "\n"
    assert read(config, "--cflags").startswith(f"-I{moved.home}/include")
    bad = subprocess.run([config, "--flags"], capture_output=True, text=True)
    assert bad.returncode == 2 and "unknown option '--flags'" in bad.stderr


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_bundle_built_by_a_user(flinc, compiler, tmp_path):
    source = flinc.path("examples", "wordcount", "wordcount.c")
    config = flinc.path("bin", "flinc-config")
    build = f"{compiler} -O2 -Wall -Wextra -Werror -shared $({config} --cflags) {source} -o my.so $({config} --libs)"
    subprocess.run(["sh", "-c", build], cwd=tmp_path, check=True)
    count_words(flinc, tmp_path / "my.so", tmp_path)


def test_shipped_configuration(flinc, tmp_path):
    """As it is and with every default uncommented: no key is unknown, no value wrong."""
    with open(flinc.path("conf", "config.yaml"), encoding="utf-8") as f:
        shipped = f.read()
    # Lines of configuration are those with a key; sentences have no colon behind their first word.
    full = re.sub(r"(?m)^# ((?: {2})*[\w-]+:(?: .*)?)$", r"\1", shipped)
    assert full != shipped
    for name, text in (("shipped", shipped), ("full", full)):
        work = tmp_path / name
        work.mkdir()
        (work / "config.yaml").write_text(text)
        bundle = flinc.path("examples", "wordcount.so")
        result = count_words(flinc, bundle, work, env={"FLINK_CONF_DIR": str(work)})
        assert "WARN" not in result.stderr + result.stdout


def test_dist_refuses_another_folder(top, tmp_path):
    (tmp_path / "precious").write_text("x")
    result = subprocess.run(
        [os.path.join(top, "scripts", "dist.sh"), str(tmp_path)], capture_output=True, text=True
    )
    assert result.returncode == 1 and "is not empty and no distribution of Flinc" in result.stderr
    assert os.listdir(tmp_path) == ["precious"]
