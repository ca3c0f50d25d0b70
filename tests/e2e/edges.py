"""smtpd and pop3d over the real store: large messages, hostile content, deletion, many clients at a time."""
import poplib
import smtplib
import socket
import threading
import harness as h
from harness import ok, same


class Raw:
    """A client that sends what it is told."""

    def __init__(self, system, port):
        self.s = socket.create_connection((system.addr, port), timeout=h.DEADLINE)
        self.f = self.s.makefile("rb")

    def line(self):
        return self.f.readline().decode().rstrip("\r\n")

    def reply(self):
        """The last line of an SMTP reply."""
        while True:
            l = self.line()
            if l[3:4] != "-":
                return l

    def say(self, data):
        self.s.sendall(data if isinstance(data, bytes) else data.encode())

    def close(self):
        self.f.close()
        self.s.close()


def to_data(c, sender="a@far.test", rcpt="def@daum.test"):
    c.say("MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (sender, rcpt))
    return [c.reply()[:3] for _ in range(3)]


def hello(system):
    c = Raw(system, h.SMTP)
    c.reply()
    c.say("EHLO client.test\r\n")
    c.reply()
    return c


def large(daum):
    body = "".join(".%06d %s\r\n" % (i, "x" * (i % 90)) for i in range(60000))
    text = h.letter(body=body)
    same(daum.send("abc@far.test", ["def@daum.test"], text), {}, "a letter of %d bytes is taken" % len(text))
    got = daum.wait_messages("def", 1)[0]
    ok(got.endswith(text.encode()), "and read back as it was")
    c = daum.pop3("def")
    same(c.list()[1], [b"1 %d" % len(got)], "LIST tells its exact size")
    same(c.stat(), (1, len(got)), "and STAT")
    top = b"\r\n".join(c.top(1, 2)[1]) + b"\r\n"
    ok(got.startswith(top) and top.endswith(b"\r\n.000001 x\r\n"), "TOP gives the header and two lines", top[-200:])
    c.dele(1)
    c.quit()
    same(daum.count("def"), 0, "it is deleted at QUIT")


def refused(daum):
    try:
        daum.send("abc@far.test", ["def@daum.test"], h.letter(body="x" * 70 + "\r\n" + ("y" * 998 + "\r\n") * 5000))
        code = 250
    except smtplib.SMTPSenderRefused as e:
        code = e.smtp_code
    same(code, 552, "a letter whose announced SIZE is over the limit is refused at MAIL")
    c = hello(daum)
    same(to_data(c), ["250", "250", "354"], "DATA")
    c.say(b"x\r\n" + (b"y" * 998 + b"\r\n") * 5000 + b".\r\n")
    same(c.reply()[:9], "552 5.3.4", "one that says nothing is read to its end and refused")
    for eod in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r"):
        same(to_data(c), ["250", "250", "354"], "DATA after a refusal")
        c.say(b"x" + eod + b"MAIL FROM:<evil@far.test>\r\nRCPT TO:<def@daum.test>\r\nDATA\r\nsmuggled\r\n.\r\n")
        same(c.reply()[:9], "550 5.6.0", "%r is no end of content" % eod)
    c.close()
    same(daum.count("def"), 0, "nothing of it arrives")


def maildrop(daum):
    for i in range(3):
        daum.send("abc@far.test", ["def@daum.test"], h.letter(subject="number %d" % i))
    daum.wait_messages("def", 3)
    a, b = daum.pop3("def"), daum.pop3("def")
    ids = a.uidl()[1]
    same(len(set(i.split()[1] for i in ids)), 3, "three unique ids")
    a.dele(1)
    a.close()
    same(daum.count("def"), 3, "without QUIT nothing is deleted")
    a = daum.pop3("def")
    same(a.uidl()[1], ids, "the ids are the same in another session")
    a.dele(2)
    a.quit()
    same(b.stat()[0], 3, "a session that was open before still has its three")
    try:
        body = b.retr(2)[0]
    except poplib.error_proto as e:
        body = e.args[0]
    ok(body.startswith(b"+OK") or b"removed by another session" in body, "and hears that one is gone, or reads it", body)
    same(len(b.retr(3)[1]) > 5, True, "the others can be read")
    b.quit()
    c = daum.pop3("def")
    same([i.split()[1] for i in c.uidl()[1]], [ids[0].split()[1], ids[2].split()[1]], "the ids of those that are left do not move")
    c.dele(1)
    c.dele(2)
    c.quit()


def many(daum, clients=40, each=25):
    failed = []

    def client(n):
        try:
            c = hello(daum)
            for i in range(each):
                c.say("MAIL FROM:<a@far.test>\r\nRCPT TO:<def@daum.test>\r\nRCPT TO:<nobody@daum.test>\r\nDATA\r\n")
                got = [c.reply()[:3] for _ in range(4)]
                if got != ["250", "250", "550", "354"]:
                    raise AssertionError(got)
                c.say("Subject: %d.%d\r\n\r\n%s.\r\n" % (n, i, "z" * 70 + "\r\n"))
                got = c.reply()
                if not got.startswith("250 2.0.0 Ok: queued as "):
                    raise AssertionError(got)
            c.say("QUIT\r\n")
            c.reply()
            c.close()
        except Exception as e:
            failed.append("%d: %r" % (n, e))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(failed, [], "%d clients at a time, %d letters each" % (clients, each))
    h.wait_for("all of them", lambda: daum.count("def") == clients * each)
    c = daum.pop3("def")
    subjects = set()
    c.sock.sendall(b"".join(b"TOP %d 0\r\n" % (i + 1) for i in range(clients * each)))
    for i in range(clients * each):
        subjects.update(l for l in c._getlongresp()[1] if l.startswith(b"Subject:"))
    same(len(subjects), clients * each, "each is there once; TOP of all of them was pipelined")
    c.quit()


def test():
    daum = h.System("daum", "daum.test", h.address(0), "message_size_limit = 4m\nsmtp_error_limit = 1000\n").start().setup("def")
    large(daum)
    refused(daum)
    maildrop(daum)
    many(daum)
    same(daum.stop(), 0, "it stops in order")


h.run(test)
