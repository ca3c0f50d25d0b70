"""Commands on thousands of messages go in pieces: COPY is all or nothing, also when spoold is killed in it; DELETE is at once."""
import os
import re
import signal
import socket
import harness as h
from harness import ok, same

N = 5000


class Raw:
    """An IMAP client that shows every line."""

    def __init__(self, s):
        self.sock = socket.create_connection((s.addr, h.IMAP), timeout=60)
        self.f = self.sock.makefile("rb")
        self.n = 0
        self.f.readline()

    def send(self, text):
        self.n += 1
        self.sock.sendall(("t%d %s\r\n" % (self.n, text)).encode())

    def answer(self):
        lines = []
        while True:
            line = self.f.readline()
            if not line:
                raise AssertionError("closed; so far %r" % lines[-5:])
            lines.append(line.decode().rstrip("\r\n"))
            if lines[-1].startswith("t%d " % self.n):
                return lines

    def cmd(self, text):
        self.send(text)
        return self.answer()


def login(s):
    c = Raw(s)
    ok(" OK" in c.cmd('LOGIN def@daum.test "secret"')[-1], "login")
    return c


def count(c, box):
    lines = c.cmd("STATUS %s (MESSAGES)" % box)
    found = re.search(r"MESSAGES (\d+)", lines[0])
    return int(found.group(1)) if found else None


def fill(a):
    """N messages in INBOX, of one."""
    have = 1
    while have < N:
        lines = a.cmd("COPY 1:%d INBOX" % min(have, N - have))
        ok(" OK" in lines[-1], "COPY into the same mailbox", lines[-1])
        have += min(have, N - have)
    same(count(a, "INBOX"), N, "INBOX is filled")


def killed(s, a, b):
    """kill -9 of spoold while a COPY is under way: all of it is there afterwards, or nothing."""
    a.send("COPY 1:* Archive")
    for pid in s.pids("spoold"):
        os.kill(pid, signal.SIGKILL)
    said = " OK" in a.answer()[-1]
    h.wait_for("spoold to be back", lambda: count(b, "INBOX") is not None)
    h.wait_for("the COPY to be whole or undone", lambda: count(b, "Archive") in ((N,) if said else (0, N)))
    same(count(b, "INBOX"), N, "what was copied is still there")
    return login(s)


def test():
    s = h.System("many", "daum.test", h.address(0)).start().setup("def")
    s.send("abc@daum.test", ["def@daum.test"], h.letter(subject="one"))
    s.wait_messages("def", 1)
    a, b = login(s), login(s)
    ok("* 1 EXISTS" in a.cmd("SELECT INBOX"), "SELECT tells of a message")
    fill(a)
    ok("* 0 EXISTS" in b.cmd("SELECT Trash"), "another session looks at Trash")
    lines = a.cmd("COPY 1:* Trash")
    ok(re.search(r"\[COPYUID \d+ 1:%d 1:%d\]" % (N, N), lines[-1]), "COPYUID of all", lines[-1])
    ok("* %d EXISTS" % N in b.cmd("NOOP"), "the other session sees them")
    lines = b.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    ok(" OK" in lines[-1], "STORE", lines[-1])
    lines = b.cmd("EXPUNGE")
    same(len([x for x in lines if x.endswith(" EXPUNGE")]), N, "EXPUNGE tells of each")
    same(count(a, "Trash"), 0, "they are gone")
    a = killed(s, a, b)
    ok(" OK" in a.cmd("CREATE big")[-1] and " OK" in a.cmd("SELECT INBOX")[-1], "CREATE, SELECT")
    lines = a.cmd("MOVE 1:* big")
    ok(any("COPYUID" in x for x in lines), "MOVE tells COPYUID", lines[:2])
    same(len([x for x in lines if x.endswith(" EXPUNGE")]), N, "and EXPUNGE of each")
    same((count(a, "INBOX"), count(a, "big")), (0, N), "all are moved")
    ok(" OK" in a.cmd("DELETE big")[-1], "DELETE")
    same(count(a, "big"), None, "the mailbox is gone at once")
    ok(" OK" in a.cmd("CREATE big")[-1], "and can be made anew")
    same(count(a, "big"), 0, "empty")
    same(s.stop(), 0, "it stops in order")


h.run(test)
