"""A small tree to point the checks of tools/ at."""

import os
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

MESON = """rooms = [
  'common/base',
  'common/text',
  'common/loop',  # a comment
  'engine/data',
  'engine/graph',
  'sdk',
  'jobmanager/jobmaster',
  'taskmanager/exchange',
  'taskmanager/worker',
]
"""


class SmallTree:
    def __init__(self, root):
        self.root = root
        self.write("meson.build", MESON)

    def write(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def check(self, tool, *args):
        """(exit code, printed lines) of tools/<tool> on this tree."""
        result = subprocess.run(
            [os.path.join(TOP, "tools", tool), "--root", str(self.root), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return result.returncode, result.stdout.splitlines()


@pytest.fixture
def small_tree(tmp_path):
    return SmallTree(tmp_path)


@pytest.fixture
def top():
    return TOP
