"""What the README and the guide show: their programs, built and run by their own commands."""

import os
import re
import shutil
import subprocess

import pytest
from texts import count_words, pairs_of, printed


class Page:
    """A page of the documentation and its indented code blocks."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        pieces = re.findall(r"(?m)^(?:    .*\n|\n)+", text)
        self.blocks = [re.sub(r"(?m)^    ", "", piece).strip("\n") + "\n" for piece in pieces if piece.strip()]

    def block(self, *words):
        """The one block that has all the words."""
        found = [block for block in self.blocks if all(word in block for word in words)]
        assert len(found) == 1, (words, found)
        return found[0]


@pytest.fixture
def checkout(flinc, top, tmp_path):
    """A folder in which the commands of the pages work as in the root of a checkout."""
    (tmp_path / "build" / "dist").mkdir(parents=True)
    os.symlink(flinc.home, tmp_path / "build" / "dist" / "flinc")
    shutil.copy(os.path.join(top, "README.md"), tmp_path)
    return tmp_path


def shell(folder, commands):
    result = subprocess.run(["sh", "-ec", commands], cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_first_job_of_the_readme(top, checkout):
    page = Page(os.path.join(top, "README.md"))
    (checkout / "job.c").write_text(page.block("FLINC_JOB(job)"))
    result = shell(checkout, page.block("F=build/dist/flinc", "job.so"))
    assert result.stderr == ""
    words = {}
    for line in printed(result.stdout):
        word, count = re.fullmatch(r"[12]> \((.*),(\d+)\)", line).groups()
        assert word not in words
        words[word] = int(count)
    with open(checkout / "README.md", encoding="utf-8") as f:
        expected = [word for line in f.read().split("\n") for word in line.split(" ") if word]
    assert words == {word: expected.count(word) for word in set(expected)}


def test_scripts_of_the_readme(top):
    """The two commands are there."""
    commands = Page(os.path.join(top, "README.md")).block("scripts/test.sh")
    for command in re.findall(r"(?m)^scripts/\S+", commands):
        assert os.access(os.path.join(top, command), os.X_OK)


@pytest.fixture(scope="module")
def guide(top):
    return Page(os.path.join(top, "docs", "guide", "first-job.md"))


def test_smallest_job_of_the_guide(guide, checkout):
    (checkout / "numbers.c").write_text(guide.block("/* numbers.c */"))
    result = shell(checkout, "F=$PWD/build/dist/flinc\n" + guide.block("numbers.so"))
    assert [line for line in result.stdout.splitlines() if line.isdigit()] == ["1", "2", "3", "4", "5"]


def test_program_of_the_guide(guide, checkout):
    """A job in a program of one's own: no bundle, no flink command."""
    program = guide.block("int main(void)")
    (checkout / "program.c").write_text("#include <flinc/flinc.h>\n#include <stdio.h>\n\n" + program)
    commands = "F=$PWD/build/dist/flinc\n" + guide.block("-o program") + "./program\n"
    result = shell(checkout, commands)
    assert result.stdout.split() == ["1", "2", "3", "4", "5"] and result.stderr == ""


def test_functions_of_the_guide(guide, checkout):
    """Its pieces, put together: records, functions, keys."""
    struct = next(line for line in guide.blocks[guide.blocks.index(guide.block("FLINC_STRUCT(reading"))].splitlines()
                  if line.startswith("FLINC_STRUCT"))  # fmt: skip
    pieces = guide.block("static int is_hot")
    functions = pieces[: pieces.index("static int parse")]
    (checkout / "hot.c").write_text(f"""
#include <flinc/flinc.h>
{struct}
{functions}
static int job(flinc_env *env, int argc, char **argv)
{{
    const reading some[] = {{{{FLINC_STR("roof"), 20, 0, true}}, {{FLINC_STR("oven"), 180, 3, false}},
                            {{FLINC_STR("sauna"), 85, 4, false}}, {{FLINC_STR("oven"), 230, 3, false}}}};
    flinc_stream *readings = flinc_from_elements(env, some, 4, FLINC_TYPE(reading));
    flinc_stream *hot = flinc_filter(flinc_map(readings, FLINC_FN(to_fahrenheit), FLINC_TYPE(reading)), FLINC_FN(is_hot));
    readings = hot;
{guide.block("flinc_max_by")}
    flinc_print(warmest);
    return flinc_env_execute(env, "hot");
}}
FLINC_JOB(job)
""")
    result = shell(checkout, """F=$PWD/build/dist/flinc
        cc -O2 -shared -fPIC $($F/bin/flinc-config --cflags) hot.c -o hot.so $($F/bin/flinc-config --libs)
        $F/bin/flink run -t local -D execution.runtime-mode=BATCH hot.so""")
    assert sorted(printed(result.stdout)) == ["(oven,446.0,3)", "(sauna,185.0,4)"]


def test_commands_of_the_guide(guide, flinc, checkout):
    (checkout / "data").mkdir()
    (checkout / "data" / "text").write_text("a b\nb c\n")
    shutil.copy(flinc.example("wordcount"), checkout / "job.so")
    result = shell(checkout, "F=$PWD/build/dist/flinc\n" + guide.block("-p 4 job.so"))
    assert dict(pairs_of(printed(result.stdout))) == count_words([checkout / "data" / "text"])
    assert '"nodes"' in result.stdout


def test_embedded_program_fails_politely(flinc, tmp_path):
    """Errors are texts for the program to show; a job after a failed one works, as does a third."""
    (tmp_path / "program.c").write_text(r"""
#include <flinc/flinc.h>
#include <stdio.h>

static int refuse(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    *out = *in;
    return *in == 3 ? flinc_ctx_fail(ctx, "not three") : 0;
}

static int run(int64_t to)
{
    flinc_env *env = flinc_env_new_local(NULL);
    flinc_env_set_parallelism(env, 2);
    flinc_discard(flinc_map(flinc_from_sequence(env, 1, to), FLINC_FN(refuse), FLINC_TYPE(flinc_int64)));
    int rc = flinc_env_execute(env, "embedded");
    printf("%s\n", rc < 0 ? flinc_env_error(env) : "fine");
    flinc_env_free(env);
    return rc;
}

int main(void)
{
    return run(2) != 0 || run(5) >= 0 || run(1) != 0;
}
""")
    config = flinc.path("bin", "flinc-config")
    result = shell(tmp_path, f"""
        cc -g $({config} --cflags) program.c -o program $({config} --libs) -Wl,-rpath,{flinc.path("lib")}
        ./program""")
    first, second, third = result.stdout.splitlines()
    assert first == third == "fine"
    assert "not three" in second and "refuse" in second
