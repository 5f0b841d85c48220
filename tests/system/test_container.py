"""The image: its entry point without a container engine, the compose files, and podman build where it can run."""

import os
import shutil
import subprocess

import pytest
import yaml

HELP = "Usage: docker-entrypoint.sh (jobmanager|standalone-job|taskmanager|history-server|help)"


@pytest.fixture
def image(flinc, top, tmp_path):
    """entry(*args, **variables) runs the entry point on a copy of the distribution whose programs print their
    arguments."""
    home = tmp_path / "flink"
    shutil.copytree(flinc.home, home, symlinks=True)
    for name in ("jobmanager.sh", "taskmanager.sh", "standalone-job.sh", "historyserver.sh"):
        (home / "bin" / name).write_text('#!/bin/sh\necho "RUN $(basename "$0") $*"\n')

    def entry(*args, **variables):
        # A user that there is not: the test need not be root.
        environment = {"PATH": os.environ["PATH"], "FLINK_HOME": str(home), "HOSTNAME": "box", **variables}
        done = subprocess.run([os.path.join(top, "docker", "docker-entrypoint.sh"), *args], env=environment,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        return done.returncode, done.stdout, done.stderr

    entry.home = home
    return entry


def configuration(entry):
    with open(entry.home / "conf" / "config.yaml", encoding="utf-8") as f:
        return yaml.safe_load(f)


def test_help(image):
    for args in ((), ("help",)):
        code, out, _ = image(*args)
        assert code == 0 and HELP in out


def test_commands(image):
    for command, says, runs in (
        ("jobmanager", "Starting Job Manager", "RUN jobmanager.sh start-foreground a b"),
        ("standalone-job", "Starting Job Manager", "RUN standalone-job.sh start-foreground a b"),
        ("taskmanager", "Starting Task Manager", "RUN taskmanager.sh start-foreground a b"),
        ("history-server", "Starting History Server", "RUN historyserver.sh start-foreground a b"),
    ):
        code, out, err = image(command, "a", "b", DISABLE_JEMALLOC="true")
        assert code == 0, err
        assert says in out and runs in out and "Disabling Jemalloc" in out
    assert image("echo", "anything else")[1] == "anything else\n"


def test_properties(image):
    code, _, err = image("taskmanager", JOB_MANAGER_RPC_ADDRESS="boss", TASK_MANAGER_NUMBER_OF_TASK_SLOTS="7", WHERE="/x",
                         FLINK_PROPERTIES="\n parallelism.default : 5 \n# none\nstate.dir: ${WHERE}/y\n")
    assert code == 0, err
    conf = configuration(image)
    assert conf["jobmanager.rpc.address"] == "boss" and conf["taskmanager.numberOfTaskSlots"] == 7
    assert conf["blob.server.port"] == 6124 and conf["query.server.port"] == 6125
    assert conf["parallelism.default"] == 5 and conf["state.dir"] == "/x/y"


def test_plugins(image):
    (image.home / "opt" / "extra.so").write_text("")
    code, out, _ = image("jobmanager", ENABLE_BUILT_IN_PLUGINS="extra.so")
    assert code == 0 and "Successfully enabled extra.so" in out
    assert (image.home / "plugins" / "extra" / "extra.so").exists()
    code, _, err = image("jobmanager", ENABLE_BUILT_IN_PLUGINS="none.so")
    assert code == 1 and "none.so does not exist" in err


@pytest.mark.parametrize("name, command", [("session", "jobmanager"), ("application", "standalone-job")])
def test_compose(top, name, command):
    with open(os.path.join(top, "docker", f"compose.{name}.yaml"), encoding="utf-8") as f:
        compose = yaml.safe_load(f)
    services = compose["services"]
    assert set(services) == {"jobmanager", "taskmanager"}
    assert services["jobmanager"]["command"].split()[0] == command and services["jobmanager"]["ports"] == ["8081:8081"]
    for service in services.values():
        assert service["image"] == "flinc:latest"
        lines = yaml.safe_load(service["environment"]["FLINK_PROPERTIES"])
        assert lines["jobmanager.rpc.address"] == "jobmanager"
    assert os.path.exists(os.path.join(top, services["jobmanager"]["build"]["dockerfile"]))


def test_compose_by_docker_compose(top):
    if shutil.which("docker-compose") is None:
        assert "CI" not in os.environ, "docker-compose is missing: scripts/deps.sh --test"
        pytest.skip("docker-compose is not installed: scripts/deps.sh --test")
    for name in ("session", "application"):
        done = subprocess.run(["docker-compose", "-f", os.path.join(top, "docker", f"compose.{name}.yaml"), "config", "-q"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_dockerfile(top):
    """What the last stage installs is what the programs of the distribution are linked with."""
    with open(os.path.join(top, "docker", "Dockerfile"), encoding="utf-8") as f:
        text = f.read()
    for line in ("EXPOSE 6123 8081", 'ENTRYPOINT ["/docker-entrypoint.sh"]', 'CMD ["help"]', "--uid=9999"):
        assert line in text


def test_every_library_is_in_the_image(flinc, top):
    with open(os.path.join(top, "docker", "Dockerfile"), encoding="utf-8") as f:
        installed = set(f.read().split("--no-install-recommends")[1].split("&&")[0].replace("\\", " ").split())
    needed = set()
    for folder in ("lib", "libexec", "bin"):
        for name in os.listdir(flinc.path(folder)):
            listed = subprocess.run(["readelf", "-d", flinc.path(folder, name)], capture_output=True, text=True)
            needed |= {line.split("[")[1].split("]")[0] for line in listed.stdout.splitlines() if "(NEEDED)" in line}
    base = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "libflinc.so.0", "libstdc++.so.6"}
    for library in needed - base:
        found = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True).stdout
        packages = {line.split(":")[0] for line in found.splitlines()}
        assert packages & installed or packages <= {"libgcc-s1", "libstdc++6"}, f"{library} of {packages}"
