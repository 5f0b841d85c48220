"""Slots that are worth what their slot sharing group asks for: matched, shown over REST, given back, asked for anew after a
loss, under both schedulers; and what is too large, which is said."""

import pytest
from checkpoints import jobs_of

CONFIG = {
    "taskmanager.cpu.cores": 4,
    "taskmanager.memory.process.size": "2g",
    "external-resources": "gpu",
    "external-resource.gpu.amount": 2,
    "slot.request.timeout": "4 s",
}
ADAPTIVE = {
    "jobmanager.scheduler": "adaptive",
    "jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout": "200 ms",
    "jobmanager.adaptive-scheduler.submission.resource-wait-timeout": "4 s",
}
PATIENT = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.delay": "0 s",
    "slot.request.timeout": "1 min",
    "jobmanager.adaptive-scheduler.submission.resource-wait-timeout": "1 min",
}
SMALL, LARGE = "0.25,40,0", "1.5,120,96,1"


@pytest.fixture(params=["default", "adaptive"])
def jobs(request, flinc, tmp_path):
    config = {**CONFIG, **(ADAPTIVE if request.param == "adaptive" else {})}
    with jobs_of(flinc.home, tmp_path / "cluster", config=config) as found:
        yield found


def task_managers(jobs):
    """Their details, when they answer."""
    listed = jobs.cluster.get("/taskmanagers")["taskmanagers"]
    return [jobs.cluster.get(f"/taskmanagers/{t['id']}") for t in listed]


def slots_of(jobs, job):
    """(cpu, heap, managed, gpu) of each slot that the job has, sorted."""
    slots = [s for t in task_managers(jobs) for s in t["allocatedSlots"] if s["jobId"] == job]
    return sorted((r["cpuCores"], r["taskHeapMemory"], r["managedMemory"], r["extendedResources"].get("gpu", 0))
                  for r in (s["resource"] for s in slots))


def wait_until_it_runs(jobs, job):
    jobs.cluster.wait(lambda: jobs.cluster.state(job) == "RUNNING" and jobs.cluster.all_running(job))


def start(jobs, bundle, *args, n=2, **config):
    return jobs.start(bundle("slot_groups"), args, config, n)


def cancel(jobs, job):
    jobs.cluster.cancel(job)
    jobs.cluster.wait_for_state(job, "CANCELED")


def test_slots_are_cut_out_and_given_back(jobs, bundle):
    cluster = jobs.cluster
    (before,) = task_managers(jobs)
    assert before["freeResource"] == before["totalResource"]
    assert before["totalResource"]["extendedResources"] == {"gpu": 2.0}
    job = start(jobs, bundle, "--small", SMALL, "--large", LARGE)
    wait_until_it_runs(jobs, job)
    assert slots_of(jobs, job) == [(0.25, 40, 0, 0)] * 2 + [(1.5, 120, 96, 1.0)] * 2
    (now,) = task_managers(jobs)
    total, free = now["totalResource"], now["freeResource"]
    assert (now["slotsNumber"], now["freeSlots"]) == (2, 0)  # more than two are in use
    assert free["cpuCores"] == total["cpuCores"] - 3.5 == 0.5
    assert free["taskHeapMemory"] == total["taskHeapMemory"] - 320
    assert free["managedMemory"] == total["managedMemory"] - 192
    assert free["extendedResources"] == {}
    assert 0 < free["networkMemory"] < total["networkMemory"]
    overview = cluster.get("/overview")
    assert (overview["slots-total"], overview["slots-available"]) == (2, 0)
    vertices = cluster.get(f"/jobs/{job}")["vertices"]
    assert len({v["slotSharingGroupId"] for v in vertices}) == 2
    cancel(jobs, job)
    cluster.wait(lambda: task_managers(jobs)[0]["freeResource"] == before["totalResource"])
    (after,) = task_managers(jobs)
    assert (after["allocatedSlots"], after["freeSlots"]) == ([], 2)


def test_beside_default_slots(jobs, bundle):
    """One group asks for much, the other one gets a default slot; what is left is too little for a second default one."""
    job = start(jobs, bundle, "--large", "1.5,120,96,1", n=1)
    wait_until_it_runs(jobs, job)
    (tm,) = task_managers(jobs)
    default = tm["totalResource"]["taskHeapMemory"] // 2
    assert slots_of(jobs, job) == [(1.5, 120, 96, 1.0), (2.0, default, tm["totalResource"]["managedMemory"] // 2, 1.0)]
    other = start(jobs, bundle, n=1)  # wants two default slots
    message = jobs.fails(other)
    assert "NoResourceAvailableException" in message and "and has 0 after waiting" in message
    assert jobs.cluster.state(job) == "RUNNING"
    cancel(jobs, job)


def test_too_large_for_any(jobs, bundle):
    job = start(jobs, bundle, "--small", SMALL, "--large", "1,100,64000")
    message = jobs.fails(job)
    assert "NoResourceAvailableException: Could not acquire the minimum required resources" in message
    wanted = "of ResourceProfile{cpuCores=1, taskHeapMemory=100.000mb (104857600 bytes), taskOffHeapMemory=0 bytes, " \
             "managedMemory=62.500gb (67108864000 bytes)"
    assert wanted in message, message
    details = str(jobs.cluster.get(f"/jobs/{job}/exceptions"))
    assert "no task manager is large enough for a slot of ResourceProfile{" in details
    assert "task managers have in total: 1 x ResourceProfile{cpuCores=4, taskHeapMemory=" in details
    assert "gpu=2}" in details


def test_a_lost_task_manager(jobs, bundle):
    """The slots of the killed one are had from another one, as large as before."""
    cluster = jobs.cluster
    job = start(jobs, bundle, "--small", SMALL, "--large", LARGE, **PATIENT)
    wait_until_it_runs(jobs, job)
    wanted = slots_of(jobs, job)
    cluster.leaves_files = True
    cluster.taskmanagers[0].kill()
    cluster.wait(lambda: cluster.get("/overview")["taskmanagers"] == 0)
    cluster.start_task_manager()
    cluster.wait(lambda: slots_of(jobs, job) == wanted)
    wait_until_it_runs(jobs, job)
    cancel(jobs, job)


# ---- bad input ------------------------------------------------------------------------------------

BAD = {
    ("-1,100,0",): "cpu_cores must be between 0 and 1e+09, not -1: give the cores of one slot",
    ("nan,100,0",): "cpu_cores must be between 0 and 1e+09, not",
    ("1,-100,0",): "task_heap_bytes must be between 0 and 1152921504606846976, not -104857600",
    ("1,100,-1",): "managed_bytes must be between 0 and 1152921504606846976, not -1048576",
    ("1,100,0,-2",): "the amount of external resource 'gpu' must be between 0 and 1e+09, not -2",
    ("0,100,0",): "cpu_cores (0) and task_heap_bytes (104857600) are required with the resources of a group",
    ("0,0,100",): "cpu_cores (0) and task_heap_bytes (0) are required with the resources of a group: set both to more "
                  "than 0, or leave all of them out",
    ("1,100,0", "--again", "1"): "slot sharing group 'large' has been configured with two different resource profiles (the "
                                 "first at slot_groups.c:",
}


@pytest.mark.parametrize("large", BAD)
def test_bad_profiles(flinc, bundle, large):
    message = flinc.fail_local(bundle("slot_groups"), "--records", "10", "--large", *large)
    assert BAD[large] in message
    assert "slot_groups.c:" in message


def test_profiles_in_one_process(flinc, bundle):
    """A job that runs in the client's process is not divided: its slots are what they are."""
    flinc.run_local(bundle("slot_groups"), "--records", "1000", "--small", SMALL, "--large", LARGE)
