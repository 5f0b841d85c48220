"""How S3 is reached: TLS with a file of certificates, keys that servers give, and what a user reads when something is wrong:
each message names the address, the key of the configuration and the cause."""

import http.server
import json
import os
import sys
import threading

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "faults"))
import http_faults  # noqa: E402  pylint: disable=wrong-import-position
import self_signed  # noqa: E402  pylint: disable=wrong-import-position
import s3  # noqa: E402  pylint: disable=wrong-import-position

WORDS = 600_000  # so that what is counted is written in parts
LATER = "2199-01-01T00:00:00Z"
NO_OTHER_KEYS = {"AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "",
                 "AWS_SECRET_ACCESS_KEY": "", "AWS_CA_BUNDLE": ""}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = s3.versitygw(tmp_path_factory.mktemp("s3")).start()
    found.make_bucket("texts")
    found.put("texts/a.txt", b"one two two\n")
    yield found
    found.stop()


def options(config, **changes):
    config = {**config, **{key.replace("__", "."): value for key, value in changes.items()}}
    return [f"-D{key}={value}" for key, value in config.items() if value is not None]


def reads(flinc, config, env=None):
    said = flinc.run_local(*options(config), flinc.example("wordcount"), "--input", "s3://texts/a.txt",
                           env={**NO_OTHER_KEYS, **(env or {})})
    assert "two" in said.stdout, said.stdout


def fails(flinc, config, env=None, path="s3://texts/a.txt"):
    return flinc.fail_local(*options({**config, "s3.retry.max-num-retries": "1"}), flinc.example("wordcount"), "--input", path,
                            env={**NO_OTHER_KEYS, **(env or {})})


def has(text, *wanted):
    for one in wanted:
        assert one in text, f"{one!r} is not in: {text}"


def written_to(server, path):
    """All that lies there."""
    top, found = server.files(path), []
    for name in sorted(server.names(path)):
        with open(os.path.join(top, name), encoding="ascii") as f:
            found.append(f.read())
    return "".join(found)


# ---- bytes that change on the way -----------------------------------------------------------------------------------


@pytest.mark.parametrize("signs, code", [("true", "XAmzContentSHA256Mismatch"), ("false", "BadDigest")])
def test_damage(flinc, server, signs, code):
    """Signed, or with check sums: the server refuses what is not what was sent, and it is sent again."""
    proxy = http_faults.HttpProxy(server.port)
    config = {**server.config(), "s3.endpoint": f"http://127.0.0.1:{proxy.port}", "s3.payload-signing.enabled": signs,
              "parallelism.default": "1"}
    command = (flinc.example("wordcount"), "--input", "s3://texts/words.txt", "--output", f"s3://texts/counted-{signs}")
    words = [f"w{i:07}" for i in range(WORDS)]
    server.put("texts/words.txt", ("\n".join(words) + "\n").encode())
    try:
        proxy.fail("flip")
        has(flinc.fail_local(*options({**config, "s3.retry.max-num-retries": "1"}), *command, env=NO_OTHER_KEYS),
            f"127.0.0.1:{proxy.port}", code, "bytes were changed on the way")
        proxy.fail("flip", times=2)
        flinc.run_local(*options(config), *command, env=NO_OTHER_KEYS)
        assert proxy.times == 0
    finally:
        proxy.close()
    found = written_to(server, f"texts/counted-{signs}").split()
    assert len(found) == WORDS and {line.strip("()").split(",")[0].split(":")[0] for line in found} == set(words)


# ---- TLS ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    crt, key = self_signed.certificate(folder, "server")
    found = s3.versitygw(folder, certificate=crt, key=key).start()
    found.make_bucket("texts")
    found.put("texts/a.txt", b"one two two\n")
    yield found
    found.stop()


def test_tls(flinc, tls_server, tmp_path):
    """Reads and writes; the file of certificates by the configuration, by the environment, and an endpoint without a scheme."""
    config = {**tls_server.config(), "s3.ssl.ca-file": tls_server.certificate}
    reads(flinc, config)
    flinc.run_local(*options(config), flinc.example("wordcount"), "--input", "s3://texts/a.txt", "--output", "s3://texts/counts")
    assert "two" in written_to(tls_server, "texts/counts")
    del config["s3.ssl.ca-file"]
    reads(flinc, config, {"AWS_CA_BUNDLE": tls_server.certificate})
    reads(flinc, {**config, "s3.endpoint": None, "fs.s3a.endpoint": tls_server.address, "s3.ssl.ca-file": tls_server.certificate})


def test_tls_not_trusted(flinc, tls_server, tmp_path):
    other, _ = self_signed.certificate(tmp_path, "other")
    config = tls_server.config()
    for changes in ({}, {"s3.ssl.ca-file": other}):
        has(fails(flinc, {**config, **changes}), tls_server.address, "certificate", "not trusted", "s3.ssl.ca-file")
    has(fails(flinc, {**config, "s3.ssl.ca-file": "/nowhere.crt"}), "/nowhere.crt", "s3.ssl.ca-file")
    # The server speaks TLS, and is asked without; and the other way round.
    plain = {**config, "s3.endpoint": None, "fs.s3a.endpoint": tls_server.address, "fs.s3a.connection.ssl.enabled": "false"}
    has(fails(flinc, plain), tls_server.address)


def test_tls_where_there_is_none(flinc, server):
    has(fails(flinc, {**server.config(), "s3.endpoint": "https://" + server.address}), server.address, "TLS", "s3.endpoint")


# ---- keys of servers -----------------------------------------------------------------------------------------------


class KeyServer(http.server.ThreadingHTTPServer):
    """The metadata service of an instance, and a service of tokens, which give the keys of the S3 server."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), KeyHandler)
        self.asked = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def end(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class KeyHandler(http.server.BaseHTTPRequestHandler):
    ROLE = "/latest/meta-data/iam/security-credentials/"

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):  # pylint: disable=invalid-name
        self.answer(200 if self.path == "/latest/api/token" else 404, "token-of-the-instance")

    def do_GET(self):  # pylint: disable=invalid-name
        self.server.asked.append(self.path)
        if self.headers["X-aws-ec2-metadata-token"] != "token-of-the-instance":
            self.answer(401, "")
        elif self.path == self.ROLE:
            self.answer(200, "jobs")
        else:
            self.answer(200, json.dumps({"AccessKeyId": s3.ACCESS_KEY, "SecretAccessKey": s3.SECRET_KEY, "Expiration": LATER}))

    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append(body)
        if "WebIdentityToken=who-i-am&" not in body + "&":
            self.answer(403, "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>Who?</Message></Error></ErrorResponse>")
            return
        self.answer(200, "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                         f"<AccessKeyId>{s3.ACCESS_KEY}</AccessKeyId><SecretAccessKey>{s3.SECRET_KEY}</SecretAccessKey>"
                         f"<SessionToken></SessionToken><Expiration>{LATER}</Expiration></Credentials>"
                         "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


@pytest.fixture
def keys():
    found = KeyServer()
    yield found
    found.end()


def without_keys(server):
    return {**server.config(), "s3.access-key": None, "s3.secret-key": None}


def test_instance(flinc, server, keys):
    reads(flinc, without_keys(server), {"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": keys.address})
    assert KeyHandler.ROLE + "jobs" in keys.asked


def test_web_identity(flinc, server, keys, tmp_path):
    token = tmp_path / "token"
    token.write_text("who-i-am\n")
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::1:role/jobs", "AWS_ENDPOINT_URL_STS": keys.address}
    reads(flinc, without_keys(server), env)
    token.write_text("somebody")
    why = fails(flinc, without_keys(server), env)
    has(why, keys.address, "AWS_WEB_IDENTITY_TOKEN_FILE", "InvalidIdentityToken: Who?")
    assert "somebody" not in why


def test_profile(flinc, server, tmp_path):
    profile = tmp_path / "credentials"
    profile.write_text(f"[jobs]\naws_access_key_id = {s3.ACCESS_KEY}\naws_secret_access_key = {s3.SECRET_KEY}\n")
    reads(flinc, without_keys(server), {"AWS_SHARED_CREDENTIALS_FILE": str(profile), "AWS_PROFILE": "jobs"})
    reads(flinc, without_keys(server), {"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY})


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def test_no_keys(flinc, server):
    has(fails(flinc, without_keys(server)), "no keys for S3", "s3.access-key", "AWS_ACCESS_KEY_ID", "~/.aws/credentials")


def test_unknown_host(flinc, server):
    has(fails(flinc, {**server.config(), "s3.endpoint": "http://s3.nowhere.invalid:9000"}), "s3.nowhere.invalid:9000", "resolve host",
        "s3.endpoint")


def test_nobody_listens(flinc, server):
    has(fails(flinc, {**server.config(), "s3.endpoint": "http://127.0.0.1:1"}), "127.0.0.1:1", "Connection refused", "s3.endpoint")


def test_missing_bucket(flinc, server):
    has(fails(flinc, server.config(), path="s3://no-such-bucket/a.txt"), server.address, "no-such-bucket", "NoSuchBucket", "s3.endpoint")


def test_wrong_keys(flinc, server):
    has(fails(flinc, {**server.config(), "s3.secret-key": "wrong"}), server.address, "403", "s3.secret-key")
    has(fails(flinc, {**server.config(), "s3.access-key": "nobody"}), server.address, "XAdminUserNotFound", "s3.access-key")


def test_no_permission(flinc, server):
    config = {**without_keys(server), "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"}
    has(fails(flinc, config), server.address, "keys of nobody", "403", "s3.access-key", "allowed")
