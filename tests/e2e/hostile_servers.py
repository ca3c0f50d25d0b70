"""Servers that deliver-remote had better not meet: what they do at STARTTLS and behind it, for each policy of TLS. Nothing is
sent in the clear where the policy forbids it, nothing is lost, and what they say spoils no log."""
import os
import re
import socket
import ssl
import threading
import time
import harness as h
import rawtls
from harness import ok, same

POLICIES = ("may", "encrypt", "verify")
REPLIES = {"454": b"454 no\r\n", "500": b"500 what\r\n", "554": b"554 never\r\n", "250": b"250 ok\r\n", "299": b"299 ok\r\n", "354": b"354 go\r\n",
           "text": b"hello there\r\n", "nul": b"220 \0\r\n", "lf": b"220 ok\n", "control": b"454 \x1b[2J\r\tNov 24 mx qmgr: forged\x7f\x80\r\n"}
# What it does, and what becomes of a message under each policy: c: delivered in the clear, t: under TLS, -: it stays
WHAT = dict({k: "---" for k in REPLIES}, **{
    "454": "c--", "500": "c--", "554": "c--", "421": "c--", "downgrade": "c--", "three lines": "ttt", "endless lines": "---", "an endless line": "---",
    "injection": "---", "late injection": "c--", "garbage": "c--", "closes": "c--", "closes after 220": "c--", "silent": "c--",
    "plaintext": "c--", "alert": "c--", "half a flight": "c--", "a changed flight": "c--", "a byte at a time": "c--", "closes after the handshake": "c--",
    "talks first": "---", "back to plaintext": "c--", "STARTTLS again": "ttt", "fewer capabilities": "ttt", "an EHLO flood": "---",
    "421 after the handshake": "---", "500 after the handshake": "ttt", "drops after 354": "---", "drops after the dot": "ttt",
    "a giant certificate": "c--", "TLS 1.0": "c--", "200 tickets": "c--", "wants a certificate": "c--", "of another": "tt-", "good": "ttt"})
# What ends only by the time for a handshake. All else has all the time it needs, on a slow machine too.
TIMED = ("silent", "half a flight", "a byte at a time")


class Server(threading.Thread):
    """One address, one behaviour. Knows what it heard in the clear, and what it took where."""

    def __init__(self, addr, what, ctx):
        super().__init__(daemon=True)
        self.what, self.ctx, self.sessions = what, ctx, 0
        self.heard, self.clear, self.under = [], [], []
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((addr, h.SMTP))
        self.sock.listen(50)
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self.session, args=(c,), daemon=True).start()

    def session(self, c):
        c.settimeout(h.DEADLINE)
        try:
            c.sendall(b"220 evil.test ESMTP\r\n")
            self.talk(c, False)
        except (OSError, ValueError):
            pass
        finally:
            c.close()

    def ehlo(self, c, tls):
        w = self.what
        caps = [b"evil.test"]
        if tls and w == "421 after the handshake":
            c.sendall(b"421 go away\r\n")
            return False
        if tls and w == "500 after the handshake":
            c.sendall(b"500 what\r\n")
            return True
        if tls and w == "an EHLO flood":
            c.sendall(b"250-X\r\n" * 100000)
        if (not tls and w != "downgrade") or w == "STARTTLS again":
            caps.append(b"STARTTLS")
        if not (tls and w == "fewer capabilities"):
            caps += [b"PIPELINING", b"8BITMIME", b"DSN", b"SIZE 100000000"]
        c.sendall(b"".join(b"250-" + k + b"\r\n" for k in caps[:-1]) + b"250 " + caps[-1] + b"\r\n")
        return True

    def data(self, c, f, tls):
        c.sendall(b"354 go\r\n")
        if tls and self.what == "drops after 354":
            return False
        body = b""
        while not body.endswith(b"\r\n.\r\n"):
            line = f.readline()
            if not line:
                return False
            body += line
        (self.under if tls else self.clear).append(body)
        if tls and self.what == "drops after the dot" and self.sessions < 2:
            return False
        c.sendall(b"250 ok\r\n")
        return True

    def talk(self, c, tls):
        f = c.makefile("rb")
        while True:
            line = f.readline(5000)
            verb = line.split()[0].upper() if line.split() else b""
            if not tls:
                self.heard.append(line)
            if not line or verb == b"QUIT":
                return
            if verb == b"STARTTLS" and not tls:
                self.starttls(c)
                return
            if verb == b"EHLO":
                go = self.ehlo(c, tls)
            elif verb == b"DATA":
                go = self.data(c, f, tls)
            else:
                go = not c.sendall(b"250 ok\r\n")
            if not go:
                return

    def forever(self, c, what):
        while True:
            c.sendall(what)

    def starttls(self, c):
        w = self.what
        if w in REPLIES:
            c.sendall(REPLIES[w])
            self.talk(c, False)
        elif w == "421":
            c.sendall(b"421 bye\r\n")
        elif w == "endless lines":
            self.forever(c, b"220-x\r\n" * 1000)
        elif w == "an endless line":
            self.forever(c, b"220 " + b"x" * 10000)
        elif w == "injection":
            c.sendall(b"220 go\r\n250 injected\r\n250 injected\r\n")
            self.tls(c)
        elif w != "closes":
            c.sendall(b"220-a\r\n220-b\r\n220 c\r\n" if w == "three lines" else b"220 go\r\n")
            self.begin(c)

    def begin(self, c):
        w = self.what
        if w == "late injection":
            c.recv(1, socket.MSG_PEEK)
            c.sendall(b"250-injected.test\r\n250 OK\r\n")
        elif w == "garbage":
            c.sendall(os.urandom(5000))
            c.recv(9999)
        elif w == "silent":
            while c.recv(9999):
                pass
        elif w == "plaintext":
            self.talk(c, False)
        elif w == "alert":
            c.recv(5000)
            c.sendall(b"\x15\x03\x03\0\x02\x02\x28")
        elif w in ("half a flight", "a byte at a time", "a changed flight"):
            self.flights(c)
        elif w != "closes after 220":
            self.tls(c)

    def flights(self, c):
        inc, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        t = self.ctx.wrap_bio(inc, out, server_side=True)
        while True:
            try:
                t.do_handshake()
            except ssl.SSLWantReadError:
                pass
            d = bytearray(out.read())
            if d and self.what == "half a flight":
                c.sendall(d[:len(d) // 2])
                return
            if d and self.what == "a changed flight":
                d[len(d) // 2] ^= 1
            for b in d if self.what == "a byte at a time" else ():
                c.sendall(bytes([b]))
                time.sleep(0.05)    # this is what it does, not a wait for anything
            if self.what == "a changed flight":
                c.sendall(d)
            d = c.recv(9999)
            if not d:
                return
            inc.write(d)

    def tls(self, c):
        t = self.ctx.wrap_socket(c, server_side=True)
        if self.what == "talks first":
            t.sendall(b"250 injected\r\n250 ok\r\n")
        if self.what == "back to plaintext":
            self.talk(t.unwrap(), False)
        elif self.what != "closes after the handshake":
            self.talk(t, True)
        t.close()


def contexts(ca, names):
    def make(crt, key):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(crt, key)
        return c
    mine = ca.issue("evil.test", *names, name="mine")
    out = {None: make(*mine), "TLS 1.0": make(*mine), "200 tickets": make(*mine), "wants a certificate": make(*mine), "of another": make(*ca.issue("another.test")),
           "a giant certificate": make(*ca.issue(*["n%d.%s.test" % (i, "x" * 50) for i in range(1500)], name="giant"))}
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        out["TLS 1.0"].minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        out["TLS 1.0"].maximum_version = ssl.TLSVersion.TLSv1
    out["TLS 1.0"].set_ciphers("ALL:@SECLEVEL=0")
    out["200 tickets"].num_tickets = 200
    out["wants a certificate"].verify_mode = ssl.CERT_REQUIRED
    out["wants a certificate"].load_verify_locations(ca.cert)
    return out


def test():
    ca = h.Authority()
    timed = {w: v for w, v in WHAT.items() if w in TIMED}
    play(ca, {w: v for w, v in WHAT.items() if w not in TIMED}, 5, "tls_handshake_timeout = 5m\n")
    play(ca, timed, 200, "tls_handshake_timeout = 3s\n")


def play(ca, what, first, conf):
    """One system against a server of each kind, from the first-th address on."""
    rows = [(i, j, w, p) for i, w in enumerate(what) for j, p in enumerate(POLICIES)]
    ctx = contexts(ca, ["mx-%d-%s.test" % (i, p) for i, _, _, p in rows])
    dns, servers = [], {}
    for i, j, w, p in rows:
        addr = h.address(first + len(POLICIES) * i + j)
        dns += ["d%d-%s.test. 60 IN MX 10 mx-%d-%s.test." % (i, p, i, p), "mx-%d-%s.test. 60 IN A %s" % (i, p, addr)]
        conf += "tls_policy = d%d-%s.test %s\n" % (i, p, p)
        servers[w, p] = Server(addr, w, ctx.get(w, ctx[None]))
    s = h.System("naver", "naver.test", h.address(0), "smtp_reply_timeout = 5m\nsmtp_final_timeout = 5m\n"
                 "queue_delay_notice = 0\ntls_ca_file = %s\n" % ca.cert + conf, dns).start().setup("abc")
    before = rawtls.descriptors(s)
    for i, _, _, p in rows:
        s.send("abc@naver.test", ["x@d%d-%s.test" % (i, p)], h.letter("abc@naver.test", "x@far.test", "number %d" % i))

    def settled():
        return all(srv.clear if what[w][POLICIES.index(p)] == "c" else srv.under if what[w][POLICIES.index(p)] == "t" else srv.sessions >= 2
                   for (w, p), srv in servers.items())
    try:
        h.wait_for("each message to be delivered, or to be tried twice", settled)
    except AssertionError:
        print("# not all as expected")
    for (w, p), srv in servers.items():
        want = what[w][POLICIES.index(p)]
        got = ("c" if srv.clear else "") + ("t" if srv.under else "") or "-"
        ok(got == want, "%s, %s: %s" % (w, p, want), "%s after %d sessions" % (got, srv.sessions))
        if p != "may":
            same([line for line in srv.heard if line.upper().startswith((b"MAIL", b"RCPT", b"DATA"))], [], "%s, %s: no word of it in the clear" % (w, p))
        ok(len(srv.clear) <= 1 and len(srv.under) <= (2 if w == "drops after the dot" else 1), "%s, %s: not twice" % (w, p), (len(srv.clear), len(srv.under)))
    stay = {(w, p) for i, j, w, p in rows if what[w][j] == "-"}

    def queued():
        queue = s.pabal("queue", "list").stdout
        return {(w, p) for i, _, w, p in rows if "@d%d-%s.test" % (i, p) in queue}
    h.wait_for("what was not delivered, and nothing else, to be in the queue", lambda: queued() == stay)
    same([line for line in s.log_text().splitlines() if re.search(r"[^\x20-\x7e]", line) or line.startswith("Nov")], [], "no server writes into the log")
    same({r: [x[0] for x in v] for r, v in rawtls.descriptors(s).items()}, {r: [x[0] for x in v] for r, v in before.items()}, "no process ended")
    same(s.stop(), 0, "it stops in order")


h.run(test)
