"""spoold has to start while the disk has no byte left: it waits for space and keeps its index; then everything is there."""
import os
import poplib
import signal
import smtplib
import subprocess
import sys
sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", "."), "tests/e2e"))
import harness as h
from harness import ok, same


def fill(path):
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 4096)
        except OSError:
            pass


def count(s):
    try:
        return s.count("def")
    except (OSError, EOFError, poplib.error_proto):
        return -1


def sent(s):
    try:
        return s.send("abc@far.test", ["def@daum.test"], h.letter()) == {}
    except (OSError, smtplib.SMTPException):
        return False


def test():
    disk = os.path.join(h.tempdir(), "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", disk], check=True)
    h._cleanups.append(lambda: subprocess.run(["umount", "-l", disk]))
    os.chmod(disk, 0o755)
    s = h.System("full", "daum.test", h.address(0), "spool_cache = 4m\n", spool_dir=disk + "/spool").start().setup("def")
    for i in range(20):
        s.send("abc@far.test", ["def@daum.test"], h.letter(subject="number %d." % i))
    s.wait_messages("def", 20)
    same(s.stop(), 0, "the index is written out by a stop in order")
    s.start()
    # so much that it is in the index's own log, and recovery has to make its files longer
    c = s.imap("def")
    for i in range(9):
        same(c.copy("1:*", "INBOX")[0], "OK", "COPY")
        c.noop()
    c.logout()
    n = 20 * 2 ** 9
    fill(disk + "/ballast")
    for pid in s.pids("spoold"):
        os.kill(pid, signal.SIGKILL)
    h.wait_for("a start without space", lambda: "cannot start: full" in s.log_text() or count(s) == n)
    os.unlink(disk + "/ballast")
    h.wait_for("the mail", lambda: count(s) == n)
    ok("making the index anew" not in s.log_text(), "a good index is not given up for a full disk", s.log_text())
    h.wait_for("mail to be taken again", lambda: sent(s))
    h.wait_for("it to arrive", lambda: count(s) == n + 1)
    ok(True, "with space it takes mail again")
    same(s.stop(), 0, "it stops in order")


if not h.ROOT:
    h.skip_all("mounting a small file system needs root")
h.run(test)
