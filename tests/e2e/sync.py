"""Several devices on one mailbox: each sees the others' changes at the times the RFC allows (RFC 3501 7.4.1, RFC 2177)."""
import os
import re
import signal
import smtplib
import socket
import harness as h
from harness import ok, same


class Raw:
    """An IMAP client that shows every line."""

    def __init__(self, s):
        self.sock = socket.create_connection((s.addr, h.IMAP), timeout=h.DEADLINE)
        self.f = self.sock.makefile("rb")
        self.n = 0
        self.f.readline()

    def send(self, text):
        self.sock.sendall(text.encode() + b"\r\n")

    def until(self, pattern):
        """Lines up to the one that matches."""
        lines = []
        while True:
            line = self.f.readline()
            if not line:
                raise AssertionError("closed; so far %r" % lines)
            lines.append(line.decode().rstrip("\r\n"))
            if re.search(pattern, lines[-1]):
                return lines

    def cmd(self, text):
        self.n += 1
        self.send("t%d %s" % (self.n, text))
        return self.until("^t%d " % self.n)


def rows_wanted_late(s):
    """SELECT brings no rows: what another session expunges, with gaps between the UIDs, before they come has its numbers all the same."""
    a = s.imap("def", select=None)
    a.create("Gaps")
    for i in range(12):
        a.append("Gaps", None, None, h.letter(subject="g%d" % i).encode())
    a.select("Gaps")
    a.uid("STORE", "2,5,6,9", "+FLAGS", "(\\Deleted)")
    a.expunge()
    b, c = s.imap("def", select="Gaps"), s.imap("def", select="Gaps")     # 1 3 4 7 8 10 11 12
    a.uid("STORE", "1,3,4,7,10", "+FLAGS", "(\\Deleted)")
    a.expunge()
    a.append("Gaps", None, None, h.letter(subject="new").encode())
    a.uid("STORE", "8", "+FLAGS", "(\\Flagged)")
    b.noop()
    same(b.response("EXPUNGE")[1], [b"1", b"1", b"1", b"1", b"2"], "a session without rows is told the right numbers")
    same([x.split(b" (", 1)[1] for x in b.fetch("1:*", "(UID FLAGS)")[1] if b"UID" in x],
         [b"UID 8 FLAGS (\\Flagged))", b"UID 11 FLAGS ())", b"UID 12 FLAGS ())", b"UID 13 FLAGS ())"], "and has what is there")
    typ = c.fetch("5:6", "(UID)")[0]
    same((typ, [x for x in c.response("FETCH")[1] if x and b"UID" in x]), ("NO", [b"5 (UID 8 FLAGS (\\Flagged))"]), "a number means its message though others before it are gone")
    for x in (a, b, c):
        x.logout()


def test():
    s = h.System("sync", "daum.test", h.address(0)).start().setup("def")
    for i in range(3):
        s.send("abc@daum.test", ["def@daum.test"], h.letter(subject="n%d" % i))
    s.wait_messages("def", 3)
    a, b = Raw(s), Raw(s)
    for c in (a, b):
        ok(c.cmd('LOGIN def@daum.test "secret"')[-1].startswith("t1 OK"), "login")
        lines = c.cmd("SELECT INBOX")
        ok("* 3 EXISTS" in lines, "SELECT tells of 3 messages", lines)
    b.send("i IDLE")
    b.until(r"^\+ ")
    s.send("abc@daum.test", ["def@daum.test"], h.letter(subject="new"))
    same(b.until("EXISTS")[-1], "* 4 EXISTS", "a session in IDLE hears of new mail at once")
    ok("* 4 EXISTS" in a.cmd("NOOP"), "the other one with its next command")
    a.cmd("STORE 2 +FLAGS (\\Flagged $Label1)")
    line = b.until("FETCH")[-1]
    ok("* 2 FETCH" in line and "\\Flagged" in line and "$Label1" in line, "flags and keywords arrive in IDLE", line)
    b.send("DONE")
    b.until("^i OK")
    a.cmd("STORE 1 +FLAGS.SILENT (\\Deleted)")
    lines = a.cmd("EXPUNGE")
    ok("* 1 EXPUNGE" in lines, "EXPUNGE removes message 1", lines)
    lines = b.cmd("FETCH 1:* (FLAGS)")
    ok(not any("EXPUNGE" in x for x in lines), "no EXPUNGE is told during FETCH", lines)
    lines = b.cmd("FETCH 2 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    ok(any("Subject: n1" in x for x in lines), "sequence numbers still mean what they meant", lines)
    lines = b.cmd("NOOP")
    ok("* 1 EXPUNGE" in lines, "it is told with NOOP", lines)
    lines = b.cmd("UID FETCH 2:* (UID)")
    same([x for x in lines if "FETCH" in x], ["* 1 FETCH (UID 2)", "* 2 FETCH (UID 3)", "* 3 FETCH (UID 4)"], "then the numbers have moved")
    lines = b.cmd("UID FETCH 999:* (UID)")
    same([x for x in lines if "FETCH" in x], ["* 3 FETCH (UID 4)"], "UID n:* is the last message")
    lines = a.cmd("UID COPY 2:3 Archive")
    ok(re.search(r"COPYUID \d+ 2:3 1:2", lines[-1]), "COPY tells the new UIDs", lines)
    lines = a.cmd("UID MOVE 4 Trash")
    ok(any("COPYUID" in x for x in lines) and any("EXPUNGE" in x for x in lines), "MOVE tells COPYUID and EXPUNGE", lines)
    same(a.cmd("STATUS INBOX (MESSAGES UIDNEXT)")[0], '* STATUS INBOX (MESSAGES 2 UIDNEXT 5)', "UIDNEXT does not go back")
    rows_wanted_late(s)
    # spoold dies under open sessions: they go on by themselves
    for pid in s.pids("spoold"):
        os.kill(pid, signal.SIGKILL)

    def again():
        try:
            s.send("abc@daum.test", ["def@daum.test"], h.letter(subject="after"))
            return True
        except (OSError, smtplib.SMTPException):
            return False

    h.wait_for("mail to be taken again", again)
    h.wait_for("the session to see mail again", lambda: any("EXISTS" in x for x in b.cmd("NOOP")))
    ok(any("Subject: after" in x for x in b.cmd("FETCH * (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")), "a session outlives spoold")
    same(s.stop(), 0, "it stops in order")


h.run(test)
