"""TLS: REST, control and data with everything on, what is refused and what both sides say then.  Certificates are made by openssl."""

import contextlib
import os
import random
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from cluster import TOP, Cluster
from ha import HaCluster, all_running
from test_recovery import check_output, completed, write_input

SECRET = "secret"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The folder that tests/services/certificates.sh fills."""
    folder = tmp_path_factory.mktemp("certificates")
    script = os.path.join(TOP, "tests", "services", "certificates.sh")
    done = subprocess.run(["sh", script, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def rest_config(folder, mutual=True, **more):
    config = {
        "security.ssl.rest.enabled": "true",
        "security.ssl.rest.keystore": folder / "node.p12",
        "security.ssl.rest.keystore-password": SECRET,
        "security.ssl.rest.truststore": folder / "ca.pem",
        "security.ssl.rest.verify-hostname": "true",
    }
    if mutual:
        config["security.ssl.rest.authentication-enabled"] = "true"
    return {**config, **more}


def internal_config(folder, **more):
    return {
        "security.ssl.internal.enabled": "true",
        "security.ssl.internal.keystore": folder / "node.encrypted.pem",
        "security.ssl.internal.key-password": SECRET,
        "security.ssl.internal.truststore": folder / "ca.p12",
        "security.ssl.internal.truststore-password": SECRET,
        "security.ssl.internal.cert.fingerprint": (folder / "node.sha1").read_text().strip(),
        **more,
    }


def client(folder, certificate="node.pem", trust="ca.pem"):
    """What a Python client speaks TLS with."""
    context = ssl.create_default_context(cafile=str(folder / trust))
    if certificate:
        context.load_cert_chain(str(folder / certificate))
    return context


@contextlib.contextmanager
def running(flinc, tmp_path, folder, kind=Cluster, config=None, taskmanagers=2, mutual=True, **options):
    c = kind(flinc.home, tmp_path / "cluster", config={**rest_config(folder, mutual), **(config or {})}, **options)
    c.tls = client(folder, "node.pem" if mutual else None)
    try:
        yield c.start(taskmanagers)
        c.stop()
    finally:
        c.kill_all()


def flink(flinc, c, *args, **config):
    """bin/flink with the cluster's configuration, and changes of it."""
    options = [f"-D{key}={value}" for key, value in config.items()]
    return flinc.run(args[0], *options, *args[1:], env=c.environment)


def raw(port, data, timeout=30):
    """What a server answers to bytes."""
    with socket.create_connection(("localhost", port), timeout=timeout) as s:
        s.sendall(data)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := s.recv(65536):
                got += piece
        return got


# ---- REST -----------------------------------------------------------------------------------------------------------


def test_rest(flinc, tmp_path, certificates):
    with running(flinc, tmp_path, certificates, taskmanagers=1) as c:
        listed = flink(flinc, c, "list")
        assert listed.returncode == 0, listed.stderr
        words = tmp_path / "words.txt"
        words.write_text("to be or not to be\n" * 1000)
        done = flink(flinc, c, "run", flinc.example("wordcount"), "--input", words, "--output", tmp_path / "out")
        assert done.returncode == 0, done.stdout + done.stderr
        assert c.get("/jars")["address"] == f"https://localhost:{c.port}"
        assert f"Web frontend listening at https://localhost:{c.port}." in c.jobmanager.text()


# ---- everything on ----------------------------------------------------------------------------------------------------

JOB = {
    "execution.checkpointing.interval": "100ms",
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "1000",
    "restart-strategy.fixed-delay.delay": "50ms",
}


def start_job(c, bundle, tmp_path, parallelism=4):
    counts = write_input(tmp_path / "in", random.Random(5))
    job = c.run_jar(c.upload(bundle("recovery")), ["--input", tmp_path / "in", "--output", tmp_path / "out", "--delay-us", "100"],
                    parallelism=parallelism, config={**JOB, "execution.checkpointing.dir": str(tmp_path / "checkpoints")})
    return job, counts


def check_secrets(c):
    for process in c.all:
        assert SECRET not in process.text()
        if process.runs():
            with open(f"/proc/{process.pid}/cmdline", encoding="utf-8") as f:
                assert SECRET not in f.read()
    assert SECRET not in str(c.get("/jobmanager/config"))


def test_session_cluster(flinc, tmp_path, bundle, certificates):
    """REST, control and data; a task manager is killed and the job goes on from its checkpoint."""
    with running(flinc, tmp_path, certificates, config=internal_config(certificates), slots=2) as c:
        words = tmp_path / "words.txt"
        words.write_text("to be or not to be\n" * 20000)
        done = flink(flinc, c, "run", "-p", "4", flinc.example("wordcount"), "--input", words, "--output", tmp_path / "counted")
        assert done.returncode == 0, done.stdout + done.stderr
        job, counts = start_job(c, bundle, tmp_path)
        c.wait(lambda: completed(c, job) >= 2)
        c.leaves_files = True
        c.taskmanagers[0].kill()
        c.start_task_manager()
        c.wait_for_state(job, "FINISHED")
        assert c.get(f"/jobs/{job}/checkpoints")["counts"]["restored"] >= 1
        check_output(tmp_path / "out", counts)
        check_secrets(c)


@pytest.mark.parametrize("protocol", ["TLSv1.3", "TLSv1.2,TLSv1.3"])
def test_protocols(flinc, tmp_path, bundle, certificates, protocol):
    """Two task managers, the input of each subtask comes from both."""
    config = {**internal_config(certificates), "security.ssl.protocol": protocol}
    with running(flinc, tmp_path, certificates, config=config, slots=1) as c:
        job, counts = start_job(c, bundle, tmp_path, parallelism=2)
        c.wait_for_state(job, "FINISHED")
        check_output(tmp_path / "out", counts)


def test_standby(flinc, tmp_path, bundle, certificates):
    """The standby ends the client's TLS and forwards by its own; the leader is killed, the job goes on."""
    with running(flinc, tmp_path, certificates, kind=HaCluster, config=internal_config(certificates)) as c:
        job, counts = start_job(c, bundle, tmp_path)
        c.port = c.ports[1]  # the standby
        c.wait(lambda: completed(c, job) >= 2)
        listed = flinc.run("list", "-m", f"https://localhost:{c.port}", env=c.environment)
        assert listed.returncode == 0 and job in listed.stdout, listed.stderr
        redirected = raw(c.port, b"GET /overview HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % c.port)
        assert b"301 Moved Permanently" in redirected
        c.job_managers[0].kill()
        assert c.wait_for_other_leader(0) == 1
        c.wait(lambda: all_running(c, job) or c.state(job) == "FINISHED")
        c.wait_for_state(job, "FINISHED")
        check_output(tmp_path / "out", counts)


# ---- REST refuses ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def job_manager(flinc, tmp_path, config, tls=None):
    c = Cluster(flinc.home, tmp_path / "cluster", config=config)
    c.tls = tls
    c.start_job_manager()
    try:
        c.wait(lambda: "Web frontend listening" in c.jobmanager.text())
        yield c
        c.stop()
    finally:
        c.kill_all()


R = "security.ssl.rest."


def rest_refusals(folder):
    """Changes of the client's configuration, what it says, what the server says."""
    return {
        "wrong CA": ({R + "truststore": folder / "otherca.pem"}, "is refused: .*truststore", "does not accept our certificate"),
        "no certificate": ({R + "authentication-enabled": "false"}, R + "authentication-enabled", "showed no certificate"),
        "expired": ({R + "keystore": folder / "expired.pem"}, "refuses the connection", "certificate has expired"),
        "not yet valid": ({R + "keystore": folder / "future.pem"}, "refuses the connection", "certificate is not yet valid"),
        "stranger": ({R + "keystore": folder / "stranger.pem"}, "refuses the connection", "self-signed certificate"),
        "fingerprint": ({R + "cert.fingerprint": "00" * 20}, R + "cert.fingerprint", "does not accept our certificate"),
        "plain": ({R + "enabled": "false"}, R + "enabled", "does not speak TLS"),
        "protocol": ({"security.ssl.protocol": "TLSv1.3"}, "security.ssl.protocol", "security.ssl.protocol"),
        "no file": ({R + "truststore": "/nowhere.pem"}, "/nowhere.pem .*" + R + "truststore.*No such file", None),
        "wrong password": ({R + "keystore-password": "wrong!"}, R + "keystore-password. is wrong", None),
        "weak cipher": ({"security.ssl.algorithms": "SSL_RSA_WITH_RC4_128_MD5"}, "SSL_RSA_WITH_RC4_128_MD5 is refused", None),
        "JKS": ({R + "keystore": folder / "store.jks"}, "keytool -importkeystore", None),
    }


def test_rest_refusals(flinc, tmp_path, certificates):
    with job_manager(flinc, tmp_path, rest_config(certificates), client(certificates)) as c:
        for name, (changes, client_says, server_says) in rest_refusals(certificates).items():
            done = flink(flinc, c, "list", **changes)
            assert done.returncode == 1, name
            said = (done.stdout + done.stderr).replace("\n", " ")
            assert re.search(client_says, said), f"{name}: {said}"
            assert SECRET not in said and "wrong!" not in said
            # The server logs one refusal a second: asked again, it says this one, too.
            c.wait(lambda: not server_says or server_says in c.jobmanager.text()  # pylint: disable=cell-var-from-loop
                   or flink(flinc, c, "list", **changes) and False)  # pylint: disable=cell-var-from-loop
        assert flink(flinc, c, "list").returncode == 0


def test_rest_host_name(flinc, tmp_path, certificates):
    config = rest_config(certificates, mutual=False, **{R + "keystore": certificates / "elsewhere.pem"})
    with job_manager(flinc, tmp_path, config) as c:
        done = flink(flinc, c, "list")
        assert done.returncode == 1 and R + "verify-hostname" in done.stderr, done.stdout + done.stderr
        assert flink(flinc, c, "list", **{R + "verify-hostname": "false"}).returncode == 0


def test_tls_where_there_is_none(flinc, tmp_path, certificates):
    with job_manager(flinc, tmp_path, {}) as c:
        listed = flinc.run("list", "-m", f"https://localhost:{c.port}", f"-D{R}truststore={certificates / 'ca.pem'}", env=c.environment)
        assert listed.returncode == 1 and "does not speak TLS" in listed.stderr and R + "enabled" in listed.stderr, listed.stderr
        c.wait(lambda: "A client speaks TLS to port" in c.jobmanager.text())
        assert c.get("/overview")["taskmanagers"] == 0


def test_rest_abuse(flinc, tmp_path, certificates):
    """Who says nothing, nonsense, or half of something holds up nobody."""
    with job_manager(flinc, tmp_path, rest_config(certificates), client(certificates)) as c, contextlib.ExitStack() as stack:
        hello = bytes.fromhex("1603010200010001fc0303") + bytes(32)
        for i in range(200):
            s = stack.enter_context(socket.create_connection(("localhost", c.port)))
            if i % 2:
                s.sendall(hello[: i // 4])
        for data in (b"\0" * 100, b"\x16\x03\x01\xff\xff" + os.urandom(5000), os.urandom(3000), b"\x80\x2e\x01\x03\x01" + bytes(60)):
            raw(c.port, data)
        assert c.get("/overview")["taskmanagers"] == 0
        # Half closed in the middle of a request: the server goes on.
        with socket.create_connection(("localhost", c.port)) as s, c.tls.wrap_socket(s, server_hostname="localhost") as t:
            t.sendall(b"POST /jars/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
            s = t.detach()
            os.close(s)
        assert c.get("/overview")["taskmanagers"] == 0
        assert b"301 Moved" in raw(c.port, b"GET /a?b=c HTTP/1.1\r\nHost: h:1\r\n\r\n")
        assert b"Location: https://h:1/a?b=c\r\n" in raw(c.port, b"GET /a?b=c HTTP/1.1\r\nHost: h:1\r\n\r\n")
        assert b"400 Bad Request" in raw(c.port, b"GET / HTTP/1.1\r\n\r\n")


# ---- inside the cluster ------------------------------------------------------------------------------------------------------

I = "security.ssl.internal."


def internal_refusals(folder):
    """Changes of the task manager's configuration, what it says, what the job manager says."""
    return {
        "wrong CA": ({I + "truststore": folder / "otherca.pem"}, "is refused: .*" + I + "truststore", "does not accept our certificate"),
        "stranger": ({I + "keystore": folder / "stranger.pem"}, "does not accept our certificate", "self-signed certificate"),
        "expired": ({I + "keystore": folder / "expired.pem"}, "does not accept our certificate", "certificate has expired"),
        "fingerprint": ({I + "cert.fingerprint": "11" * 32}, I + "cert.fingerprint", "does not accept our certificate"),
        "plain": ({I + "enabled": "false"}, "GOAWAY.*" + I + "enabled", "does not speak TLS"),
    }


def refuses_task_manager(c, changes, says, server_says):
    """It tries again until both sides have said why it may not come in."""
    options = [x for key, value in changes.items() for x in ("-D", f"{key}={value}")]
    process = c.start_task_manager(*options)
    c.wait(lambda: re.search(says, process.text()) and server_says in c.jobmanager.text())
    process.expected_exit = None
    process.stop()


def test_internal_refusals(flinc, tmp_path, certificates):
    config = {**internal_config(certificates), **rest_config(certificates)}
    with job_manager(flinc, tmp_path, config, client(certificates)) as c:
        for changes, says, server_says in internal_refusals(certificates).values():
            refuses_task_manager(c, changes, says, server_says)
        assert c.get("/overview")["taskmanagers"] == 0
        for data in (b"\0" * 100, os.urandom(3000), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0" + os.urandom(512)):
            raw(c.rpc_port, data)
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(socket.create_connection(("localhost", c.rpc_port)))
            c.start_task_manager()
            c.wait_for_slots(c.slots)


def test_internal_tls_where_there_is_none(flinc, tmp_path, certificates):
    with job_manager(flinc, tmp_path, {}) as c:
        refuses_task_manager(c, internal_config(certificates), I + "enabled the same on both sides", "A client speaks TLS to port")


def test_data_mismatch(flinc, tmp_path, bundle, certificates):
    """One task manager's data connections are plain: the job fails and both say why; garbage at the data port hurts nobody."""
    config = {**internal_config(certificates), "taskmanager.network.retries": "0"}
    with running(flinc, tmp_path, certificates, config=config, slots=1, taskmanagers=1) as c:
        c.start_task_manager("-D", "taskmanager.data.ssl.enabled=false")
        c.wait_for_slots(2)
        write_input(tmp_path / "in", random.Random(5))
        job = c.run_jar(c.upload(bundle("recovery")), ["--input", tmp_path / "in", "--output", tmp_path / "out"], parallelism=2,
                        config={"restart-strategy.type": "none"})
        c.wait_for_state(job, "FAILED")
        said = "".join(path.read_text(errors="replace") for path in (tmp_path / "cluster" / "log").glob("*.log"))  # of workers, too
        assert "does not speak TLS: is " + I + "enabled" in said or "speaks TLS and this side does not: are " + I + "enabled" in said


def test_bad_files(flinc, tmp_path, certificates):
    """A job manager that cannot have its certificates ends and says why, once and without secrets."""
    cases = {
        "missing": ({I + "keystore": "/nowhere.pem"}, "/nowhere.pem", I + "keystore"),
        "not given": ({I + "truststore": ""}, I + "truststore or security.ssl.truststore is missing"),
        "password": ({I + "key-password": "wrong!"}, I + "key-password"),
        "JKS": ({I + "keystore": certificates / "store.jks"}, "keytool -importkeystore"),
        "type": ({I + "keystore-type": "JKS"}, I + "keystore-type", "keytool"),
        "weak": ({"security.ssl.algorithms": "TLS_RSA_WITH_NULL_SHA256"}, "TLS_RSA_WITH_NULL_SHA256 is refused"),
        "unknown": ({"security.ssl.algorithms": "TLS_MADE_UP"}, "TLS_MADE_UP is no cipher"),
        "old": ({"security.ssl.protocol": "TLSv1.1"}, "TLSv1.1 is not safe"),
        "fingerprint": ({I + "cert.fingerprint": "abc"}, I + "cert.fingerprint"),
    }
    for number, (name, (changes, *wanted)) in enumerate(cases.items()):
        c = Cluster(flinc.home, tmp_path / str(number), config={**internal_config(certificates), **changes})
        process = c.start_job_manager()
        try:
            assert process.wait() == 1, name
            for text in wanted:
                assert text in process.text(), f"{name}: {process.text()}"
            assert SECRET not in process.text() and "wrong!" not in process.text()
        finally:
            c.kill_all()


# ---- new certificates ----------------------------------------------------------------------------------------------------------


def served_certificate(c):
    with socket.create_connection(("localhost", c.port)) as s, c.tls.wrap_socket(s, server_hostname="localhost") as t:
        return t.getpeercert()["serialNumber"]


def replace(source, target):
    shutil.copy(source, str(target) + ".new")
    os.replace(str(target) + ".new", target)


def test_reload(flinc, tmp_path, certificates):
    live = tmp_path / "live.pem"
    replace(certificates / "elsewhere.pem", live)
    context = client(certificates)
    context.check_hostname = False
    with job_manager(flinc, tmp_path, rest_config(certificates, **{R + "keystore": live}), context) as c:
        first = served_certificate(c)
        replace(certificates / "node.pem", live)
        second = served_certificate(c)
        assert second != first
        live.write_text("nonsense")
        assert served_certificate(c) == second
        c.wait(lambda: "are not taken, the old ones stay in force" in c.jobmanager.text())
        assert flink(flinc, c, "list", **{R + "keystore": certificates / "node.pem"}).returncode == 0


# ---- the guide -----------------------------------------------------------------------------------------------------------------


def test_guide(flinc, tmp_path):
    """The five commands of docs/guide/security.md make what its configuration names."""
    with open(os.path.join(TOP, "docs", "guide", "security.md"), encoding="utf-8") as f:
        commands, config = re.findall(r"```(?:sh|yaml)\n(.*?)```", f.read(), re.DOTALL)[:2]
    done = subprocess.run(["sh", "-ec", commands], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fingerprint = re.search(r"Fingerprint=(\S+)", done.stdout).group(1)
    config = config.replace("/etc/flinc", str(tmp_path)).replace("AB:CD:...", fingerprint)
    settings = dict(line.split("#")[0].strip().split(": ", 1) for line in config.splitlines())
    with job_manager(flinc, tmp_path, settings, client(tmp_path)) as c:
        c.start_task_manager()
        c.wait_for_slots(c.slots)
        assert flink(flinc, c, "list").returncode == 0
