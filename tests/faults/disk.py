"""Disks that fail: disk.c, built and preloaded into the processes of a cluster, and its rules."""

import os
import subprocess

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "disk.c")


class Disk:
    """Rules of one cluster: none to begin with."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.rules = os.path.join(folder, "disk-rules")
        library = os.path.join(folder, "disk.so")
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", SOURCE, "-o", library], check=True)
        self.environment = {"LD_PRELOAD": library, "FLINC_DISK_RULES": self.rules}

    def fail(self, *rules):
        """From now on: see disk.c."""
        with open(self.rules + ".new", "w", encoding="utf-8") as f:
            f.writelines(rule + "\n" for rule in rules)
        os.rename(self.rules + ".new", self.rules)

    def mend(self):
        if os.path.exists(self.rules):
            os.remove(self.rules)
