"""The checker: a few rounds, and the proof that it finds bugs and leaks; scripts/chaos.sh has more."""

import os
import re
import shutil
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "faults"))
import chaos  # noqa: E402
import follow  # noqa: E402
import leaks  # noqa: E402
import loss  # noqa: E402


@pytest.fixture(scope="module")
def checker(flinc, tmp_path_factory):
    return chaos.build_checker(flinc.home, str(tmp_path_factory.mktemp("checker")))


@pytest.mark.parametrize("seed, rounds", [(1, 2), (3, 2), (5, 1)])
def test_exactly_once(flinc, checker, seed, rounds):
    chaos.run_cluster(flinc.home, checker, seed, rounds)


@pytest.mark.parametrize("name", sorted(chaos.PLANTED))
def test_planted_bugs_are_found(flinc, checker, name):
    assert chaos.find_planted(flinc.home, checker, name, seed=1), chaos.PLANTED[name][0]


def test_a_deadlock_is_seen(flinc, checker):
    """Producers wait for credit that never comes: the watchdog ends the round with that cause, and what every thread of every
    process waited for is kept; the workers have told it by themselves."""
    with pytest.raises(chaos.Violation, match=f"standstill: nothing has moved for {chaos.STANDSTILL_S} s") as violation:
        chaos.run_cluster(flinc.home, checker, seed=1, failpoints="planted.network.credit_is_lost=error")
    folder = violation.value.folder
    with open(os.path.join(folder, "stacks.txt"), encoding="utf-8") as f:
        places = {text.split()[0]: text for text in f.read().split("==== ")[1:]}
    assert len(places) == 1 + loss.TASK_MANAGERS and '"dispatcher" Id=' in places["/jobmanager"]
    told = "\n".join(places.values())
    for subtask in ("Co-Process-Broadcast-Keyed (1/2)", "Co-Process-Broadcast-Keyed (2/2)"):
        assert re.search(f'"{re.escape(subtask)}" Id=\\d+ WAITING\n\tat ', told), told
    logs = [os.path.join(folder, name) for name in os.listdir(folder) if "taskworker" in name]
    said = ""
    for path in logs:
        with open(path, encoding="utf-8") as f:
            said += f.read()
    assert "nothing has moved for" in said, said[-5000:]
    shutil.rmtree(folder)


def test_short_jobs_leave_nothing(flinc, checker):
    """Slots, processes, files, descriptors and threads; memory is judged over more jobs (scripts/chaos.sh --leaks)."""
    leaks.Jobs(flinc.home, checker).run(jobs=9, checkpoints=0, settling=6)


def test_places_of_faults_are_places():
    """A failpoint that nobody passes injects nothing."""
    rules = ";".join([*chaos.FAILPOINTS, chaos.EARLY_DEATHS, *(f"planted.{n}=error" for n in
                      [*chaos.PLANTED, *chaos.PLANTED_NIGHTLY, *leaks.PLANTED])])
    sources = []
    for room in ("engine", "jobmanager", "taskmanager"):
        for folder, _, names in os.walk(os.path.join(TOP, room)):
            for name in names:
                if name.endswith(".c"):
                    with open(os.path.join(folder, name), encoding="utf-8") as f:
                        sources.append(f.read())
    for rule in rules.split(";"):
        place = rule.split("=")[0].removeprefix("planted.")
        assert any(f'"{place}"' in text for text in sources), place


def test_lines_are_followed_in_their_order(tmp_path):
    """Whatever times they bear: clocks are shifted."""
    follower = follow.Follower(str(tmp_path / "jm*.log"), r"Completed checkpoint (\d+)")
    follower.stop()
    for name, text in (("jm0-1", "23:00 Completed checkpoint 1\n23:01 Compl"), ("jm1-1", "22:00 Completed checkpoint 2\n"),
                       ("jm0-1", "eted checkpoint 3\n")):
        with open(tmp_path / f"{name}.log", "a", encoding="utf-8") as f:
            f.write(text)
        found = follower.look()
    assert [(look, numbers) for look, _, numbers in found] == [(follower.looks - 2, ("1",)), (follower.looks - 1, ("2",)),
                                                             (follower.looks, ("3",))]
