"""Real texts, words counted independently of Flinc, and what Flinc wrote."""

import glob
import os
import re
import subprocess

LICENCES = "/usr/share/common-licenses"

# As a person would count words in a shell; a line end behind each file keeps their words apart.
COUNT = r"""
for file; do cat "$file"; echo; done |
    tr -cs 'A-Za-z0-9_' '\n' | tr 'A-Z' 'a-z' | sort | uniq -c | awk 'NF == 2 { print $2, $1 }'
"""


def licences():
    """The files that everything in Debian's folder of licences is, links counted as files of their own."""
    return sorted(glob.glob(os.path.join(LICENCES, "*")))


def count_words(files):
    """{word: count} by tr, sort, uniq and awk."""
    counted = subprocess.run(
        ["sh", "-c", COUNT, "-", *map(str, files)],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {word: int(n) for word, n in (line.split() for line in counted.stdout.splitlines())}


def parts_of(folder):
    """The finished part files of a text sink; nothing else may be left in its folder."""
    names = sorted(os.listdir(folder))
    assert all(name.startswith("part-") for name in names), names
    return [os.path.join(folder, name) for name in names]


def lines_of(folder):
    """The lines of all part files; those of one subtask in order."""
    lines = []
    for path in parts_of(folder):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        assert text == "" or text.endswith("\n")
        lines += text.splitlines()
    return lines


def pairs_of(lines):
    """[(word, count)] of lines "(word,count)", with or without "N> " in front."""
    return [(m[1], int(m[2])) for m in (re.fullmatch(r"(?:\d+> )?\((\w+),(\d+)\)", line) for line in lines)]


def last_of(pairs):
    """{word: last count}; the counts of a word must be 1, 2, 3, ..."""
    last = {}
    for word, count in pairs:
        assert count == last.get(word, 0) + 1, (word, count)
        last[word] = count
    return last


def printed(stdout):
    """The lines of a print sink among those of the command line."""
    return [line for line in stdout.splitlines() if re.match(r"(\d+> )?\(", line)]
