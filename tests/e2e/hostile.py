"""Clients that flood, send garbage, break off at every point: no process dies, keeps a descriptor, or stops serving."""
import os
import random
import socket
import struct
import threading
import harness as h
import rawtls
from harness import ok, same

PORTS = (h.SMTP, h.POP3, h.IMAP)
LOGIN = {h.POP3: b"USER def@daum.test\r\nPASS secret\r\n", h.IMAP: b"a LOGIN def@daum.test secret\r\nb SELECT INBOX\r\n"}


def connect(s, port):
    c = socket.create_connection((s.addr, port), timeout=h.DEADLINE)
    c.recv(300)
    return c


def push(c, data):
    try:
        c.sendall(data)
    except OSError:
        pass


def drain(c):
    """Reads until the server closes."""
    try:
        while c.recv(65536):
            pass
    except OSError:
        pass
    c.close()


def state(s):
    """Process id and number of descriptors of each edge."""
    return [(p, rawtls.opened(s, p)) for role in ("smtpd", "pop3d", "imapd") for p in s.pids(role)]


def floods(s):
    rows = [(h.SMTP, b"NOOP\r\n" * 100000), (h.SMTP, b"\n" * 300000), (h.SMTP, b"A" * 3000000), (h.SMTP, b"A\0" * 100000),
            (h.SMTP, b"GET / HTTP/1.0\r\n\r\n"), (h.POP3, b"XYZ\r\n" * 100000), (h.POP3, b"x" * 2000000),
            (h.IMAP, b"x FOO\r\n" * 100000), (h.IMAP, b"x" * 2000000), (h.IMAP, b"x LOGIN {99999999999999999999+}\r\n"),
            (h.IMAP, b"x LOGIN a {1}\r\n" * 10000)]
    for port, data in rows:
        c = connect(s, port)
        push(c, data)
        drain(c)
    for port, data in ((h.POP3, b"STAT\r\n" * 20000 + b"QUIT\r\n"), (h.IMAP, b"x FETCH 1:* (BODY[])\r\n" * 2000 + b"x LOGOUT\r\n")):
        c = connect(s, port)
        t = threading.Thread(target=push, args=(c, LOGIN[port] + data))
        t.start()
        drain(c)
        t.join()


def broken_off(s):
    parts = (b"EHLO a\r\n", b"MAIL FROM:<x@far.test>\r\n", b"RCPT TO:<def@daum.test>\r\n", b"DATA\r\n", b"Subject: cut\r\n\r\n" + b"y" * 400000)
    for n in range(len(parts) + 1):
        for reset in (False, True):
            c = connect(s, h.SMTP)
            for part in parts[:n]:
                push(c, part)
                if len(part) < 100:
                    c.recv(999)
            if reset:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
    for size in (0, 10, 300000):
        c = connect(s, h.IMAP)
        push(c, LOGIN[h.IMAP] + b"c APPEND INBOX {900000+}\r\n" + b"z" * size)
        c.close()


def garbage(s):
    rnd = random.Random(1)
    words = [b"LOGIN ", b"{5+}\r\n", b"(", b"\"", b"\\", b"\r\n", b"\r", b"\n", b"\0", b"UID ", b"FETCH ", b"MAIL FROM:<", b"RCPT TO:",
             b"DATA\r\n", b"RETR ", b"99999999999999999999", b"\xff", b"a1 ", b"APPEND "]
    for i in range(90):
        c = connect(s, PORTS[i % 3])
        push(c, rnd.randbytes(2000) if i % 2 else b"".join(rnd.choice(words) for _ in range(200)))
        c.close()
    held = []
    for i in range(900):
        c = socket.create_connection((s.addr, PORTS[i % 3]), timeout=h.DEADLINE)
        if i % 2:
            push(c, b"E")
        held.append(c)
    for port in PORTS:
        connect(s, port).close()
    for c in held:
        c.close()


def test():
    s = h.System("hostile", "daum.test", h.address(0)).start().setup("def")
    s.send("abc@far.test", ["def@daum.test"], h.letter())
    s.wait_messages("def", 1)
    before = state(s)       # one that is just being closed may still be counted

    def as_before():
        now = state(s)
        return len(now) == len(before) and all(a[0] == b[0] and a[1] <= b[1] for a, b in zip(now, before))

    for attack in (floods, broken_off, garbage):
        attack(s)
        h.wait_for("the descriptors to be closed after %s" % attack.__name__, as_before)
        ok(True, "%s: the same processes, and no descriptor more" % attack.__name__)
    s.send("abc@far.test", ["def@daum.test"], h.letter())
    same(len(s.wait_messages("def", 2)), 2, "mail flows, and of what was broken off nothing arrived")
    same(s.stop(), 0, "it stops in order")


h.run(test)
