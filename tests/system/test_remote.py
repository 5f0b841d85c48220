"""Clients of a cluster: flink run, list, cancel, and a program of one's own."""

import os
import re
import signal
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "cluster"))
import running  # noqa: E402

DASHES = "-" * 62
TEXT = "to be or not to be\nthat is the question\n" * 50


@pytest.fixture(scope="module")
def cluster(flinc):
    c = running.Cluster(flinc.home, workers=2, slots=2)
    try:
        c.start()
        yield c
    finally:
        c.stop()


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def counts(folder):
    found = {}
    for name in os.listdir(folder):
        for line in (folder / name).read_text().splitlines():
            word, count = line.strip("()").rsplit(",", 1)
            assert word not in found
            found[word] = int(count)
    return found


def submitted(result):
    assert result.returncode == 0, result.stdout + result.stderr
    return re.search(r"^Job has been submitted with JobID ([0-9a-f]{32})$", result.stdout, re.M)[1]


def test_attached(flinc, cluster, text, tmp_path):
    out = tmp_path / "counts"
    result = flinc.run("run", "-p", 4, flinc.example("wordcount"), "--input", text, "--output", out,
                       "--execution-mode", "BATCH", env=cluster.environment)
    job = submitted(result)
    assert f"Job with JobID {job} has finished.\nJob Runtime: " in result.stdout
    found = counts(out)
    assert found["to"] == 100 and found["be"] == 100 and found["question"] == 50
    details = cluster.get(f"/jobs/{job}")
    assert details["state"] == "FINISHED" and {v["parallelism"] for v in details["vertices"]} == {4}


def test_addressed_by_m(flinc, cluster, text, tmp_path):
    environment = {k: v for k, v in cluster.environment.items() if k != "FLINK_CONF_DIR"}
    result = flinc.run("run", "-m", f"localhost:{cluster.port}", "-t", "remote", "-c", "wordcount",
                       "-D", "execution.runtime-mode=BATCH", flinc.example("wordcount"), "--input", text,
                       "--output", tmp_path / "counts", env={**environment, "FLINK_CONF_DIR": flinc.path("conf")})
    job = submitted(result)
    assert cluster.state(job) == "FINISHED"


def test_detached_list_and_cancel(flinc, cluster, tmp_path):
    watched = tmp_path / "in"
    watched.mkdir()
    job = submitted(flinc.run("run", "-d", flinc.example("wordcount"), "--input", watched, "--discovery-interval", "1h",
                              env=cluster.environment))
    running.wait_until(lambda: cluster.all_running(job))
    listed = flinc.run("list", "-r", env=cluster.environment).stdout.splitlines()
    assert listed[:2] == ["Waiting for response...", "------------------ Running/Restarting Jobs -------------------"]
    assert re.fullmatch(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d : " + job + r" : WordCount \(RUNNING\)", listed[2])
    assert listed[3] == DASHES and len(listed) == 4
    assert "No scheduled jobs." in flinc.run("list", env=cluster.environment).stdout
    cancelled = flinc.run("cancel", job, env=cluster.environment)
    assert cancelled.stdout.splitlines() == [f"Cancelling job {job}.", f"Cancelled job {job}."]
    running.wait_until(lambda: cluster.state(job) == "CANCELED")
    # Again: it is cancelled, which is what was asked for.
    assert flinc.run("cancel", job, env=cluster.environment).returncode == 0
    everything = flinc.run("list", "-a", env=cluster.environment).stdout
    assert "---------------------- Terminated Jobs -----------------------" in everything
    assert f"{job} : WordCount (CANCELED)" in everything and "No running jobs." in everything


def test_cancel_what_is_not_there(flinc, cluster):
    result = flinc.run("cancel", "0123456789abcdef0123456789abcdef", env=cluster.environment)
    assert result.returncode == 1 and "could not be found" in result.stderr.lower()
    result = flinc.run("cancel", "wordcount", env=cluster.environment)
    assert result.returncode == 1 and "'wordcount' is no JobID" in result.stderr
    result = flinc.run("cancel", env=cluster.environment)
    assert result.returncode == 1 and "Missing JobID" in result.stderr


def test_interrupted_client_leaves_the_job(flinc, cluster, tmp_path):
    watched = tmp_path / "in"
    watched.mkdir()
    for flags, ends in (((), False), (("-sae",), True)):
        client = flinc.start("run", *flags, flinc.example("wordcount"), "--input", watched, "--discovery-interval", "1h",
                             env=cluster.environment)
        job = client.wait_for("Job has been submitted with JobID").split()[-1]
        running.wait_until(lambda: cluster.all_running(job))
        client.signal(signal.SIGINT)
        assert client.end() == 130
        if ends:
            running.wait_until(lambda: cluster.state(job) == "CANCELED")
        else:
            assert cluster.state(job) == "RUNNING" and f"flink cancel {job}" in client.errors
            cluster.cancel(job)


def test_killed_client_ends_its_job(flinc, cluster, tmp_path):
    """With -sae also kill -9 of the client ends the job: its heartbeats stay away."""
    watched = tmp_path / "in"
    watched.mkdir()
    client = flinc.start("run", "-sae", "-D", "client.heartbeat.interval=100 ms", "-D", "client.heartbeat.timeout=2 s",
                         flinc.example("wordcount"), "--input", watched, "--discovery-interval", "1h",
                         env=cluster.environment)
    job = client.wait_for("Job has been submitted with JobID").split()[-1]
    running.wait_until(lambda: cluster.all_running(job))
    client.signal(signal.SIGKILL)
    client.end()
    running.wait_until(lambda: cluster.state(job) == "CANCELED")


def test_client_that_is_killed_before_its_first_heartbeat(flinc, cluster, tmp_path):
    """The time runs from the submission on, so that a client that was never heard of is missed, too."""
    watched = tmp_path / "in"
    watched.mkdir()
    client = flinc.start("run", "-sae", "-D", "client.heartbeat.timeout=2 s", flinc.example("wordcount"), "--input", watched,
                         "--discovery-interval", "1h",
                         env={**cluster.environment, "FLINC_FAILPOINTS": "client.heartbeat.before_send=error"})
    job = client.wait_for("Job has been submitted with JobID").split()[-1]
    client.signal(signal.SIGKILL)
    client.end()
    running.wait_until(lambda: cluster.state(job) == "CANCELED")


def test_failed_job(flinc, cluster, tmp_path):
    result = flinc.run("run", flinc.example("wordcount"), "--input", tmp_path / "nothing", "--execution-mode", "BATCH",
                       env=cluster.environment)
    assert result.returncode == 1
    assert "The program finished with the following exception:" in result.stderr and "nothing" in result.stderr


PROGRAM = r"""
#include <flinc/flinc.h>
#include <stdio.h>
#include <stdlib.h>

FLINC_STRUCT(pair, FLINC_INT64(key), FLINC_INT64(value));

static int make(flinc_ctx *ctx, int64_t index, pair *out)
{
    (void)ctx;
    out->key = index % 10;
    out->value = 1;
    return 0;
}

static int count(flinc_ctx *ctx, const pair *in, pair *out)
{
    *out = *in;
    return flinc_ctx_accumulate(ctx, "seen", 1);
}

int main(int argc, char **argv)
{
    flinc_env *env = flinc_env_new_remote(argv[1], atoi(argv[2]));
    flinc_env_set_parallelism(env, 2);
    flinc_env_set_runtime_mode(env, FLINC_BATCH);
    flinc_stream *pairs = flinc_from_datagen(
        env, FLINC_DATAGEN(.generate = FLINC_FN(make), .type = FLINC_TYPE(pair), .count = 1000));
    flinc_stream *sums = flinc_sum(flinc_key_by(flinc_map(pairs, FLINC_FN(count), FLINC_TYPE(pair)), "key"), "value");
    flinc_write_text(sums, FLINC_TEXT_SINK(.path = argv[3]));
    int rc = flinc_env_execute(env, "from a program");
    if (rc < 0) {
        fprintf(stderr, "%s\n", flinc_env_error(env));
    } else {
        printf("seen %lld\n", (long long)flinc_env_accumulator(env, "seen"));
    }
    flinc_env_free(env);
    return rc < 0;
}
"""


def test_a_program(flinc, cluster, tmp_path):
    (tmp_path / "main.c").write_text(PROGRAM)
    config = flinc.path("bin", "flinc-config")
    built = subprocess.run(
        ["sh", "-ec", f'cc -O1 -Wall $("{config}" --cflags) main.c -o main $("{config}" --libs) -Wl,-rpath,"{flinc.home}/lib"'],
        cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([tmp_path / "main", "localhost", str(cluster.port), tmp_path / "sums"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "seen 1000\n", done.stdout + done.stderr
    lines = sorted(line for name in os.listdir(tmp_path / "sums") for line in (tmp_path / "sums" / name).read_text().split())
    assert lines == [f"({k},100)" for k in range(10)]
    refused = subprocess.run([tmp_path / "main", "localhost", "1", tmp_path / "sums"], capture_output=True, text=True)
    assert refused.returncode == 1 and "http://localhost:1" in refused.stderr
