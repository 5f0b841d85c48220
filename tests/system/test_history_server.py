"""The history server: jobs after their cluster is gone, archives on disk and on S3, leaders that die before they have archived,
archives of others and broken ones, what is kept and what is let go of, scripts, TLS."""

import glob
import json
import os
import shutil
import ssl
import subprocess
import sys
import time

import pytest
from cluster import PATIENCE, Cluster, Process, is_gone
from ha import CountingJob, HaCluster, ha_cluster
from rest_client import Rest, wait_until
from running import free_port
from test_tls import certificates, client, rest_config  # noqa: F401  pylint: disable=unused-import

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
import s3  # noqa: E402  pylint: disable=wrong-import-position

FLINKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "archives")  # written by hand, as Flink writes them
FLINKS_JOB = os.listdir(FLINKS)[0]
ALWAYS = {"historyserver.archive.fs.refresh-interval": "100 ms", "historyserver.web.address": "127.0.0.1"}


class HistoryServer:
    """The program, with a configuration of its own."""

    def __init__(self, home, folder, config, environment=None):
        self.home, self.folder = home, str(folder)
        self.port = free_port()
        self.tmp = os.path.join(self.folder, "tmp")
        conf = os.path.join(self.folder, "conf")
        os.makedirs(conf)
        os.makedirs(self.tmp)
        settings = {**ALWAYS, "historyserver.web.port": self.port, "historyserver.web.tmpdir": self.tmp, **config}
        with open(os.path.join(conf, "config.yaml"), "w", encoding="utf-8") as f:
            f.writelines(f"{key}: {value}\n" for key, value in settings.items())
        self.process = Process("history", os.path.join(home, "libexec", "flinc-historyserver"), ["--configDir", conf],
                               self.folder, environment or {})

    def __enter__(self):
        self.wait(lambda: "Web frontend listening" in self.process.text())
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            assert self.process.stop() == 0, self.process.text()
            assert os.listdir(self.tmp) == [], "copies are left"
        elif self.process.runs():
            self.process.process.kill()
            self.process.wait()

    def wait(self, condition):
        """Its first true value; what the server has said when there is none."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert self.process.runs(), self.process.text()
            assert time.monotonic() < deadline, self.process.text()
            time.sleep(0.02)
        return found

    def get(self, path, status=200):
        return Rest("127.0.0.1", self.port).get(path, status)

    def jobs(self):
        return {job["jid"]: job for job in self.get("/jobs/overview")["jobs"]}

    def wait_for(self, *ids):
        self.wait(lambda: set(self.jobs()) == set(ids))

    def wait_to_say(self, *texts):
        self.wait(lambda: all(text in self.process.text() for text in texts))


def archived(folder):
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []


def paths_of(job):
    """Answers of REST that stay as they are once a job has ended."""
    found = ["", "/config", "/exceptions", "/plan", "/accumulators", "/checkpoints", "/checkpoints/config", "/jobmanager/config"]
    for vertex in job["vertices"]:
        one = f"/vertices/{vertex['id']}"
        found += [one + rest for rest in ("", "/subtasktimes", "/taskmanagers", "/accumulators", "/subtasks/accumulators",
                                          "/subtasks/0", "/subtasks/0/attempts/0", "/subtasks/0/attempts/0/accumulators")]
    return found


def answers_of(c, job):
    found = {}
    for path in paths_of(c.get(f"/jobs/{job}")):
        status, body = c.request("GET", f"/jobs/{job}{path}")
        assert status == 200, (path, body)
        found[path] = body
    checkpoints = found["/checkpoints"]["history"]
    for checkpoint in checkpoints[:2]:
        path = f"/checkpoints/details/{checkpoint['id']}"
        found[path] = c.get(f"/jobs/{job}{path}")
    return found


def test_jobs_that_have_ended(cluster, flinc, bundle, tmp_path):
    """FINISHED, FAILED, CANCELED: the history server says, without the cluster, what REST of the cluster said."""
    archives = tmp_path / "not" / "there" / "yet"
    config = {"historyserver.archive.fs.dir": f"{archives}"}
    with HistoryServer(flinc.home, tmp_path / "history", config) as history:
        assert history.get("/jobs/overview") == {"jobs": []}
        c = cluster(1, 4, {"jobmanager.archive.fs.dir": f"file://{archives}"})
        text = tmp_path / "words.txt"
        text.write_text("one two two\n")
        ended = {}
        for name, args, state in ((flinc.example("wordcount"), ["--input", text], "FINISHED"),
                                  (bundle("task_fails"), [], "FAILED"), (bundle("endless"), [], "CANCELED")):
            settings = {"execution.checkpointing.interval": "50 ms"} if state == "CANCELED" else {}
            job = c.run_jar(c.upload(name), [str(a) for a in args], config=settings)
            if state == "CANCELED":
                c.wait(lambda j=job: (c.try_get(f"/jobs/{j}/checkpoints") or {}).get("counts", {}).get("completed", 0) > 2)
                c.cancel(job)
            c.wait_for_state(job, state)
            ended[job] = state
        history.wait_for(*ended)
        asked = {job: answers_of(c, job) for job in ended}
        live = {job["jid"]: job for job in c.get("/jobs/overview")["jobs"]}
        assert archived(archives) == sorted(ended)
        c.stop()

        assert {job: one["state"] for job, one in history.jobs().items()} == ended
        for job, one in history.jobs().items():
            assert one["tasks"] == live[job]["tasks"] and one["name"] == live[job]["name"]
            assert (one["start-time"], one["end-time"]) == (live[job]["start-time"], live[job]["end-time"])
        for job, answers in asked.items():
            for path, body in answers.items():
                assert history.get(f"/jobs/{job}{path}") == body, path
        found = history.get("/config")
        assert found["features"] == {"web-submit": False, "web-cancel": False, "web-rescale": False, "web-history": True}
        assert history.get("/jobs/" + "0" * 32, 404)["errors"][0].startswith("File not found")
        assert history.get("/taskmanagers", 404)["errors"]
        history.wait_to_say("3 jobs are shown")


def test_archive_is_not_written(cluster, bundle, tmp_path):
    """A folder that takes nothing: the job ends as always, the log says what was given up."""
    (tmp_path / "file").write_text("no folder")
    c = cluster(1, 2, {"jobmanager.archive.fs.dir": f"{tmp_path}/file/below"})
    job = c.run_jar(c.upload(bundle("task_fails")))
    c.wait_for_state(job, "FAILED")
    c.wait(lambda: f"Job {job} is not archived" in c.jobmanager.text())
    assert "jobmanager.archive.fs.dir" in c.jobmanager.text()
    again = c.run_jar(c.upload(bundle("task_fails")))
    c.wait_for_state(again, "FAILED")


def test_archive_is_tried_again(cluster, bundle, tmp_path):
    c = cluster(None, 2, {"jobmanager.archive.fs.dir": f"{tmp_path}/archives"})
    c.start_job_manager(environment={"FLINC_FAILPOINTS": "archive.write.before_rename=error,nth=1"})
    c.start_task_manager()
    c.wait_for_slots(2)
    job = c.run_jar(c.upload(bundle("task_fails")))
    c.wait(lambda: archived(tmp_path / "archives") == [job])
    assert "could not be archived" in c.jobmanager.text()
    assert [name for name in os.listdir(tmp_path / "archives") if name != job] == []


def test_bad_archive_folder(cluster, tmp_path):
    c = cluster(None, 1, {"jobmanager.archive.fs.dir": "gopher://host/archives"})
    process = c.start_job_manager()
    process.expected_exit = 1
    assert process.wait() == 1
    assert "jobmanager.archive.fs.dir" in process.text() and "gopher" in process.text()


def test_application(cluster, flinc, tmp_path):
    """A job manager that ends with its job has archived it."""
    archives = tmp_path / "archives"
    c = cluster(None, 2, {"jobmanager.archive.fs.dir": str(archives)})
    text = tmp_path / "words.txt"
    text.write_text("one two two\n")
    process = c.start_job_manager("--application", "--job-id", "ab" * 16, "--jars", flinc.example("wordcount"),
                                  "--input", text)
    c.start_task_manager()
    assert process.wait() == 0
    assert archived(archives) == ["ab" * 16]


@pytest.mark.parametrize("failpoint", ["dispatcher.history.before", "archive.write.before_rename", "dispatcher.history.after"])
def test_leader_is_killed_before_it_has_archived(flinc, bundle, tmp_path, failpoint):
    """The end of the job is durable: the next leader archives it, does not run it again, and leaves nothing."""
    archives = tmp_path / "archives"
    c = HaCluster(flinc.home, tmp_path / "cluster", config={"jobmanager.archive.fs.dir": str(archives)})
    try:
        c.start_candidate(0, environment={"FLINC_FAILPOINTS": f"{failpoint}=kill"})
        c.port = c.ports[0]
        c.wait_for_leader(0)
        c.start_candidate(1)
        c.start_task_manager()
        c.wait_for_slots(2)
        c.job_managers[0].expected_exit = None
        job = CountingJob(c, bundle, tmp_path, delay_us=0)
        c.wait(lambda: not c.job_managers[0].runs())
        assert c.wait_for_other_leader(0) == 1
        c.wait(lambda: archived(archives) == [job.id])
        c.wait(lambda: c.kept() == [])
        c.wait(lambda: "has been archived" in c.job_managers[1].text())
        assert "Recovering job" not in c.job_managers[1].text()
        with open(archives / job.id, encoding="utf-8") as f:
            found = {e["path"]: json.loads(e["json"]) for e in json.load(f)["archive"]}
        assert found["/jobs/overview"]["jobs"][0]["state"] == "FINISHED"
        assert found[f"/jobs/{job.id}"]["vertices"]
        with HistoryServer(flinc.home, tmp_path / "history", {"historyserver.archive.fs.dir": str(archives)}) as history:
            history.wait_for(job.id)
        c.stop()
    finally:
        c.kill_all()


def test_leader_archives(flinc, bundle, tmp_path):
    """Without any fault: archived once, and nothing is kept afterwards."""
    archives = tmp_path / "archives"
    with ha_cluster(flinc.home, tmp_path / "cluster", config={"jobmanager.archive.fs.dir": str(archives)}) as c:
        job = CountingJob(c, bundle, tmp_path, delay_us=0)
        job.wait_for_end()
        assert archived(archives) == [job.id]


def write_archive(folder, job, name="x", **more):
    os.makedirs(folder, exist_ok=True)
    answers = {"/jobs/overview": {"jobs": [{"jid": job, "name": name, "state": "FINISHED", **more}]}, f"/jobs/{job}": {"jid": job}}
    text = json.dumps({"archive": [{"path": path, "json": json.dumps(body)} for path, body in answers.items()]})
    part = os.path.join(folder, ".part")
    with open(part, "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(part, os.path.join(folder, job))


def test_archives_of_flink_and_bad_ones(flinc, tmp_path):
    """What Flink wrote is shown; what is broken is named and passed over; both folders are looked into."""
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(FLINKS, first)
    write_archive(second, "c" * 32)
    with open(first / FLINKS_JOB, encoding="utf-8") as f:
        good = f.read()
    bad = {
        "1" * 32: "hello",
        "2" * 32: "",
        "3" * 32: good[:len(good) // 2].replace(FLINKS_JOB, "3" * 32),
        "4" * 32: json.dumps({"archive": [{"path": "/jobs/../../../etc/passwd", "json": "{}"}]}),
        "5" * 32: good,  # of another job
        "6" * 32: '{"archive":' + "[" * 100000,
        "7" * 32: json.dumps({"archive": []}),
        "8" * 32: json.dumps({"archive": [{"path": "/jobs/overview", "json": '{"jobs":[{"jid":"' + "8" * 32 + '","name":"'
                                           + "n" * 1000000 + '"}]}'}]}),
    }
    for name, text in bad.items():
        (first / name).write_text(text)
    with open(first / ("9" * 32), "wb") as f:  # enormous
        f.truncate(5 << 30)
    (first / "README").write_text("no archive")
    os.mkdir(first / ("d" * 32))
    config = {"historyserver.archive.fs.dir": f"{first},file://{second}, {tmp_path}/missing, gopher://x/y"}
    with HistoryServer(flinc.home, tmp_path / "history", config) as history:
        history.wait_for(FLINKS_JOB, "c" * 32)
        history.wait_to_say(*(f"{first}/{name} is passed over" for name in [*bad, "9" * 32]), "missing does not exist yet",
                            "gopher://x/y (historyserver.archive.fs.dir) will not be looked into")
        archive = json.loads(good)["archive"]
        assert len(archive) > 10
        for entry in archive[1:]:
            assert history.get(entry["path"]) == json.loads(entry["json"]), entry["path"]
        assert history.jobs()[FLINKS_JOB] == json.loads(archive[0]["json"])["jobs"][0]
        # One that is mended is shown.
        write_archive(first, "1" * 32)
        history.wait_for(FLINKS_JOB, "c" * 32, "1" * 32)


def test_expired_jobs(flinc, tmp_path):
    archives = tmp_path / "archives"
    for letter in "abc":
        write_archive(archives, letter * 32)
    config = {"historyserver.archive.fs.dir": archives, "historyserver.archive.clean-expired-jobs": "true"}
    with HistoryServer(flinc.home, tmp_path / "history", config) as history:
        history.wait_for("a" * 32, "b" * 32, "c" * 32)
        os.unlink(archives / ("b" * 32))
        history.wait_for("a" * 32, "c" * 32)
        assert history.get(f"/jobs/{'b' * 32}", 404)["errors"]
        write_archive(archives, "d" * 32)
        history.wait_for("a" * 32, "c" * 32, "d" * 32)


def test_retained_jobs(flinc, tmp_path):
    """The newest ones stay, here and in the folder."""
    archives = tmp_path / "archives"
    now = time.time()
    for age, letter in enumerate("abcd"):
        write_archive(archives, letter * 32)
        os.utime(archives / (letter * 32), (now - age * 100, now - age * 100))
    config = {"historyserver.archive.fs.dir": archives, "historyserver.archive.retained-jobs": "3",
              "historyserver.archive.retained-ttl": "150 s"}
    with HistoryServer(flinc.home, tmp_path / "history", config) as history:
        history.wait_for("a" * 32, "b" * 32)
        history.wait(lambda: archived(archives) == ["a" * 32, "b" * 32])
        for letter in "ef":
            write_archive(archives, letter * 32)
        history.wait(lambda: len(archived(archives)) == 3 and "b" * 32 not in archived(archives))
        history.wait_for("a" * 32, "e" * 32, "f" * 32)


def test_thousands_of_archives(flinc, tmp_path):
    """All are shown, and memory stays small."""
    archives = tmp_path / "archives"
    ids = [f"{i:032x}" for i in range(3000)]
    padding = {"padding": "x" * 10000}
    for job in ids:
        write_archive(archives, job, name="job " + job)
        with open(archives / job, "r+", encoding="utf-8") as f:
            text = json.load(f)
            text["archive"].append({"path": f"/jobs/{job}/config", "json": json.dumps(padding)})
            f.seek(0)
            json.dump(text, f)
    with HistoryServer(flinc.home, tmp_path / "history", {"historyserver.archive.fs.dir": archives}) as history:
        history.wait(lambda: len(history.jobs()) == len(ids))
        assert history.get(f"/jobs/{ids[1234]}/config") == padding
        with open(f"/proc/{history.process.pid}/status", encoding="ascii") as f:
            peak_kb = int(next(line.split()[1] for line in f if line.startswith("VmHWM")))
        assert peak_kb < 100 * 1024, peak_kb


def test_bad_configuration(flinc, tmp_path):
    """What cannot start says which key is wrong, and ends with 1."""
    for number, (config, said) in enumerate((
            ({}, "historyserver.archive.fs.dir"),
            ({"historyserver.archive.fs.dir": "gopher://a/b"}, "none of 'gopher://a/b'"),
            ({"historyserver.archive.fs.dir": "/x", "historyserver.archive.retained-jobs": "0"}, "historyserver.archive.retained-jobs"),
            ({"historyserver.archive.fs.dir": "/x", "historyserver.web.ssl.enabled": "true"}, "security.ssl.rest.enabled"),
    )):
        history = HistoryServer(flinc.home, tmp_path / str(number), config)
        assert history.process.wait() == 1
        assert said in history.process.text()


def test_tls(flinc, tmp_path, certificates):  # noqa: F811
    archives = tmp_path / "archives"
    write_archive(archives, "a" * 32)
    config = {"historyserver.archive.fs.dir": archives, "historyserver.web.ssl.enabled": "true",
              "historyserver.web.address": "localhost", **rest_config(certificates, mutual=False)}
    server = HistoryServer(flinc.home, tmp_path / "history", config)
    with server:
        def listing(context):
            import urllib.request  # pylint: disable=import-outside-toplevel
            with urllib.request.urlopen(f"https://localhost:{server.port}/jobs/overview", context=context, timeout=PATIENCE) as rs:
                return json.load(rs)["jobs"]

        server.wait(lambda: listing(client(certificates, None)))
        with pytest.raises(OSError) as refused:
            listing(ssl.create_default_context())
        assert "CERTIFICATE_VERIFY_FAILED" in str(refused.value)


def test_on_s3(flinc, bundle, tmp_path):
    """Archives in a bucket: written, shown, deleted."""
    server = s3.server(tmp_path / "s3").start()
    try:
        server.make_bucket("history")
        c = Cluster(flinc.home, tmp_path / "cluster", 2,
                    {**server.config(), "jobmanager.archive.fs.dir": "s3://history/jobs/done"}).start(1)
        try:
            first = c.run_jar(c.upload(bundle("task_fails")))
            c.wait_for_state(first, "FAILED")
            config = {**server.config(), "historyserver.archive.fs.dir": "s3://history/jobs/done",
                      "historyserver.archive.retained-jobs": "1"}
            with HistoryServer(flinc.home, tmp_path / "history", config) as history:
                history.wait_for(first)
                asked = answers_of(c, first)
                for path, body in asked.items():
                    assert history.get(f"/jobs/{first}{path}") == body, path
                # Times of objects may have whole seconds.
                wait_for_next_second()
                second = c.run_jar(c.upload(bundle("task_fails")))
                c.wait_for_state(second, "FAILED")
                history.wait_for(second)
                history.wait(lambda: [os.path.basename(n) for n in server.names("history/jobs/done")] == [second])
            c.stop()
        finally:
            c.kill_all()
    finally:
        server.stop()


def wait_for_next_second():
    start = int(time.time())
    wait_until(lambda: int(time.time()) > start + 1)


def test_script(flinc, tmp_path):
    """historyserver.sh as the other scripts: messages, pid file, log; status says whether one runs."""
    archives, conf = tmp_path / "archives", tmp_path / "conf"
    write_archive(archives, "a" * 32)
    conf.mkdir()
    port = free_port()
    with open(conf / "config.yaml", "w", encoding="utf-8") as f:
        f.writelines(f"{key}: {value}\n" for key, value in {
            **ALWAYS, "historyserver.archive.fs.dir": archives, "historyserver.web.port": port, "io.tmp.dirs": tmp_path / "tmp"}.items())
    environment = {**os.environ, "FLINK_CONF_DIR": str(conf), "FLINK_LOG_DIR": str(tmp_path / "log"),
                   "FLINK_PID_DIR": str(tmp_path / "pid"), "FLINK_IDENT_STRING": "me"}
    host = subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip()

    def call(*args):
        return subprocess.run([os.path.join(flinc.home, "bin", "historyserver.sh"), *args], text=True, capture_output=True,
                              env=environment, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)

    def pids():
        with open(tmp_path / "pid" / "flink-me-historyserver.pid", encoding="ascii") as f:
            return [int(line) for line in f]

    assert call("status").returncode == 3
    assert call("what").returncode == 1 and "Usage: historyserver.sh" in call("what").stderr
    started = []
    try:
        done = call("start")
        started += pids()
        assert done.stdout.splitlines() == [f"Starting historyserver daemon on host {host}."], done
        pid = pids()[0]

        def listed():
            try:
                return Rest("127.0.0.1", port).get("/jobs/overview")["jobs"]
            except OSError:
                return None

        wait_until(lambda: listed() and listed()[0]["jid"] == "a" * 32, PATIENCE)
        done = call("status")
        assert (done.returncode, done.stdout.strip()) == (0, f"Daemon historyserver (pid: {pid}) is running on {host}.")
        assert glob.glob(str(tmp_path / "log" / "flink-me-historyserver-0-*.log"))
        done = call("stop")
        assert done.stdout.splitlines() == [f"Stopping historyserver daemon (pid: {pid}) on host {host}."]
        assert is_gone(pid) and os.listdir(tmp_path / "tmp") == []
        assert call("status").returncode == 3
        assert call("stop").stdout.splitlines() == [f"No historyserver daemon to stop on host {host}."]
        call("start")
        started += pids()
        assert call("stop-all").returncode == 0
    finally:
        for pid in started:
            if not is_gone(pid):
                os.kill(pid, 9)
