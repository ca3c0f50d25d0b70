"""A reload drops no session; a wrong configuration is refused whole; a dead child comes back."""
import os
import signal
import socket
import harness as h
from harness import ok, same


def moved(s):
    """An address that moves with every reload, more often than there is room for listening sockets."""
    with open(s.conf) as f:
        conf = f.read()
    services = ("smtp", "pop3", "imap")
    for i in range(70):
        with open(s.conf, "w") as f:
            f.write(conf + "".join("listen = %s %s:%d\n" % (svc, s.addr, 30000 + 3 * i + j) for j, svc in enumerate(services)))
        s.pabal("reload")
    for j, svc in enumerate(services):
        with socket.create_connection((s.addr, 30000 + 3 * 69 + j), timeout=h.DEADLINE) as c:
            ok(c.recv(1), "%s is served at the last of 70 addresses" % svc)
    with open(s.conf, "w") as f:
        f.write(conf)
    s.pabal("reload")


def test():
    s = h.System("reload", "daum.test", h.address(0)).start().setup("def")
    c = s.imap("def")
    moved(s)
    with open(s.conf, "a") as f:
        f.write("message_size_limit = 20k\nimapd_workers = 2\n")
    s.pabal("reload")
    same(c.noop()[0], "OK", "an IMAP session lives through a reload")
    h.wait_for("the second imapd", lambda: len(s.pids("imapd")) == 2)
    with s.smtp() as m:
        m.ehlo()
        h.wait_for("the new size limit", lambda: m.ehlo() and s.smtp().ehlo()[1].find(b"SIZE 20480") >= 0)
    ok(True, "the new size limit is offered")
    with open(s.conf, "a") as f:
        f.write("message_size_limit = huge\n")
    p = s.pabal("reload", check=False)
    ok(p.returncode != 0 and "message_size_limit" in p.stdout + p.stderr, "a wrong configuration is refused with the reason", p)
    ok(s.smtp().ehlo()[1].find(b"SIZE 20480") >= 0, "and the old one stays")
    pid = s.pids("smtpd")[0]
    os.kill(pid, signal.SIGKILL)
    h.wait_for("a new smtpd", lambda: s.pids("smtpd") and s.pids("smtpd") != [pid] and s.ready())
    same(c.noop()[0], "OK", "the IMAP session did not notice")
    s.send("abc@daum.test", ["def@daum.test"], h.letter())
    same(len(s.wait_messages("def", 1)), 1, "and mail flows")
    ok("restarts" in s.pabal("status", "--json").stdout, "pabal status tells of restarts")
    same(s.stop(), 0, "it stops in order")
    same(s.children(), [], "nothing is left running")


h.run(test)
