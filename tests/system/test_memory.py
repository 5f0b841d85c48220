"""The memory of workers under load: a slow consumer slows its producers down and lets nothing grow."""

import os

from cluster import PATIENCE

MB = 1 << 20
OVERHEAD = 48 * MB  # TASKWORKER_OVERHEAD_BYTES: code, stacks, control messages


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        _, resident, shared = map(int, f.read().split()[:3])
    return (resident - shared) * os.sysconf("SC_PAGESIZE")


def test_a_slow_consumer_is_back_pressure_and_no_growth(cluster, bundle):
    c = cluster(taskmanagers=2, slots=1)
    job = c.run_jar(c.upload(bundle("slow_sink")), parallelism=2)
    c.wait(lambda: c.all_running(job))
    source, sink = c.get(f"/jobs/{job}")["vertices"]

    def taken():
        found = c.get(f"/jobs/{job}/vertices/{sink['id']}/subtasks/metrics?get=numRecordsIn&agg=min")
        return found[0]["min"] if found else 0

    pressure = f"/jobs/{job}/vertices/{source['id']}/backpressure"
    c.wait(lambda: c.get(pressure).get("backpressure-level") == "high")
    network = c.get("/taskmanagers/metrics?get=Status.Shuffle.Netty.TotalMemory&agg=min")[0]["min"]
    workers, begin, most = c.workers(), taken(), 0
    assert len(workers) == 2

    def took_its_time():
        nonlocal most
        most = max(most, *map(anonymous_bytes, workers))
        return taken() >= begin + 10000

    c.wait(took_its_time, PATIENCE)
    # What a worker holds: its slot's network memory, not what the source could make meanwhile.
    assert 0 < most <= network + OVERHEAD, (most / MB, network / MB)
    assert c.get(pressure)["backpressure-level"] == "high"
    c.cancel(job)
    c.wait_for_state(job, "CANCELED")
    c.wait_for_slots(2)
