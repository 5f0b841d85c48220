"""Lines of log files in the order in which they were written, which their own times do not tell when wall clocks are shifted."""
import glob
import re
import threading

PAUSE_S = 0.03


class Follower:
    """Looks at the files that a pattern of glob names, again and again, for lines that match; a thread until stop()."""

    def __init__(self, files, lines):
        self.files, self.lines = files, re.compile(lines.encode())
        self.looks, self.offsets, self.found = 0, {}, []  # found: (number of the look, file, groups)
        self.lock, self.done = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.done.wait(PAUSE_S):
            self.look()

    def look(self):
        """What came since the last look; lines of one look have no order between files."""
        with self.lock:
            self.looks += 1
            for path in sorted(glob.glob(self.files)):
                with open(path, "rb") as f:
                    if f.seek(0, 2) < self.offsets.get(path, 0):
                        self.offsets[path] = 0  # another file under the name
                    f.seek(self.offsets.get(path, 0))
                    new = f.read()
                whole = new[:new.rfind(b"\n") + 1]
                self.offsets[path] = self.offsets.get(path, 0) + len(whole)
                self.found += [(self.looks, path, tuple(g.decode() if g else '' for g in m.groups())) for m in self.lines.finditer(whole)]
            return list(self.found)

    def stop(self):
        self.done.set()
        self.thread.join()
