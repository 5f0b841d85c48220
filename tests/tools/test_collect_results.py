"""tools/collect_results: every test of a record becomes one line, failing ones with a log."""

import json
import os
import subprocess

import pytest


def meson_test(name, result, **more):
    return json.dumps(
        {"name": name, "result": result, "returncode": 0, "duration": 0.1, "command": ["x"], **more}
    )


@pytest.fixture
def collect(top, tmp_path):
    def run(kind, text, prefix):
        record = tmp_path / "record"
        record.write_text(text)
        command = [os.path.join(top, "tools", "collect_results"), kind, str(record)]
        result = subprocess.run(
            command + ["--prefix", prefix, "--logs", str(tmp_path / "logs")],
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.split("\t") for line in result.stdout.splitlines()]

    return run


def test_meson(collect):
    lines = [
        meson_test("flinc:common_base / error", "OK"),
        meson_test("flinc:fuzz / fuzz_json", "SKIP"),
        meson_test("flinc:common_base / map", "TIMEOUT", stdout="out\n", stderr="err\n"),
        meson_test("alone", "FAIL"),
    ]
    out = collect("meson", "\n".join(lines) + "\n", "asan")
    assert out[0] == ["PASS", "asan/common_base/error"]
    assert out[1] == ["SKIP", "asan/fuzz/fuzz_json"]
    assert out[2][:2] == ["FAIL", "asan/common_base/map"]
    assert out[3][:2] == ["FAIL", "asan/alone"]
    with open(out[2][2], encoding="utf-8") as log:
        assert log.read().endswith("out\nerr\n")


def test_pytest(collect):
    xml = """<testsuites><testsuite>
        <testcase classname="tests.system.test_cli" name="test_a[x]"/>
        <testcase classname="tests.system.test_cli.TestB" name="test_b"><skipped/></testcase>
        <testcase classname="tests.system.test_cli" name="test_c"><failure message="m">why</failure></testcase>
        <testcase classname="" name="tests.system.test_d"><error>no module</error></testcase>
        </testsuite></testsuites>"""
    out = collect("pytest", xml, "system")
    assert out[0] == ["PASS", "system/test_cli::test_a[x]"]
    assert out[1] == ["SKIP", "system/test_cli::TestB::test_b"]
    assert out[2][:2] == ["FAIL", "system/test_cli::test_c"]
    assert out[3][:2] == ["FAIL", "system/tests.system.test_d"]
    with open(out[2][2], encoding="utf-8") as log:
        assert log.read() == "why"
