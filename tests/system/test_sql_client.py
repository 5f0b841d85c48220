"""The SQL shell: statements of the command line, of files, of standard input and typed ones; in its process and on a cluster."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
import running  # noqa: E402

ERROR = "[ERROR] Could not execute SQL statement. Reason:\n"
OK = "[INFO] Execute statement succeeded.\n"
DATAGEN = """CREATE TABLE numbers (i BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1000',
  'fields.i.kind' = 'sequence', 'fields.i.start' = '1', 'fields.i.end' = '1000');
"""
ENDLESS = "CREATE TABLE endless (i INT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');\n"
LONGEST = 120


@pytest.fixture
def home(tmp_path):
    """Typed statements are kept below it."""
    return {"HOME": str(tmp_path), "TZ": "UTC", "TERM": "xterm"}


def sql(flinc, *args, input=None, env=None):
    return subprocess.run([flinc.path("bin", "sql-client.sh"), *map(str, args)], input=input, capture_output=True, text=True,
                          env={**os.environ, "TZ": "UTC", **(env or {})}, timeout=LONGEST)


# ---- statements of the command line --------------------------------------------------------------


def test_select(flinc):
    result = sql(flinc, "-e", "SELECT 1 AS a, 'x' AS b")
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout == """\
+----+-------------+--------------------------------+
| op |           a |                              b |
+----+-------------+--------------------------------+
| +I |           1 |                              x |
+----+-------------+--------------------------------+
Received a total of 1 row
"""


def test_select_in_batch_mode(flinc):
    result = sql(flinc, "-D", "execution.runtime-mode=BATCH", "-D", "sql-client.display.print-time-cost=false", "-e",
                 DATAGEN + "SELECT i, i * i AS square FROM numbers WHERE i > 998; SELECT i FROM numbers WHERE i < 0")
    assert result.returncode == 0, result.stderr
    assert result.stdout == OK + """\
+------+---------+
|    i |  square |
+------+---------+
|  999 |  998001 |
| 1000 | 1000000 |
+------+---------+
2 rows in set
Empty set
"""


def test_the_flink_command_too(flinc):
    result = flinc.run("sql", "-e", "SHOW CATALOGS")
    assert result.returncode == 0
    assert "default_catalog" in result.stdout and result.stdout.endswith("1 row in set\n")
    assert "sql-client.sh" in flinc.run("sql", "-h").stdout
    assert 'Action "sql"' in flinc.run("-h").stdout


def test_insert_is_waited_for(flinc):
    result = sql(flinc, "-e", DATAGEN + "CREATE TABLE p (i BIGINT) WITH ('connector' = 'print');"
                 "INSERT INTO p SELECT i FROM numbers WHERE i <= 3")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[INFO] Submitting SQL update statement to the cluster...\n" in result.stdout
    assert re.search(r"submitted to the cluster:\nJob ID: [0-9a-f]{32}\n", result.stdout)
    assert sorted(re.findall(r"^\+I\[\d+\]$", result.stdout, re.M)) == ["+I[1]", "+I[2]", "+I[3]"]


def test_dml_sync_and_statement_sets(flinc):
    result = sql(flinc, "-e", """SET 'table.dml-sync' = 'true';
        CREATE TABLE p (i INT) WITH ('connector' = 'print');
        BEGIN STATEMENT SET; INSERT INTO p VALUES 1; INSERT INTO p VALUES 2; END;
        EXECUTE STATEMENT SET BEGIN INSERT INTO p VALUES 3; INSERT INTO p VALUES 4; END;
        SHOW JOBS""")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("[INFO] Complete execution of the SQL update statement.\n") == 2
    assert {f"+I[{i}]" for i in (1, 2, 3, 4)} <= set(result.stdout.splitlines())
    assert result.stdout.count("FINISHED") == 2


def test_create_table_as_by_name(flinc):
    """Its columns in another order, and one more that the query does not have."""
    result = sql(flinc, "-e", "CREATE TABLE p (note STRING) WITH ('connector' = 'print') AS SELECT 'x' AS a, 1 AS b;"
                 "CREATE TABLE q (b, a) WITH ('connector' = 'print') AS SELECT 'x' AS a, 1 AS b")
    assert result.returncode == 0, result.stdout + result.stderr
    assert sorted(re.findall(r"^\+I\[.*", result.stdout, re.M)) == ["+I[1, x]", "+I[null, x, 1]"]


def test_errors_have_their_place(flinc):
    result = sql(flinc, "-e", "CREATE TABLE orders (id INT) WITH ('connector' = 'datagen');\nSELECT id\nFROM ordrs")
    assert result.returncode == 1
    assert result.stdout == OK
    assert result.stderr.startswith(ERROR)
    assert "ordrs" in result.stderr and "Did you mean 'orders'?" in result.stderr
    assert result.stderr.endswith("  at line 2, column 6:\n    FROM ordrs\n         ^^^^^\n")


def test_failing_job(flinc):
    result = sql(flinc, "-e", "CREATE TABLE p (i INT) WITH ('connector' = 'print');"
                 "INSERT INTO p SELECT CAST(a AS INT) FROM (VALUES 'x') AS v(a)")
    assert result.returncode == 1
    assert ERROR in result.stderr and "'x'" in result.stderr


def test_options(flinc):
    assert "Did you mean --file?" in sql(flinc, "--fiel", "x").stderr
    gateway = sql(flinc, "gateway", "-e", "localhost:8083")
    assert gateway.returncode == 1 and "not supported yet: gateway mode" in gateway.stderr
    assert "-f,--file <script>" in sql(flinc, "embedded", "--help").stdout
    assert "/no/such/file" in sql(flinc, "-f", "/no/such/file").stdout


def test_interrupt_ends_a_query(flinc):
    process = running_sql(flinc, "-e", ENDLESS + "SELECT i FROM endless")
    for line in process.stdout:
        if "+I" in line:
            break
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 130, rest + errors
    assert re.search(r"Query terminated, received a total of \d+ rows?\n", rest)


def running_sql(flinc, *args):
    return subprocess.Popen([flinc.path("bin", "sql-client.sh"), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


# ---- files and standard input -----------------------------------------------------------------------


SCRIPT = """-- a comment
CREATE TABLE t (a INT) WITH ('connector' = 'blackhole'); SET 'sql-client.verbose' = 'false';
SELECT ';' AS s; -- no end
SHOW TABLES
"""


def check_script(result):
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("Flink SQL> ") == 4 and result.stdout.count(OK) == 2
    assert "|                              ; |\n" in result.stdout and "| table name |\n" in result.stdout


def test_file(flinc, tmp_path):
    (tmp_path / "s.sql").write_text(SCRIPT)
    result = sql(flinc, "-f", tmp_path / "s.sql")
    assert result.stdout.startswith("[INFO] Executing SQL from file.\n")
    check_script(result)


def test_standard_input(flinc):
    check_script(sql(flinc, input=SCRIPT))
    check_script(sql(flinc, "-f", "-", input=SCRIPT))
    assert sql(flinc, input="").returncode == 0


def test_init_and_source(flinc, tmp_path):
    (tmp_path / "init.sql").write_text(DATAGEN)
    (tmp_path / "more.sql").write_text("CREATE VIEW few AS SELECT i FROM numbers WHERE i < 3;")
    result = sql(flinc, "-i", tmp_path / "init.sql", "-e", f"SOURCE '{tmp_path}/more.sql'; SHOW TABLES")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "numbers |" in result.stdout and "few |" in result.stdout
    (tmp_path / "loop.sql").write_text(f"SOURCE '{tmp_path}/loop.sql';")
    assert "SOURCE of files that name files" in sql(flinc, "-f", tmp_path / "loop.sql").stdout


def test_first_error_ends_a_script(flinc, tmp_path):
    (tmp_path / "s.sql").write_text("SELECT 1 +;\nSELECT 2;\n")
    result = sql(flinc, "-f", tmp_path / "s.sql")
    assert result.returncode == 1
    assert ERROR in result.stdout and f"in {tmp_path}/s.sql" in result.stdout and "SELECT 2" not in result.stdout


def test_check(flinc, tmp_path):
    (tmp_path / "s.sql").write_text(DATAGEN + "CREATE TABLE p (i BIGINT) WITH ('connector' = 'print');"
                                    "INSERT INTO p SELECT i FROM numbers; SELECT i FROM numbers;")
    result = sql(flinc, "--check", "-f", tmp_path / "s.sql")
    assert result.returncode == 0 and result.stdout == "[INFO] All statements are valid.\n"
    (tmp_path / "s.sql").write_text(DATAGEN + "SELECT j FROM numbers;")
    result = sql(flinc, "--check", "-f", tmp_path / "s.sql")
    assert result.returncode == 1 and "'j'" in result.stdout


# ---- typing ----------------------------------------------------------------------------------------------


class Terminal:
    """The shell at a terminal of its own."""

    def __init__(self, flinc, env, *args):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execve(flinc.path("bin", "sql-client.sh"), ["sql-client.sh", *args], {**os.environ, **env})
        self.pid, self.text = pid, ""

    def wait_for(self, wanted):
        """Reads until `wanted` has come behind what was waited for before."""
        deadline = time.monotonic() + LONGEST
        while wanted not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"ended without {wanted!r}: {self.text}") from None
        before, self.text = self.text.split(wanted, 1)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """Reads the rest; the exit code."""
        deadline = time.monotonic() + LONGEST
        while True:
            assert time.monotonic() < deadline, f"it does not end: {self.text}"
            if not select.select([self.fd], [], [], 1)[0]:
                continue
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                break
            if not piece:
                break
            self.text += piece.decode(errors="replace")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def terminal_of(flinc, home, *args):
    t = Terminal(flinc, home, *args)
    t.wait_for("Flink SQL> ")
    yield t
    t.kill()


@pytest.fixture
def terminal(flinc, home):
    yield from terminal_of(flinc, home, "-D", "sql-client.execution.result-mode=tableau")


@pytest.fixture
def screen(flinc, home):
    """A terminal of 12 lines, with a table of 20 rows."""
    for t in terminal_of(flinc, home):
        fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 100, 0, 0))
        t.type(DATAGEN.replace("1000", "20").replace("\n", " ") + "\r")
        t.wait_for("succeeded.")
        t.wait_for("Flink SQL> ")
        yield t


def test_typed_statements(terminal, tmp_path):
    terminal.type("SELECT 40\r")
    terminal.wait_for("> ")
    terminal.type("  + 2 AS answer;\r")
    assert "42" in terminal.wait_for("Received a total of 1 row")
    terminal.wait_for("Flink SQL> ")
    terminal.type("SELECT nope;\r")
    terminal.wait_for("Could not execute SQL statement. Reason:")
    terminal.wait_for("Flink SQL> ")  # an error does not end it
    terminal.type("quit\r")
    assert terminal.end() == 0
    assert "SELECT" in (tmp_path / ".flink-sql-history").read_text()


def test_completion(terminal):
    terminal.type("CREATE TABLE measurements (temperature INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');\r")
    terminal.wait_for("succeeded.")
    terminal.wait_for("Flink SQL> ")
    terminal.type("DESCRIBE measu\t;\r")
    assert "temperature" in terminal.wait_for("1 row in set")
    terminal.wait_for("Flink SQL> ")
    terminal.type("QUIT;\r")
    assert terminal.end() == 0


def test_interrupt_cancels_the_query_only(terminal):
    terminal.type(ENDLESS.replace("\n", "\r"))
    terminal.wait_for("succeeded.")
    terminal.type("SELECT i FROM endless;\r")
    terminal.wait_for("+I")
    terminal.type("\x03")
    terminal.wait_for("Query terminated, received a total of")
    terminal.wait_for("Flink SQL> ")
    terminal.type("SELECT what will be forgotten\x03")
    terminal.wait_for("Flink SQL> ")
    deadline = time.monotonic() + LONGEST
    jobs = ""
    while "CANCELED" not in jobs:  # it may be on its way there
        assert time.monotonic() < deadline, jobs
        terminal.type("SHOW JOBS;\r")
        jobs = terminal.wait_for("1 row in set")
        terminal.wait_for("Flink SQL> ")
    terminal.type("\x04")
    assert terminal.end() == 0


def test_keys_that_are_typed_early(terminal):
    """Ctrl-D and a statement, while another statement runs and the terminal belongs to nobody."""
    terminal.type("CREATE TABLE slow (i INT) WITH ('connector' = 'datagen', 'rows-per-second' = '5', 'number-of-rows' = '10');\r")
    terminal.wait_for("succeeded.")
    terminal.wait_for("Flink SQL> ")
    terminal.type("SELECT i FROM slow;\r")
    terminal.wait_for("+I")
    terminal.type("SHOW CATALOGS;\n\x04")
    terminal.wait_for("default_catalog")
    assert terminal.end() == 0


def test_a_reader_that_goes_away_ends_the_query(flinc):
    process = running_sql(flinc, "-e", ENDLESS + "SELECT i FROM endless")
    for line in process.stdout:
        if "+I" in line:
            break
    process.stdout.close()
    assert process.wait(timeout=LONGEST) == 1
    assert "Broken pipe" in process.stderr.read()
    process.stderr.close()


def test_options_are_completed(terminal):
    terminal.type("CREATE TABLE d (i INT) WITH (\r")
    terminal.wait_for("> ")
    terminal.type("'conn\tdatag\t, 'number\t3');\r")
    terminal.wait_for("succeeded.")
    terminal.wait_for("Flink SQL> ")
    terminal.type("SHOW CREATE TABLE d;\r")
    terminal.wait_for("'connector' = 'datagen'")
    terminal.wait_for("'number-of-rows' = '3'")
    terminal.wait_for("Flink SQL> ")
    terminal.type("SET 'execution.runtime-m\tbat\t;\r")
    terminal.wait_for("succeeded.")
    terminal.wait_for("Flink SQL> ")
    terminal.type("SET 'parallelism.defualt\t")
    terminal.wait_for("parallelism.default")  # shown, being near
    terminal.type("\x03")
    terminal.wait_for("Flink SQL> ")
    terminal.type("quit\r")
    assert terminal.end() == 0


def test_progress_of_long_statements(terminal):
    terminal.type("SET 'execution.runtime-mode' = 'batch'; CREATE TABLE slow (i INT) WITH ('connector' = 'datagen', "
                  "'rows-per-second' = '5', 'number-of-rows' = '15');\r")
    terminal.wait_for("succeeded.")
    terminal.wait_for("succeeded.")
    terminal.type("SELECT i FROM slow;\r")
    terminal.wait_for(" rows/s")
    terminal.wait_for("15 rows in set")
    terminal.wait_for("Flink SQL> ")
    terminal.type("CREATE TABLE b (i INT) WITH ('connector' = 'blackhole'); SET 'table.dml-sync' = 'true';"
                  "INSERT INTO b SELECT i FROM slow;\r")
    terminal.wait_for("The job runs, ")
    terminal.wait_for("Complete execution of the SQL update statement.")
    terminal.wait_for("Flink SQL> ")
    terminal.type("quit\r")
    assert terminal.end() == 0


def test_results_fill_the_screen(screen):
    """Five rows fit on a page."""
    screen.type("SELECT i, i * 10 AS tens FROM numbers;\r")
    screen.wait_for("SQL Query Result (Table)")
    screen.wait_for("finished    Page: Last of 4    Rows: 20")
    screen.wait_for("|                   16 |")
    screen.type("p")
    screen.wait_for("Page: 3 of 4")
    screen.wait_for("|                   11 |                  110 |")
    screen.type("g")
    screen.wait_for("Enter page number: ")
    screen.type("1\r")
    screen.wait_for("Page: 1 of 4")
    screen.type("n")
    screen.wait_for("Page: 2 of 4")
    screen.type("\x1b[B\x1b[B")  # down, to the second row
    screen.wait_for("\x1b[7m|                    7 |")
    screen.type("o")
    screen.wait_for("Row Viewer")
    screen.wait_for("tens (BIGINT):")
    screen.wait_for("  70")
    screen.type("q")
    screen.wait_for("SQL Query Result (Table)")
    screen.type("/")
    screen.wait_for("Search: ")
    screen.type("170\r")
    screen.wait_for("\x1b[7m|                   17 |")
    screen.type("/nothing\r")
    screen.wait_for("Not found.")
    screen.type("q")
    screen.wait_for("Result retrieval finished.")
    screen.wait_for("Flink SQL> ")
    screen.type("SELECT CAST(i - 1 AS INT) / CAST(i - 20 AS INT) FROM numbers;\r")
    screen.wait_for("\x1b[?1049l")  # a failure gives the screen back
    screen.wait_for("Division by zero")
    screen.wait_for("Flink SQL> ")
    screen.type("\x04")
    assert screen.end() == 0


def test_changes_fill_the_screen(screen):
    screen.type("SET 'sql-client.execution.result-mode' = 'changelog';\r")
    screen.wait_for("succeeded.")
    screen.type(ENDLESS.replace("\n", "\r"))
    screen.wait_for("succeeded.")
    screen.type("SELECT i FROM endless;\r")
    screen.wait_for("SQL Query Result (Changelog)")
    screen.wait_for("| op |           i |")
    screen.wait_for("| +I |")
    screen.type("+")
    screen.wait_for("Refresh: 5 s")
    screen.type("--")
    screen.wait_for("Refresh: 500 ms")
    screen.type("q")
    screen.wait_for("Result retrieval cancelled.")
    screen.wait_for("Flink SQL> ")
    screen.type("SELECT i FROM endless;\r")
    screen.wait_for("| +I |")
    screen.type("\x03")
    screen.wait_for("Result retrieval cancelled.")
    screen.wait_for("Flink SQL> ")
    screen.type("SET 'execution.runtime-mode' = 'batch'; SELECT i FROM numbers;\r")
    screen.wait_for("Results of batch queries can only be served in table or tableau mode.")
    screen.wait_for("Flink SQL> ")
    screen.type("quit\r")
    assert screen.end() == 0


# ---- a cluster ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(flinc):
    c = running.Cluster(flinc.home, workers=1, slots=4)
    try:
        c.start()
        yield c
    finally:
        c.stop()


def test_remote_select(flinc, cluster):
    result = sql(flinc, "-t", "remote", "-D", "execution.runtime-mode=BATCH", "-e",
                 DATAGEN + "SELECT i FROM numbers WHERE i > 997", env=cluster.environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.findall(r"^\| +(\d+) \|$", result.stdout, re.M) == ["998", "999", "1000"]


def test_remote_insert_and_jobs(flinc, cluster):
    result = sql(flinc, "-m", f"localhost:{cluster.port}", "-e", ENDLESS + "CREATE TABLE b (i INT) WITH ('connector' = 'blackhole');"
                 "INSERT INTO b SELECT i FROM endless; SHOW JOBS", env=cluster.environment)
    assert result.returncode == 0, result.stdout + result.stderr
    job = re.search(r"^Job ID: ([0-9a-f]{32})$", result.stdout, re.M)[1]
    assert job in result.stdout.split("Job ID: ")[1].split("\n", 1)[1]  # SHOW JOBS has it
    running.wait_until(lambda: cluster.all_running(job))
    name = cluster.get(f"/jobs/{job}")["name"]
    assert name == "insert-into_default_catalog.default_database.b"
    vertices = cluster.get(f"/jobs/{job}")["vertices"]
    assert vertices[0]["name"].startswith("Source: endless[1]")
    stopped = sql(flinc, "-t", "remote", "-e", f"STOP JOB '{job}'", env=cluster.environment)
    assert stopped.returncode == 0 and stopped.stdout == OK
    assert cluster.state(job) == "CANCELED"


def test_remote_failure(flinc, cluster):
    result = sql(flinc, "-t", "remote", "-e", "SELECT CAST(a AS INT) FROM (VALUES 'x') AS v(a)", env=cluster.environment)
    assert result.returncode == 1 and ERROR in result.stderr and "'x'" in result.stderr


def test_no_cluster_there(flinc):
    result = sql(flinc, "-m", "localhost:1", "-e", "SELECT 1")
    assert result.returncode == 1 and ERROR in result.stderr and "localhost:1" in result.stderr
