"""docs/guide/sql-queries.md: its script, run as the page says, prints what the page shows."""

import os
import re
import subprocess

LONGEST = 120


def blocks(top, language):
    text = open(os.path.join(top, "docs", "guide", "sql-queries.md")).read()
    return re.findall(r"^```" + language + r"\n(.*?)^```$", text, re.M | re.S)


def test_queries_of_the_guide(top, flinc, tmp_path):
    (tmp_path / "orders.csv").write_text(blocks(top, "csv")[0])
    (tmp_path / "orders.sql").write_text("\n".join(blocks(top, "sql")))
    result = subprocess.run([flinc.path("bin", "sql-client.sh"), "-f", "orders.sql"], cwd=tmp_path, capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, timeout=LONGEST, env={**os.environ, "TZ": "UTC"})
    assert result.returncode == 0, result.stdout + result.stderr
    at = 0
    for expected in blocks(top, "text"):  # in this order
        found = result.stdout.find(expected, at)
        assert found >= 0, expected + "\n---- is not in ----\n" + result.stdout[at:]
        at = found + len(expected)
    assert "== Optimized Physical Plan ==" in result.stdout
    wrong = blocks(top, "sql")[0].replace("'format' = 'csv'", "'format' = 'csv', 'csv.field-delimeter' = ';'")
    result = subprocess.run([flinc.path("bin", "sql-client.sh"), "--check", "-e", wrong], cwd=tmp_path, capture_output=True, text=True,
                            timeout=LONGEST)
    assert result.returncode == 1 and "csv.field-delimeter (did you mean csv.field-delimiter?)" in result.stderr, result.stderr
