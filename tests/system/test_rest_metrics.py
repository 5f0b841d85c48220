"""Metrics over REST, as a benchmark runner, an autoscaler and a dashboard ask for them."""

from rest_client import Rest


def test_metrics_of_a_running_job(cluster, bundle):
    c = cluster(taskmanagers=2, slots=1)
    rest = Rest("localhost", c.port)
    job = c.run_jar(c.upload(bundle("endless")), parallelism=2)
    c.wait(lambda: c.all_running(job))
    source, sink = rest.get(f"/jobs/{job}")["vertices"]
    base = f"/jobs/{job}/vertices/{source['id']}/subtasks/metrics"

    # The benchmark's runner: an id, then its sum, which must not vanish.
    def rate_id():
        ids = [m["id"] for m in rest.get(base)]
        return next((i for i in ids if i.startswith("Source_") and i.endswith(".numRecordsOutPerSecond")), None)

    name = c.wait(rate_id)
    assert isinstance(rest.get(f"{base}?get={name}")[0]["sum"], (int, float))
    c.wait(lambda: rest.get(f"{base}?get=numRecordsOut")[0]["min"] > 0)

    both = rest.get(f"{base}?get=numRecordsOut&agg=min,max,sum")[0]
    assert set(both) == {"id", "min", "max", "sum"} and both["min"] <= both["max"] < both["sum"]
    assert set(rest.get(f"{base}?get=numRecordsOut")[0]) == {"id", "min", "max", "avg", "sum", "skew"}
    one = rest.get(f"{base}?get=numRecordsOut&agg=min,max&subtasks=1")[0]
    assert one["min"] == one["max"]
    assert rest.get(f"{base}?get=numRecordsOut,none") == []  # one without a value: none at all
    assert rest.ask("GET", f"{base}?get=numRecordsOut&agg=median").status == 400
    assert rest.ask("GET", f"{base}?get=numRecordsOut&subtasks=x").status == 400

    listed = rest.get(f"/jobs/{job}/vertices/{source['id']}/metrics?get=1.numRecordsOut,0.numRecordsOut,none")
    assert [m["id"] for m in listed] == ["1.numRecordsOut", "0.numRecordsOut"]
    assert all(isinstance(m["value"], str) and int(m["value"]) > 0 for m in listed)
    times = f"/jobs/{job}/vertices/{sink['id']}/subtasks/0/metrics?get=busyTimeMsPerSecond,idleTimeMsPerSecond"
    c.wait(lambda: len(rest.get(times)) == 2)  # the sink's task manager may not have answered yet
    subtask = rest.get(times)
    assert all(0 <= float(m["value"]) <= 1000 for m in subtask)
    assert rest.ask("GET", f"/jobs/{job}/vertices/{sink['id']}/subtasks/2/metrics").status == 404

    # A slow sink: its source waits for it.
    c.wait(lambda: rest.get(f"/jobs/{job}/vertices/{source['id']}/backpressure")["backpressure-level"] == "high")
    pressure = rest.get(f"/jobs/{job}/vertices/{source['id']}/backpressure")["subtasks"]
    assert all(0 <= s["ratio"] <= 1 and 0 <= s["busyRatio"] <= 1 for s in pressure)

    # The operator's health check, and the autoscaler.
    values = {m["id"]: m["value"] for m in rest.get(f"/jobs/{job}/metrics?get=fullRestarts,numRestarts,uptime")}
    assert values["fullRestarts"] == values["numRestarts"] == "0" and int(values["uptime"]) >= 0
    assert rest.get(f"/jobs/metrics?get=numRestarts&jobs={job}&agg=sum") == [{"id": "numRestarts", "sum": 0.0}]
    heap = rest.get("/taskmanagers/metrics?get=Status.JVM.Memory.Heap.Used,Status.JVM.Memory.Heap.Max")
    assert [m["id"] for m in heap] == ["Status.JVM.Memory.Heap.Used", "Status.JVM.Memory.Heap.Max"]
    assert all(0 < m["min"] <= m["max"] for m in heap)
    tm = rest.get("/taskmanagers")["taskmanagers"][0]["id"]
    assert rest.get(f"/taskmanagers/metrics?get=Status.JVM.Memory.Heap.Max&taskmanagers={tm}")[0]["skew"] == 0
    assert len(rest.get(f"/taskmanagers/{tm}/metrics")) > 10
    slots = {m["id"]: m["value"] for m in rest.get("/jobmanager/metrics?get=taskSlotsTotal,taskSlotsAvailable,numRunningJobs")}
    assert slots == {"taskSlotsTotal": "2", "taskSlotsAvailable": "0", "numRunningJobs": "1"}


NATIVE = ("estimate-num-keys", "total-sst-files-size", "live-sst-files-size", "num-running-compactions", "background-errors",
          "block-cache-usage", "num-files-at-level", "bytes-written", "block-cache-hit", "stall-micros")


def test_metrics_of_rocksdb(cluster, bundle, tmp_path):
    """Those that are switched on, under the names that Flink has for them, and those of the cache; no other."""
    c = cluster(taskmanagers=1, slots=1)
    rest = Rest("localhost", c.port)
    (tmp_path / "in").mkdir()
    for i in range(4):
        (tmp_path / "in" / f"{i}.txt").write_text("".join(f"key {k * 7919 % 90001}\n" for k in range(i * 20000, i * 20000 + 20000)))
    job = c.run_jar(c.upload(bundle("recovery")), ["--input", tmp_path / "in", "--output", tmp_path / "out", "--delay-us", "100"],
                    parallelism=1, config={
        "state.backend.type": "rocksdb",
        "state.backend.rocksdb.memory.fixed-per-tm": "256 kb",
        "state.backend.rocksdb.block.cache-size": "1 mb",
        "execution.checkpointing.interval": "200 ms",
        **{f"state.backend.rocksdb.metrics.{name}": "true" for name in NATIVE}})
    c.wait(lambda: c.all_running(job))
    vertex = rest.get(f"/jobs/{job}")["vertices"][-1]["id"]
    base = f"/jobs/{job}/vertices/{vertex}/subtasks/0/metrics"

    def value(name):
        found = rest.get(f"{base}?get={name}")
        return int(found[0]["value"]) if found else 0

    state = "Keyed_Aggregation._op_state.rocksdb."
    c.wait(lambda: value(state + "estimate-num-keys") > 1000 and value("Keyed_Aggregation.stateCache.numMisses") > 0)
    c.wait(lambda: value(state + "total-sst-files-size") > 10000 and value("Keyed_Aggregation.stateCache.bytes") > 1000)
    ids = {m["id"] for m in rest.get(base) if "ocksdb" in m["id"]}
    assert ids == {state + name for name in NATIVE[:6]} | {f"{state}num-files-at-level{i}" for i in range(7)} | {
        f"Keyed_Aggregation.rocksdb.{name}" for name in ("bytes_written", "block_cache_hit", "stall_micros")}, ids
    assert value(state + "background-errors") == 0
    c.cancel(job)
    c.wait_for_state(job, "CANCELED")


def test_what_sources_have_pending(cluster, bundle, tmp_path):
    """Of numbers those that are left, with a rate those that are due; of files the bytes of the splits in hand."""
    c = cluster(taskmanagers=1, slots=2)
    rest = Rest("localhost", c.port)
    (tmp_path / "in").mkdir()
    for i in range(2):
        (tmp_path / "in" / f"{i}.txt").write_text("".join(f"key {k % 100}\n" for k in range(20000)))
    size = sum(f.stat().st_size for f in (tmp_path / "in").iterdir())

    def begin(name, args, parallelism):
        """The job, and the sum of a gauge over its sources; None: there is no such gauge."""
        job = c.run_jar(c.upload(bundle(name)), args, parallelism, {"taskmanager.memory.segment-size": "4 kb"})
        c.wait(lambda: c.all_running(job))
        source = next(v["id"] for v in rest.get(f"/jobs/{job}")["vertices"] if v["name"].startswith("Source"))
        base = f"/jobs/{job}/vertices/{source}/subtasks/metrics"

        def pending(what):
            ids = [m["id"] for m in rest.get(base) if m["id"].startswith("Source_") and m["id"].endswith(".pending" + what)]
            found = rest.get(f"{base}?get={ids[0]}") if ids else []
            return found[0]["sum"] if found else None

        return job, pending

    def end(job):
        c.cancel(job)
        c.wait_for_state(job, "CANCELED")

    job, pending = begin("stateful", ["--records", 1000000, "--slow", 20], 2)
    seen = c.wait(lambda: pending("Records"))
    assert 0 < seen < 1000000
    c.wait(lambda: 0 < pending("Records") < seen)
    assert pending("Bytes") is None
    end(job)

    job, pending = begin("stateful", ["--rate", 100], 1)  # nothing holds it up
    c.wait(lambda: pending("Records") is not None)
    assert pending("Records") < 100
    end(job)

    job, pending = begin("stateful", ["--rate", 500000, "--slow", 1000], 1)  # a second's worth, when it is held up for longer
    assert c.wait(lambda: (pending("Records") or 0) >= 400000)
    assert pending("Records") <= 500000
    end(job)

    job, pending = begin("stateful", ["--slow", 1000], 1)  # without an end and a rate nobody knows
    c.wait(lambda: rest.get(f"/jobs/{job}")["vertices"][0]["metrics"]["write-records"] > 0)
    assert pending("Records") is None
    end(job)

    job, pending = begin("recovery", ["--input", tmp_path / "in", "--output", tmp_path / "out", "--delay-us", 100], 1)
    seen = set()
    c.wait(lambda: seen.add(pending("Bytes")) or len(seen - {None}) > 1)
    assert all(0 <= n < size for n in seen - {None}) and pending("Records") is None
    c.wait_for_state(job, "FINISHED")
