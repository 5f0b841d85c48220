"""The Prometheus reporters of a cluster's processes, scraped by a real Prometheus."""

import json
import subprocess
import urllib.parse
import urllib.request

import pytest
from cluster import free_port

REPORTER = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"


def settings(first_port):
    """Two task managers and a job manager find a port each in the range."""
    return {"metrics.reporters": "prom", "metrics.reporter.prom.factory.class": REPORTER,
            "metrics.reporter.prom.port": f"{first_port}-{first_port + 40}"}


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
    c = cluster(taskmanagers=0, config=settings(free_port()))
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
    c = cluster(taskmanagers=2, slots=2, config=settings(free_port()))
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
