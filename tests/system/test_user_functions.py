"""Functions of users in C: built against the installed headers, used in SQL, in the shell's process and on a cluster."""

import os
import shutil
import subprocess
import sys

import pytest
from test_sql_client import Terminal

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
import running  # noqa: E402  pylint: disable=wrong-import-position

LONGEST = 120
BATCH = ("-D", "execution.runtime-mode=BATCH", "-D", "sql-client.display.print-time-cost=false")
LINES = "(VALUES ('banana'), ('xyz'), (CAST(NULL AS STRING)), ('a long line with many a')) AS t(s)"


def build(flinc, source, target, *more):
    flags = subprocess.run([flinc.path("bin", "flinc-config"), "--cflags"], capture_output=True, text=True, check=True)
    done = subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-Wall", "-Werror", *flags.stdout.split(), *more, source, "-o", target],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def udf(flinc, tmp_path_factory):
    """The example, as a user builds it."""
    target = str(tmp_path_factory.mktemp("udf") / "udf.so")
    return build(flinc, flinc.path("examples", "udf", "udf.c"), target)


@pytest.fixture(scope="module")
def cluster(flinc):
    c = running.Cluster(flinc.home, workers=1, slots=4)
    c.start()
    yield c
    c.stop()


def sql(flinc, statements, *args, env=None):
    return subprocess.run([flinc.path("bin", "sql-client.sh"), *BATCH, *map(str, args), "-e", statements], capture_output=True, text=True,
                          env={**os.environ, "TZ": "UTC", **(env or {})}, timeout=LONGEST, check=False)


def rows(result):
    """The cells of the last table printed, the head left out."""
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines() if line.startswith("|")]
    head = max(i for i, line in enumerate(lines) if "EXPR$" in line or "head" in line)
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[head + 1:]]


def create(library, *names, symbol=None, what="FUNCTION"):
    return "".join(f"CREATE {what} {name} AS '{symbol or name}' LANGUAGE C USING JAR '{library}';\n" for name in names)


def refused(flinc, statements, *texts, env=None, args=()):
    result = sql(flinc, statements, *args, env=env)
    assert result.returncode != 0, result.stdout
    for text in texts:
        assert text in result.stdout + result.stderr, result.stdout + result.stderr


# ---- scalar ---------------------------------------------------------------------------------------------


def test_scalar(flinc, udf):
    result = sql(flinc, create(udf, "count_char", "reverse_bytes") + f"SELECT s AS head, count_char(s, 'a'), reverse_bytes(s) FROM {LINES}")
    assert sorted(rows(result)) == sorted([("banana", "3", "ananab"), ("xyz", "0", "zyx"), ("<NULL>", "<NULL>", "<NULL>"),
                                           ("a long line with many a", "3", "a ynam htiw enil gnol a")])


def test_scalar_in_conditions_views_and_computed_columns(flinc, udf):
    result = sql(flinc, create(udf, "count_char") + f"""
        CREATE VIEW v AS SELECT s, count_char(s, 'a') AS n FROM {LINES};
        CREATE TABLE numbers (i BIGINT, c AS default_database.count_char(CAST(i AS STRING), '1')) WITH ('connector' = 'datagen',
          'number-of-rows' = '100', 'fields.i.kind' = 'sequence', 'fields.i.start' = '1', 'fields.i.end' = '100');
        SELECT 'view' AS head, COUNT(*) FROM v WHERE count_char(s, 'n') < 3 AND n > 0
        UNION ALL SELECT 'table', SUM(c) FROM numbers WHERE c > 0""")
    assert sorted(rows(result)) == [("table", "21"), ("view", "1")]


def test_explain_has_the_name(flinc, udf):
    result = sql(flinc, create(udf, "mine", symbol="count_char") + f"EXPLAIN SELECT mine(s, 'a') FROM {LINES}")
    assert result.returncode == 0 and "Calc(select=[mine(" in result.stdout, result.stdout + result.stderr


def test_temporary_system_function_without_a_catalog(flinc, udf):
    result = sql(flinc, f"""ADD JAR '{udf}';
        CREATE TEMPORARY SYSTEM FUNCTION many AS 'count_char' LANGUAGE C;
        SELECT many('banana', 'n') AS head""")
    assert rows(result) == [("2",)]


def test_jars(flinc, udf, tmp_path):
    result = sql(flinc, f"ADD JAR '{udf}'; SHOW JARS; REMOVE JAR '{udf}'; SHOW JARS")
    assert result.returncode == 0 and result.stdout.count(udf) == 1, result.stdout + result.stderr
    refused(flinc, f"ADD JAR '{udf}'; REMOVE JAR '{udf}'; CREATE FUNCTION f AS 'count_char' LANGUAGE C; SELECT f('a', 'b')",
            "there is no library", "ADD JAR")
    refused(flinc, f"ADD JAR '{tmp_path}/none.so'", "none.so", "No such file")


def test_a_library_that_is_built_anew(flinc, tmp_path):
    """A session that runs takes the new one for the next statement, and its jobs keep the old one."""
    target = str(tmp_path / "version.so")
    source = tmp_path / "version.c"
    text = """#include <flinc/udf.h>
    static int eval(void *instance, const flinc_udf_batch *in, flinc_udf_result *out, flinc_udf_error *error)
    {
        (void)instance; (void)error;
        for (uint32_t i = 0; i < in->n; i++) { flinc_udf_put_int32(out, flinc_udf_row(in, i), VERSION); }
        return 0;
    }
    FLINC_SCALAR_FUNCTION(version, .arguments = "INT", .result = "INT", .eval = eval);
    """
    source.write_text(text)
    shell = Terminal(flinc, {"HOME": str(tmp_path), "TZ": "UTC", "TERM": "xterm"}, *BATCH, "-D", "sql-client.execution.result-mode=TABLEAU")
    try:
        shell.wait_for("Flink SQL> ")
        shell.type(create(target, "version").replace("\n", "\r"))
        shell.wait_for("Execute statement succeeded")
        for version in ("1", "2"):
            build(flinc, str(source), target, f"-DVERSION={version}")
            shell.wait_for("Flink SQL> ")
            shell.type(f"SELECT version({version}00) + 40 AS answer;\r")
            assert f"4{version}" in shell.wait_for("1 row in set")
        shell.wait_for("Flink SQL> ")
        shell.type("quit\r")
        assert shell.end() == 0
    finally:
        shell.kill()


# ---- aggregates -----------------------------------------------------------------------------------------


def test_aggregate(flinc, udf):
    values = "(VALUES (1, 1, 1), (1, 2, 3), (2, 5, 0), (3, CAST(NULL AS INT), 1)) AS t(g, v, w)"
    result = sql(flinc, create(udf, "weighted_avg") + f"SELECT g AS head, weighted_avg(v, w), COUNT(*) FROM {values} GROUP BY g")
    assert sorted(rows(result)) == [("1", "1.75", "2"), ("2", "<NULL>", "1"), ("3", "<NULL>", "1")]
    result = sql(flinc, create(udf, "weighted_avg") + f"""SELECT weighted_avg(DISTINCT v, w) AS head,
        weighted_avg(v, w) FILTER (WHERE w > 1), weighted_avg(v, w) FROM {values} WHERE g < 0 OR g = 1""")
    assert rows(result) == [("1.75", "2.0", "1.75")]


def test_aggregate_of_many_groups_in_two_steps(flinc, udf):
    result = sql(flinc, create(udf, "weighted_avg") + """
        CREATE TABLE numbers (i BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '100000', 'fields.i.kind' = 'sequence',
          'fields.i.start' = '0', 'fields.i.end' = '99999');
        SELECT COUNT(*) AS head, MIN(m), MAX(m) FROM (SELECT i / 10 AS g, weighted_avg(MOD(i, 10), MOD(i, 2)) AS m FROM numbers GROUP BY i / 10)""",
                 "-D", "parallelism.default=2")
    assert rows(result) == [("10000", "5.0", "5.0")]


# ---- table functions ------------------------------------------------------------------------------------


TEXTS = "(VALUES (1, 'a bb ccc'), (2, ''), (3, CAST(NULL AS STRING)), (4, 'x a-word-that-is-long')) AS t(i, s)"
ALL = [("1", "a", "1"), ("1", "bb", "2"), ("1", "ccc", "3"), ("4", "a-word-that-is-long", "19"), ("4", "x", "1")]


@pytest.mark.parametrize("mode", ["BATCH", "STREAMING"])
def test_table_function(flinc, udf, mode):
    made = create(udf, "words", symbol="split")
    def ask(query):
        return sorted(cells[-3:] for cells in rows(sql(flinc, made + query, "-D", f"execution.runtime-mode={mode}")))
    assert ask(f"SELECT i AS head, w, l FROM {TEXTS}, LATERAL TABLE(words(s, ' ')) AS f(w, l)") == ALL
    assert ask(f"SELECT i AS head, word, length FROM {TEXTS} CROSS JOIN LATERAL TABLE(words(s, ' ')) WHERE length > 2") == [
        row for row in ALL if int(row[2]) > 2]
    assert ask(f"SELECT i AS head, w, l FROM {TEXTS} LEFT JOIN LATERAL TABLE(words(s, ' ')) AS f(w, l) ON TRUE") == sorted(
        ALL + [("2", "<NULL>", "<NULL>"), ("3", "<NULL>", "<NULL>")])
    assert ask("SELECT 0 AS head, word, length FROM TABLE(words('x yy', ' '))") == [("0", "x", "1"), ("0", "yy", "2")]


def test_table_function_of_many_rows(flinc, udf):
    """More than a batch of each row, and of all."""
    result = sql(flinc, create(udf, "words", symbol="split") + """
        CREATE TABLE numbers (i BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '300', 'fields.i.kind' = 'sequence',
          'fields.i.start' = '1', 'fields.i.end' = '300');
        SELECT COUNT(*) AS head, SUM(i), COUNT(DISTINCT i) FROM numbers, LATERAL TABLE(words(REPEAT('ab ', 5000), ' '))""")
    assert rows(result) == [("1500000", str(5000 * sum(range(301))), "300")]


def test_wrong_table_functions(flinc, udf):
    made = create(udf, "words", symbol="split") + create(udf, "count_char")
    refused(flinc, made + "SELECT words('a', 'b')", "words is a table function: it stands in FROM")
    refused(flinc, made + "SELECT * FROM TABLE(count_char('a', 'b'))", "count_char is no table function")
    refused(flinc, made + "SELECT * FROM TABLE(words(1, 'b'))", "Cannot apply 'words' to arguments")
    refused(flinc, made + "SELECT * FROM TABLE(wordz('a', 'b'))", "No match found for function signature wordz")
    refused(flinc, made + f"SELECT * FROM {TEXTS} RIGHT JOIN LATERAL TABLE(words(s, ' ')) ON TRUE", "a table function in this kind of join")
    refused(flinc, made + f"SELECT * FROM {TEXTS}, LATERAL TABLE(words(s, ' ')) AS f(w)", "column aliases")
    refused(flinc, made + f"SELECT * FROM {TEXTS}, LATERAL TABLE(words(s, 'ab'))", "user function 'words'", "the separator is one byte, not 2")


# ---- on a cluster ---------------------------------------------------------------------------------------


def test_on_a_cluster(flinc, udf, cluster, tmp_path):
    """The library goes with the job: what lay where it was named may be gone for workers."""
    library = str(tmp_path / "gone.so")
    shutil.copy(udf, library)
    result = sql(flinc, create(library, "count_char", "weighted_avg") + f"""SELECT SUM(count_char(s, 'a')) AS head,
        weighted_avg(count_char(s, 'a'), 1) FROM {LINES}""", "-t", "remote", env=cluster.environment)
    assert rows(result) == [("6", "2.0")]


def test_failure_on_a_cluster_names_function_and_job(flinc, udf, cluster):
    refused(flinc, create(udf, "count_char") + f"SELECT count_char(s, 'ab') FROM {LINES}", "user function 'count_char'",
            "'ab' is not one character", args=("-t", "remote"), env=cluster.environment)
    job = max(cluster.get("/jobs/overview")["jobs"], key=lambda j: j["start-time"])
    assert job["state"] == "FAILED"
    exceptions = cluster.get(f"/jobs/{job['jid']}/exceptions")
    assert "user function 'count_char'" in str(exceptions)


# ---- what is wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["JAVA", "SCALA", "PYTHON"])
def test_other_languages(flinc, language):
    refused(flinc, f"CREATE FUNCTION f AS 'org.example.F' LANGUAGE {language}; SELECT f(1)", f"LANGUAGE {language}", "LANGUAGE C USING JAR")


def test_wrong_libraries(flinc, udf, tmp_path):
    text = tmp_path / "text.so"
    text.write_text("no library")
    java = tmp_path / "java.jar"
    java.write_bytes(b"PK\x03\x04" + b"\0" * 100)
    select = "SELECT f('a', 'b')"
    refused(flinc, create(udf, "f", symbol="nothing") + select, "has no symbol 'nothing'", udf)
    refused(flinc, create(udf, "f", symbol="main; rm") + select, "'main; rm'")
    refused(flinc, create(tmp_path / "none.so", "f") + select, "none.so", "No such file")
    refused(flinc, create(text, "f") + select, "is not a shared object")
    refused(flinc, create(java, "f") + select, "java.jar", "jar")
    refused(flinc, create("s3://", "f") + select, "s3://")
    refused(flinc, f"ADD JAR '{java}'", "java.jar", "jar")


def test_wrong_version(flinc, udf, tmp_path):
    newer = tmp_path / "newer"
    shutil.copytree(flinc.path("include", "flinc"), newer / "flinc")
    header = newer / "flinc" / "udf.h"
    header.write_text(header.read_text().replace("#define FLINC_UDF_ABI_VERSION 1", "#define FLINC_UDF_ABI_VERSION 77"))
    library = build(flinc, flinc.path("examples", "udf", "udf.c"), str(tmp_path / "newer.so"), f"-I{newer}")
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", f"-I{newer}", flinc.path("examples", "udf", "udf.c"), "-o", library], check=True)
    refused(flinc, create(library, "count_char") + "SELECT count_char('a', 'b')", "'count_char'", "newer.so",
            "was built for version 77 of flinc/udf.h; this is version 1")


def test_wrong_calls(flinc, udf):
    made = create(udf, "count_char", "weighted_avg")
    refused(flinc, made + "SELECT count_char(1, 'a')", "Cannot apply 'count_char' to arguments of type", "line 1, column 8")
    refused(flinc, made + "SELECT count_char('a')", "Invalid number of arguments to function 'count_char'")
    refused(flinc, made + "SELECT count_chars('a', 'b')", "No match found for function signature count_chars")
    refused(flinc, made + "SELECT 1 FROM (VALUES 1) AS t(a) WHERE weighted_avg(a, a) > 1", "Aggregate expression is illegal in WHERE")
    refused(flinc, made + create(udf, "count_char"), "Function default_database.count_char already exists")
