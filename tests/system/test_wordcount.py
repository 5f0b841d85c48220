"""The main job: Flink's WordCount on real text, against words counted by tr, sort, uniq and awk."""

import gzip
import os
import shutil
import signal
import subprocess

import pytest
from texts import LICENCES, count_words, last_of, licences, lines_of, pairs_of, printed


@pytest.fixture(scope="module")
def expected():
    return count_words(licences())


def run_batch(flinc, out, *args):
    """{word: count} of a run in BATCH mode, in which each word comes once."""
    flinc.run_local(*args, "--output", out, "--execution-mode", "BATCH")
    pairs = pairs_of(lines_of(out))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("parallelism", [1, 2, 4])
def test_batch(flinc, expected, parallelism, tmp_path):
    job = flinc.example("wordcount")
    assert run_batch(flinc, tmp_path / "out", "-p", parallelism, job, "--input", LICENCES) == expected


@pytest.mark.parametrize("parallelism", [1, 3])
def test_streaming(flinc, expected, parallelism, tmp_path):
    """One line per word of the text, each with the count so far."""
    flinc.run_local(
        "-p", parallelism, flinc.example("wordcount"), "--input", LICENCES, "--output", tmp_path / "out",
        "--execution-mode", "STREAMING",
    )  # fmt: skip
    pairs = pairs_of(lines_of(tmp_path / "out"))
    assert len(pairs) == sum(expected.values())
    assert last_of(pairs) == expected


def test_streaming_is_the_default(flinc, tmp_path):
    (tmp_path / "text").write_text("a b a\n")
    result = flinc.run_local(flinc.example("wordcount"), "--input", tmp_path / "text")
    assert printed(result.stdout) == ["(a,1)", "(b,1)", "(a,2)"]


def test_automatic_is_batch_for_bounded_input(flinc, tmp_path):
    (tmp_path / "text").write_text("a b a\n")
    result = flinc.run_local(
        flinc.example("wordcount"), "--input", tmp_path / "text", "--execution-mode", "AUTOMATIC"
    )
    assert sorted(printed(result.stdout)) == ["(a,2)", "(b,1)"]


def test_mode_and_parallelism_by_configuration(flinc, tmp_path):
    (tmp_path / "text").write_text("a b a\n")
    result = flinc.run_local(
        "-Dexecution.runtime-mode=BATCH", "-D", "parallelism.default=3",
        flinc.example("wordcount"), "--input", tmp_path / "text",
    )  # fmt: skip
    lines = printed(result.stdout)
    assert dict(pairs_of(lines)) == {"a": 2, "b": 1}
    assert all(line[:3] in ("1> ", "2> ", "3> ") for line in lines)


def test_a_word_is_printed_by_one_subtask(flinc, tmp_path):
    (tmp_path / "text").write_text("to be or not to be\n" * 100)
    result = flinc.run_local("-p", 2, flinc.example("wordcount"), "--input", tmp_path / "text")
    lines = printed(result.stdout)
    assert last_of(pairs_of(lines)) == {"to": 200, "be": 200, "or": 100, "not": 100}
    assert len({(line[:3], line.split(",")[0]) for line in lines}) == 4


# ---- inputs -------------------------------------------------------------------------------------


def test_several_inputs(flinc, tmp_path):
    files = [os.path.join(LICENCES, name) for name in ("GPL-2", "Artistic", "BSD")]
    out = tmp_path / "out"
    assert run_batch(flinc, out, "-p", 2, flinc.example("wordcount"), "--input", *files) == count_words(files)


def test_repeated_option(flinc, tmp_path):
    files = [os.path.join(LICENCES, name) for name in ("GPL-2", "Artistic")]
    options = [word for file in files for word in ("--input", file)]
    assert run_batch(flinc, tmp_path / "out", flinc.example("wordcount"), *options) == count_words(files)


def test_glob(flinc, tmp_path):
    files = [file for file in licences() if os.path.basename(file).startswith("LGPL-")]
    assert len(files) > 1
    pattern = os.path.join(LICENCES, "LGPL-*")
    assert run_batch(flinc, tmp_path / "out", flinc.example("wordcount"), "--input", pattern) == count_words(files)


def test_folder_with_folders(flinc, tmp_path):
    """Folders are read with what lies below; names that begin with '.' or '_' are not."""
    (tmp_path / "in" / "below" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a").write_text("one two\n")
    (tmp_path / "in" / "below" / "b").write_text("two three")
    (tmp_path / "in" / "below" / "deep" / "c").write_text("three three\r\n")
    (tmp_path / "in" / ".hidden").write_text("no\n")
    (tmp_path / "in" / "_SUCCESS").write_text("no\n")
    counts = run_batch(flinc, tmp_path / "out", "-p", 2, flinc.example("wordcount"), "--input", tmp_path / "in")
    assert counts == {"one": 1, "two": 2, "three": 3}


def test_packed_inputs(flinc, tmp_path):
    """.gz (also of several members) and .zst are unpacked; a folder may mix them with plain files."""
    names = ["GPL-2", "GPL-3", "Apache-2.0"]
    files = [os.path.join(LICENCES, name) for name in names]
    folder = tmp_path / "in"
    folder.mkdir()
    texts = [open(file, "rb").read() for file in files]
    (folder / "one.gz").write_bytes(gzip.compress(texts[0][:1000]) + gzip.compress(texts[0][1000:]))
    (folder / "two").write_bytes(texts[1])
    subprocess.run(["zstd", "-q", "-", "-o", folder / "three.zst"], input=texts[2], check=True)
    counts = run_batch(flinc, tmp_path / "out", "-p", 3, flinc.example("wordcount"), "--input", folder)
    assert counts == count_words(files)


def test_empty_input(flinc, tmp_path):
    (tmp_path / "empty").write_text("")
    assert run_batch(flinc, tmp_path / "out", flinc.example("wordcount"), "--input", tmp_path / "empty") == {}


def test_splits_of_one_large_file(flinc, expected, tmp_path):
    """A file of many splits, read by several subtasks: no line is lost at their borders, none comes twice."""
    text = tmp_path / "text"
    with open(text, "wb") as out:
        for _ in range(600):
            for file in licences():
                with open(file, "rb") as f:
                    shutil.copyfileobj(f, out)
                out.write(b"\n")
    counts = run_batch(flinc, tmp_path / "out", "-p", 4, flinc.example("wordcount"), "--input", text)
    text.unlink()
    assert counts == {word: 600 * n for word, n in expected.items()}


# ---- watching -----------------------------------------------------------------------------------


def appear(folder, name, text):
    """A file that is there completely, at once, as a well-behaved writer makes it."""
    (folder / ("." + name)).write_text(text)
    os.rename(folder / ("." + name), folder / name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_a_folder(flinc, number, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    appear(folder, "first", "hello flinc\n")
    job = flinc.start(
        "run", "-t", "local", "-p", 2, flinc.example("wordcount"), "--input", folder, "--discovery-interval", "20 ms",
        cwd=tmp_path,
    )  # fmt: skip
    job.wait_for("(hello,1)")
    appear(folder, "second", "hello again\n")
    job.wait_for("(hello,2)")
    appear(folder, "third", "hello hello\n")
    job.wait_for("(hello,4)")
    job.signal(number)
    assert job.end() == 130, job.errors
    assert "cancelled" in job.errors
    assert sorted(pairs_of(printed("\n".join(job.lines)))) == [
        ("again", 1), ("flinc", 1), ("hello", 1), ("hello", 2), ("hello", 3), ("hello", 4),
    ]  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ["in"]


def test_watching_with_files_as_output(flinc, tmp_path):
    """Cancelled, a job leaves no half-written part."""
    (tmp_path / "in").mkdir()
    appear(tmp_path / "in", "first", "a b\n")
    log = tmp_path / "log"
    log.mkdir()
    job = flinc.start(
        "run", "-t", "local", flinc.example("wordcount"), "--input", tmp_path / "in", "--output", tmp_path / "out",
        "--discovery-interval", "20ms", env={"FLINK_LOG_DIR": str(log)},
    )  # fmt: skip
    job.wait_for("Job has been submitted")
    job.signal(signal.SIGINT)
    assert job.end() == 130, job.errors
    assert not [name for name in (os.listdir(tmp_path / "out") if (tmp_path / "out").exists() else [])
                if name.startswith(".")]  # fmt: skip
