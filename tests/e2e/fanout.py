"""One body for many, and one flush for many: counted, not timed."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import harness as h
from harness import ok, same


def stats(s):
    return json.loads(s.pabal("spool", "stats", "--json").stdout)


def unread(s):
    """Bytes that clients sent and smtpd has not read."""
    here = "%08X:%04X" % (struct.unpack("=I", socket.inet_aton(s.addr))[0], h.SMTP)
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f]
    return sum(int(r[4].split(":")[1], 16) for r in rows if r[1] == here and r[3] == "01")


def at_once(s, n=50):
    """What comes to spoold while it cannot get to it is made durable together."""
    clients = [s.smtp() for _ in range(n)]
    for c in clients:
        c.ehlo()
        c.mail("abc@daum.test")
        same((c.rcpt("u01@daum.test")[0], c.docmd("DATA")[0]), (250, 354), "one of many begins")
    before = stats(s)["flushes"]
    qmgr, spoold = s.pids("qmgr")[0], s.pids("spoold")[0]
    h.freeze(qmgr)      # deliveries have flushes of their own
    h.freeze(spoold)
    for c in clients:
        c.send((h.letter() + ".\r\n").encode())
    h.wait_for("smtpd to have read all", lambda: unread(s) == 0)
    for _ in range(2):      # what it read before, it has passed on before it answers
        with s.smtp() as c:
            c.ehlo()
    os.kill(spoold, signal.SIGCONT)
    same([c.getreply()[0] for c in clients], [250] * n, "%d letters at once are taken" % n)
    flushes = stats(s)["flushes"] - before
    ok(flushes <= n / 10, "with a few flushes", flushes)
    os.kill(qmgr, signal.SIGCONT)
    for c in clients:
        c.quit()
    s.wait_messages("u01", n + 1)


def test():
    s = h.System("many", "daum.test", h.address(0)).start()
    users = ["u%02d" % i for i in range(50)]
    s.setup(*users)
    s.send("abc@daum.test", ["u00@daum.test"], h.letter())
    s.wait_messages("u00", 1)
    before = stats(s)
    marker = "q" * 70 + "\r\n"
    s.send("abc@daum.test", ["%s@daum.test" % u for u in users], h.letter(body=marker * 300))
    for u in users:
        s.wait_messages(u, 2 if u == "u00" else 1)
    after = stats(s)
    same(after["bodies"] - before["bodies"], 1, "a message to 50 local users adds one body")
    same(after["rows"] - before["rows"], 50, "and 50 index rows")
    ok(after["bytes"] - before["bytes"] < 2 * 72 * 300, "the log grew by less than two bodies", (before, after))
    at_once(s)
    # 50 connections at a time, 1,000 messages, from Postfix's load generator
    before = stats(s)
    p = subprocess.run(["smtp-source", "-s", "50", "-m", "1000", "-l", "4096", "-f", "abc@daum.test", "-t", "u00@daum.test",
                        "inet:%s:%d" % (s.addr, h.SMTP)], capture_output=True, text=True)
    accepted = stats(s)
    same((p.returncode, p.stderr), (0, ""), "50 connections send 1,000 messages")
    h.wait_for("all of them", lambda: s.count("u00") >= 1002)
    after = stats(s)
    f = (after["flushes"] - before["flushes"]) / 1000.0
    print("# flushes per message from 250 to mailbox: %.3f (while accepting: %.3f)" %
          (f, (accepted["flushes"] - before["flushes"]) / 1000.0))
    same(after["rows"] - before["rows"], 1000, "each has its row")
    # how many share one depends on the disk and the processors; nobody needs more than for its 250 and its delivery
    ok(f <= 2, "no more than two flushes a message", f)
    same(s.stop(), 0, "it stops in order")


if not shutil.which("smtp-source"):
    h.skip_all("needs smtp-source of Postfix")
h.run(test)
