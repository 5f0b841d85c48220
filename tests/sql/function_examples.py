#!/usr/bin/env python3
"""Runs the examples of the page of functions that are whole queries: those of aggregates and of OVER.

    function_examples.py --runner build/release/tests/sql/sql_session_runner --page docs/reference/functions.md
"""

import argparse
import re
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runner", required=True)
    parser.add_argument("--page", required=True)
    o = parser.parse_args()
    with open(o.page, encoding="utf-8") as f:
        examples = re.findall(r"^(SELECT .*) -- (.*)$", f.read(), re.M)
    with tempfile.NamedTemporaryFile("w", suffix=".test", encoding="utf-8") as f:
        f.write("SET 'execution.runtime-mode' = 'batch';\n\n")
        for sql, _ in examples:
            f.write(f"{sql};\n----\n?\n\n")
        f.flush()
        done = subprocess.run([o.runner, "--print", f.name], capture_output=True, text=True, check=False)
    n_wrong = 0
    for sql, expected in examples:
        at = done.stdout.find(sql + ";\n----\n")
        answer = done.stdout[at:].split("\n\n")[0].split("\n")[2:] if at >= 0 else ["no answer"]
        got = "\n".join(answer if answer[0].startswith("!!") else answer[1:])
        if got != expected:
            n_wrong += 1
            print(f"{sql}: expected {expected}, got {got}")
    print(f"{len(examples)} examples, {n_wrong} failed")
    return 1 if n_wrong or not examples else 0


if __name__ == "__main__":
    sys.exit(main())
