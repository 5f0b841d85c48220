"""Secrets planted under every kind of sensitive key: found in no answer and no log."""

from rest_abuse import routes
from rest_client import Rest
from test_rest_schema import fill, known_of

KEYS = [
    "s3.secret-key", "s3.access-key", "security.ssl.internal.key-password", "security.ssl.rest.keystore-password",
    "my.token", "my.apikey", "my.api-key", "my.auth-params", "my.service-key", "my.basic-auth", "my.jaas.config",
    "my.http-headers", "fs.azure.account.key.x", "my.accesskey", "my.access.key", "My.PassWord.x", "my.additional",
]  # fmt: skip


def test_no_answer_and_no_log_shows_a_secret(cluster, flinc):
    values = {key: f"planted-{i:02}-secret" for i, key in enumerate(KEYS)}
    c = cluster(taskmanagers=1, slots=1, config={**values, "security.redaction.additional-keys": "my.additional"})
    rest = Rest("localhost", c.port)
    jar = c.upload(flinc.example("wordcount"))
    job_values = {key: value.replace("planted", "sown") for key, value in values.items() if key != "my.additional"}
    job = c.run_jar(jar, ["--input", "/etc/hostname"], config=job_values)
    c.wait_for_state(job, "FINISHED", "FAILED")
    known = {**known_of(rest, job), "jarid": jar, "datasetid": "0" * 32, "filename": "jobmanager-0.log", "operatorUid": "x"}
    shown = ""
    for method, path in routes():
        if method == "GET" and "cancel" not in path:
            shown += rest.ask("GET", fill(path, {**known, "subtaskindex": "0"})).text
    assert '"******"' in shown and "s3.secret-key" in shown
    said = "".join(p.text() for p in c.all)
    for text in (shown, said):
        assert "planted-" not in text, text[text.index("planted-") - 200 :][:300]
        assert "sown-" not in text, text[text.index("sown-") - 200 :][:300]
