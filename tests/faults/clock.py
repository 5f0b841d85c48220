"""Wall clocks that are off: clock.c, built and preloaded into processes of a cluster, and its rule."""

import os
import subprocess

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clock.c")


class Clock:
    """The rule of some processes: none to begin with."""

    def __init__(self, folder, name="clock"):
        os.makedirs(folder, exist_ok=True)
        self.rules = os.path.join(folder, name + "-rules")
        self.library = os.path.join(folder, "clock.so")
        if not os.path.exists(self.library):
            subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", SOURCE, "-o", self.library], check=True)
        self.environment = {"LD_PRELOAD": self.library, "FLINC_CLOCK_RULES": self.rules}

    def set(self, rule):
        """From now on: see clock.c."""
        with open(self.rules + ".new", "w", encoding="utf-8") as f:
            f.write(rule + "\n")
        os.rename(self.rules + ".new", self.rules)

    def mend(self):
        if os.path.exists(self.rules):
            os.remove(self.rules)
