"""What the checks in this folder share: the tree's files and rooms, and how findings are reported.

A check is a program `tools/check_<what>`: it prints one line per finding (`file:line: why`) and exits 0
when there is none, 1 when there are findings, SKIPPED when the tree has nothing that it could look at.
"""

import argparse
import os
import re
import subprocess
import sys

SKIPPED = 77  # exit code, as meson's
NEVER_WALKED = {"build", ".git", "__pycache__", ".pytest_cache"}


def parser(doc):
    """An argument parser with --help from a program's docstring, and --root."""
    first, _, rest = doc.strip().partition("\n")
    result = argparse.ArgumentParser(
        description=first, epilog=rest.strip(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    result.add_argument("--root", default=here, help="the tree to look at (default: this one)")
    return result


def files(root, *suffixes):
    """The tree's files (tracked or new, not ignored), root-relative and sorted."""
    found = _git_files(root)
    if found is None:
        found = list(_walked_files(root))
    return sorted(f for f in found if f.endswith(suffixes or ("",)))


def _git_files(root):
    """Files as git sees them; None when `root` is not the top of a work tree."""
    try:
        top = subprocess.run(
            ["git", "-C", root, "rev-parse", "--show-toplevel"], capture_output=True, text=True
        )
        if top.returncode != 0 or not os.path.samefile(top.stdout.strip(), root):
            return None
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return None
    return {f for f in listed.split("\0") if f and os.path.isfile(os.path.join(root, f))}


def _walked_files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [d for d in folders if d not in NEVER_WALKED]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def lines(root, path):
    """The lines of a text file without their ends; None for a binary one."""
    with open(os.path.join(root, path), "rb") as f:
        data = f.read()
    if b"\0" in data:
        return None
    return data.decode("utf-8", "replace").split("\n")


def rooms(root):
    """The rooms of the top meson.build: those of every program, then those of the servers; each lowest floor
    first, and the latter may use the former."""
    return room_list(root, "rooms") + room_list(root, "server_rooms")


def room_list(root, name):
    """One list of rooms of the top meson.build; `server_rooms` may be missing."""
    text = "\n".join(lines(root, "meson.build"))
    listed = re.search(rf"^{name} = \[(.*?)^\]", text, re.M | re.S)
    if listed is None:
        if name == "rooms":
            sys.exit("meson.build: no `rooms = [...]` list")
        return []
    return re.findall(r"'([^']+)'", re.sub(r"#.*", "", listed.group(1)))


def report(findings, checked):
    """Prints the findings and ends the program; `checked` says what was looked at."""
    for finding in findings:
        print(finding)
    if findings:
        print(f"{len(findings)} finding{'s' if len(findings) > 1 else ''} in {checked}")
    sys.exit(1 if findings else 0)
