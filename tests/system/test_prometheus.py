"""The Prometheus reporters of a cluster's processes, scraped by a real Prometheus."""

import json
import subprocess
import urllib.parse
import urllib.request

import pytest
from cluster import free_port

REPORTER = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"


def settings():
    """Two task managers and a job manager find a port each.  They are ports of these processes alone: of a range the
    processes might take one that another server has been given."""
    ports = [free_port() for _ in range(5)]
    return {"metrics.reporters": "prom", "metrics.reporter.prom.factory.class": REPORTER,
            "metrics.reporter.prom.port": ",".join(map(str, ports))}


def scrape(port):
    with urllib.request.urlopen(f"http://localhost:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return answer.read().decode()


def port_of(cluster, process):
    said = cluster.wait(lambda: next((line for line in process.text().splitlines()
                                      if "Prometheus reporter prom answers on port" in line), None))
    return int(said.split("answers on port")[1].split()[0])


def check(text):
    """promtool finds no syntax error (3: matters of taste, such as names with capitals)."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 3), done.stderr


class Prometheus:
    def __init__(self, folder, targets):
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(json.dumps({  # JSON is YAML
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [{"job_name": "flinc",
                                "static_configs": [{"targets": [f"localhost:{t}" for t in targets]}]}]}))
        with open(folder / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)

    def query(self, expression):
        """[(labels, value)], empty while there is nothing or Prometheus starts."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found = json.load(answer)["data"]["result"]
        except OSError:
            return []
        return [(r["metric"], float(r["value"][1])) for r in found]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def prometheus(tmp_path):
    started = []

    def start(targets):
        started.append(Prometheus(tmp_path, targets))
        return started[-1]

    yield start
    for p in started:
        p.stop()


def test_a_job_manager_is_scraped(cluster, prometheus):
    c = cluster(taskmanagers=0, config=settings())
    port = port_of(c, c.jobmanager)
    text = scrape(port)
    check(text)
    for name in ("Status_JVM_CPU_Load", "Status_JVM_Memory_Heap_Used", "Status_JVM_Threads_Count",
                 "numRegisteredTaskManagers", "numRunningJobs", "taskSlotsAvailable", "taskSlotsTotal"):
        assert f"# TYPE flink_jobmanager_{name} gauge\n" in text, name
    p = prometheus([port])
    assert c.wait(lambda: p.query("up"))[0][1] == 1
    (labels, used), = c.wait(lambda: p.query("flink_jobmanager_Status_JVM_Memory_Heap_Used"))
    assert used > 0 and labels["host"]
    (_, most), = p.query("flink_jobmanager_Status_JVM_Memory_Heap_Max")
    assert most > used
    assert p.query("flink_jobmanager_taskSlotsTotal")[0][1] == 0


def test_a_whole_cluster_is_scraped(cluster, prometheus, bundle):
    c = cluster(taskmanagers=2, slots=2, config=settings())
    ports = [port_of(c, process) for process in c.all]
    assert len(set(ports)) == 3
    for port in ports:
        check(scrape(port))
    p = prometheus(ports)
    c.wait(lambda: [v for _, v in p.query("up")] == [1, 1, 1])
    c.wait(lambda: [v for _, v in p.query("flink_jobmanager_taskSlotsTotal")] == [4])
    job = c.run_jar(c.upload(bundle("endless")), parallelism=2)
    c.wait(lambda: c.all_running(job))
    c.wait(lambda: [v for _, v in p.query("flink_jobmanager_numRunningJobs")] == [1])
    labels, uptime = c.wait(lambda: p.query(f'flink_jobmanager_job_uptime{{job_id="{job}"}} > 0'))[0]
    assert uptime > 0 and labels["job_name"]
    used = c.wait(lambda: p.query("flink_taskmanager_Status_JVM_Memory_Heap_Used"))
    assert len(used) == 2 and len({labels["tm_id"] for labels, _ in used}) == 2


TM_LABELS = {"host", "tm_id"}
TASK_LABELS = TM_LABELS | {"job_id", "job_name", "task_id", "task_name", "subtask_index", "task_attempt_id",
                           "task_attempt_num"}
OPERATOR_LABELS = TASK_LABELS | {"operator_id", "operator_name"}
PROMETHEUS_LABELS = {"__name__", "instance", "job"}  # that every sample has


def test_tasks_and_operators_are_scraped(cluster, prometheus, bundle):
    """A job of two vertices, a subtask of each on each of two task managers: what their workers count is shown by the
    task managers, under Flink's names and labels."""
    c = cluster(taskmanagers=2, slots=1, config=settings())
    ports = [port_of(c, process) for process in c.taskmanagers]
    p = prometheus(ports)
    threads = {port: value_of(scrape(port), "flink_taskmanager_Status_JVM_Threads_Count") for port in ports}
    job = c.run_jar(c.upload(bundle("endless")), ["metered"], parallelism=2)
    c.wait(lambda: c.all_running(job))
    source, sink = c.get(f"/jobs/{job}")["vertices"]

    def of_each_subtask(name, vertex, least=0):
        expression = f'flink_taskmanager_job_task_{name}{{job_id="{job}",task_id="{vertex["id"]}"}}'
        return c.wait(lambda: (found := p.query(expression)) and len(found) == 2 and
                      all(value >= least for _, value in found) and found)

    found = of_each_subtask("numRecordsIn", sink, 1)
    assert all(set(labels) == TASK_LABELS | PROMETHEUS_LABELS for labels, _ in found), found
    assert {labels["subtask_index"] for labels, _ in found} == {"0", "1"}
    assert len({labels["tm_id"] for labels, _ in found}) == 2
    assert {(labels["job_name"], labels["task_attempt_num"]) for labels, _ in found} == {("metered", "0")}
    of_each_subtask("busyTimeMsPerSecond", sink, 1)
    of_each_subtask("numRecordsOutPerSecond", source, 1)
    of_each_subtask("buffers_inputQueueLength", sink)
    operators = c.wait(lambda: [o for o in p.query(
        f'flink_taskmanager_job_task_operator_numRecordsIn{{job_id="{job}",operator_name="Slow"}}') if o[1] > 0])
    assert all(set(labels) == OPERATOR_LABELS | PROMETHEUS_LABELS for labels, _ in operators), operators
    assert operators[0][0]["task_id"] == sink["id"]

    # What a worker's process takes counts as its task manager's, and only once.
    for port in ports:
        text = scrape(port)
        check(text)
        assert value_of(text, "flink_taskmanager_Status_JVM_Threads_Count") >= threads[port] + 3
    assert len(p.query("flink_taskmanager_Status_JVM_Threads_Count")) == 2
    by_rest = c.get("/taskmanagers/metrics?get=Status.JVM.Threads.Count")[0]
    assert by_rest["min"] >= min(threads.values()) + 3

    c.cancel(job)
    c.wait_for_state(job, "CANCELED")
    c.wait(lambda: all("flink_taskmanager_job_" not in scrape(port) for port in ports))


def value_of(text, name):
    """The value of a metric that one process shows once."""
    value, = (line.split()[-1] for line in text.splitlines() if line.startswith(name + "{"))
    return float(value)
