"""The queries of TPC-H, bounded, in the shell's embedded cluster: results equal SQLite's over the same files."""

import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "tpch"))
import tpch_generate as generate  # noqa: E402
import tpch_oracle as oracle  # noqa: E402
import tpch_tables as tables  # noqa: E402

SCALE = float(os.environ.get("FLINC_TPCH_SCALE", "0.01"))
SETTINGS = {
    "execution.runtime-mode": "batch",
    "sql-client.execution.result-mode": "tableau",
    "sql-client.display.max-column-width": "200",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """(folder of the tables, what SQLite knows of them)"""
    folder = str(tmp_path_factory.mktemp("tpch"))
    generate.generate(folder, SCALE)
    return folder, oracle.Oracle(folder, SCALE)


def cells(line):
    return [None if cell.strip() == "<NULL>" else cell.strip() for cell in line[1:-1].split("|")]


@pytest.mark.parametrize("name", oracle.query_names())
def test_query(flinc, data, tmp_path, name):
    folder, expected = data
    statements = [f"SET '{key}' = '{value}'" for key, value in SETTINGS.items()]
    statements += [*tables.flink_ddl(folder), oracle.query(name, SCALE)]
    script = tmp_path / "script.sql"
    script.write_text(";\n".join(statements) + ";\n", encoding="utf-8")
    done = subprocess.run([os.path.join(flinc.home, "bin", "flink"), "sql", "-f", str(script)], capture_output=True, text=True,
                          timeout=600, check=False)  # fmt: skip
    assert done.returncode == 0 and "[ERROR]" not in done.stdout, done.stdout + done.stderr
    rows = [cells(line) for line in done.stdout.splitlines() if line.startswith("|")]
    wanted = expected.rows(name)
    assert len(wanted) > 0
    assert oracle.difference(wanted, rows[1:]) is None, done.stdout[-4000:]
