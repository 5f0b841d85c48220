"""HDFS behind Kerberos: a key server, a name node and a data node that let nobody in without a ticket, HttpFS; keytabs, the
cache of tickets, tickets that end, and what a user reads when something is wrong."""

import os
import random
import sys

import pytest
import remote_fs
from checkpoints import KEYS, check_records

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(HERE, "services"))
sys.path.insert(0, os.path.join(HERE, "faults"))
import hdfs  # noqa: E402  pylint: disable=wrong-import-position
import kerberos  # noqa: E402  pylint: disable=wrong-import-position
from clock import Clock  # noqa: E402  pylint: disable=wrong-import-position

KEYTAB, PRINCIPAL, KRB5_CONF = ("security.kerberos." + key for key in ("login.keytab", "login.principal", "krb5-conf.path"))
NOWHERE = {"KRB5CCNAME": "FILE:/nowhere/tickets"}


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    found = kerberos.realm(tmp_path_factory.mktemp("realm"))
    yield found
    found.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory, realm):
    found = hdfs.server(tmp_path_factory.mktemp("hdfs"), realm=realm)
    try:
        found.start()
        found.put("texts/a.txt", b"one two two\n")
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def config(server, realm):
    return {"fs.hdfs.hadoopconf": server.conf, KRB5_CONF: realm.conf, "fs.hdfs.retry.max-num-retries": "0"}


def options(config):
    return [f"-D{key}={value}" for key, value in config.items()]


def reads(flinc, config, uri, env=None):
    said = flinc.run_local(*options(config), flinc.example("wordcount"), "--input", uri, env={**NOWHERE, **(env or {})})
    assert "two" in said.stdout, said.stdout


def fails(flinc, config, uri, *words, env=None):
    said = flinc.fail_local(*options(config), flinc.example("wordcount"), "--input", uri, env={**NOWHERE, **(env or {})})
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"


def test_keytab(flinc, server, realm, config):
    """The first principal of a keytab, another one that is named, and the same over a gateway."""
    keytab, uri = realm.keytab("two", "other", "flink"), server.uri("texts/a.txt")
    reads(flinc, {**config, KEYTAB: realm.keytab("one", "flink")}, uri)
    reads(flinc, {**config, KEYTAB: keytab, PRINCIPAL: "flink@" + realm.name}, uri)
    server.call("PUT", "/texts/a.txt", "SETOWNER", owner="flink")
    server.call("PUT", "/texts/a.txt", "SETPERMISSION", permission="600")
    fails(flinc, {**config, KEYTAB: keytab}, uri, "AccessControlException", f"other@{realm.name}", keytab)
    reads(flinc, {**config, KEYTAB: keytab, PRINCIPAL: "flink"}, uri)
    gateway = server.start_http_fs().http_fs_address
    reads(flinc, {**config, KEYTAB: keytab, PRINCIPAL: "flink"}, f"webhdfs://{gateway}/texts/a.txt")
    fails(flinc, config, f"webhdfs://{gateway}/texts/a.txt", gateway, "401", "/nowhere/tickets")


def test_ticket_cache(flinc, server, realm, config, tmp_path):
    """What kinit left is used; but not in the place of a keytab, nor where it is not wanted, nor when it has ended."""
    keytab, uri = realm.keytab("one", "flink"), server.uri("texts/a.txt")
    tickets = {"KRB5CCNAME": realm.ticket(keytab, "flink")}
    reads(flinc, config, uri, tickets)
    fails(flinc, {**config, "security.kerberos.login.use-ticket-cache": "false"}, uri, "use-ticket-cache", env=tickets)
    others = {"KRB5CCNAME": realm.ticket(realm.keytab("stranger", "stranger"), "stranger")}
    reads(flinc, {**config, KEYTAB: keytab}, uri, others)
    clock = Clock(str(tmp_path / "clock"))
    clock.set("offset 7200000")  # the ticket is good for an hour
    fails(flinc, config, uri, "Ticket expired", tickets["KRB5CCNAME"], env={**tickets, **clock.environment})
    reads(flinc, {**config, KEYTAB: keytab}, uri, clock.environment)  # by the key server's clock


def test_mistakes(flinc, server, realm, config, tmp_path):
    """Messages name the address, the key of the configuration, the file and the cause."""
    uri, address = server.uri("texts/a.txt"), server.nodes[0].address
    keytab = realm.keytab("one", "flink")
    gone = realm.keytab("gone", "gone")
    realm.run("kadmin.local", "-r", realm.name, "-q", "delprinc -force gone")
    old = str(tmp_path / "old.keytab")
    realm.keytab("renewed", "renewed")
    with open(os.path.join(realm.folder, "renewed.keytab"), "rb") as f, open(old, "wb") as to:
        to.write(f.read())
    realm.run("kadmin.local", "-r", realm.name, "-q", "cpw -randkey renewed")
    nobody = realm.write_conf(str(tmp_path / "nobody.conf"), port=1)
    other = realm.write_conf(str(tmp_path / "other.conf"), realm="OTHER.TEST")
    for more, words in (
            ({}, [address, "401", "/nowhere/tickets", KEYTAB]),
            ({KEYTAB: "/nowhere/flink.keytab"}, [KEYTAB, "/nowhere/flink.keytab", "No such file"]),
            ({KEYTAB: realm.conf}, [KEYTAB, realm.conf, "no keytab"]),
            ({KEYTAB: keytab, PRINCIPAL: "nobody@" + realm.name}, [PRINCIPAL, keytab, "nobody@" + realm.name, "flink@" + realm.name]),
            ({KEYTAB: gone}, [address, gone, "gone@" + realm.name, "not found in Kerberos database", KEYTAB]),
            ({KEYTAB: old}, [address, old, "renewed@" + realm.name, "Decrypt integrity check failed", KEYTAB]),
            ({KEYTAB: keytab, KRB5_CONF: nobody}, [address, "Cannot contact any KDC", realm.name, KRB5_CONF]),
            ({KEYTAB: keytab, KRB5_CONF: other}, [address, "Cannot find KDC for realm", realm.name, KRB5_CONF])):
        fails(flinc, {**config, **more}, uri, *words)


def test_job(flinc, bundle, server, realm, tmp_path):
    """Checkpoints while tickets end again and again, over a worker that is killed."""
    realm.keytab("short", "short")
    realm.run("kadmin.local", "-r", realm.name, "-q", "modprinc -maxlife 4seconds short")
    config = {KRB5_CONF: realm.conf, KEYTAB: os.path.join(realm.folder, "short.keytab")}
    with remote_fs.cluster(flinc, tmp_path, server, 2, **config) as jobs:
        c, place = jobs.cluster, remote_fs.Place(server, server.uri())
        mine = {**place.state(tmp_path, "job", data_inline_threshold="0 kb"), **remote_fs.RESTARTS}
        job = remote_fs.start(jobs, bundle, tmp_path / "out", 2, mine, 400 * KEYS, server.pace)
        jobs.wait_for_checkpoints(job, 1)
        os.kill(random.choice(c.workers()), 9)
        jobs.wait_for_checkpoints(job, 1)
        before = realm.logins("short")
        c.wait(lambda: realm.logins("short") >= before + 3)
        jobs.wait_for_checkpoints(job, 2)
        assert server.names(f"job/checkpoints/{job}")
        c.cancel(job)
        jobs.wait_for_end(job, "CANCELED")
    assert check_records(tmp_path / "out", 0) >= 0
