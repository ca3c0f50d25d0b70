"""Private keys are in keyd and in no process that the network reaches: the memory of every edge is searched. A slow keyd
stops only handshakes, and not the other sessions of a worker; certificates change under open sessions."""
import concurrent.futures
import hashlib
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import harness as h
from harness import ok, same
from memory import found

EDGES = ("smtpd", "pop3d", "imapd", "deliver-remote")


# ---- the search ---------------------------------------------------------------------------------------------

def numbers(text, *titles):
    """The numbers of "openssl pkey -text" under the titles, as bytes."""
    for title in titles:
        m = re.search(r"^%s:\n((?:    [0-9a-f:]+\n)+)" % title, text, re.M)
        if m:
            yield bytes.fromhex(re.sub(r"[\s:]", "", m.group(1))).lstrip(b"\0")


def traces(key):
    """What gives the key in the file away, wherever it stands in memory: its numbers in either order of bytes, its DER, its PEM."""
    run = lambda *a: subprocess.run(["openssl", "pkey", "-in", key] + list(a), capture_output=True, check=True).stdout
    out = {}
    for i, n in enumerate(numbers(run("-noout", "-text").decode(), "priv", "privateExponent", "prime1", "prime2", "exponent1", "exponent2")):
        out["number %d" % i], out["number %d reversed" % i] = n, n[::-1]
    with open(key) as f:
        lines = [line.encode() for line in f.read().splitlines() if "-----" not in line]
    out["PEM"] = max(lines, key=len)
    return out


def search(s, secrets, when):
    for role in EDGES:
        for pid in s.pids(role):
            hits, size = found(pid, secrets)
            ok(size > 1 << 20 and not hits, "%s: no key in the memory of %s (%d MiB)" % (when, role, size >> 20), hits)
    hits, _ = found(s.pids("keyd")[0], secrets)
    for name in {n.split(":")[0] for n in secrets}:
        ok(any(hit.startswith(name + ":") for hit in hits), "%s: the same search finds the key of %s in keyd" % (when, name), hits)


# ---- clients ------------------------------------------------------------------------------------------------

def tls(s, ca, port, name, session=None, timeout=h.DEADLINE):
    c = ca.context()
    sock = socket.create_connection((s.addr, port), timeout=timeout)
    return c, c.wrap_socket(sock, server_hostname=name, session=session)


class Imap:
    """A session over IMAPS, logged in."""

    def __init__(self, s, ca, name, user="def", **kw):
        self.context, self.sock = tls(s, ca, h.IMAPS, name, **kw)
        self.greeting()
        self.n = 0
        if user:
            same(self.command("LOGIN %s@daum.test secret" % user)[:2], "OK", "a login over IMAPS (%s)" % name)

    def greeting(self):
        self.file = self.sock.makefile("rb")
        return self.file.readline()

    def command(self, text):
        self.n += 1
        tag = "a%d" % self.n
        self.sock.sendall(("%s %s\r\n" % (tag, text)).encode())
        while True:
            line = self.file.readline().decode()
            if line.startswith(tag + " ") or not line:
                return line[len(tag) + 1:]

    def fingerprint(self):
        return hashlib.sha256(self.sock.getpeercert(True)).hexdigest()


def starttls(s, ca, port, name, talk):
    """STARTTLS in the clear first: lines to send and what each answer starts with."""
    sock = socket.create_connection((s.addr, port), timeout=h.DEADLINE)
    f = sock.makefile("rb")
    for line, want in talk:
        if line:
            sock.sendall(line)
        got = f.readline()
        while got[3:4] == b"-" or got.startswith(b"*") and line:
            got = f.readline()
        if want not in got:
            raise AssertionError("%r: got %r want %r" % (line, got, want))
    return ca.context().wrap_socket(sock, server_hostname=name)


def handshakes(s, ca):
    """Every service with every type of key."""
    done = 0
    for name in ("rsa.daum.test", "ec.daum.test", "ed.daum.test"):
        for port in (h.SUBMISSIONS, h.POP3S, h.IMAPS):
            c = tls(s, ca, port, name)[1]
            done += bool(c.recv(1))
            c.close()
        for port, talk in ((h.SMTP, ((b"", b"220 "), (b"EHLO c.test\r\n", b"250 "), (b"STARTTLS\r\n", b"220 "))),
                           (h.POP3, ((b"", b"+OK"), (b"STLS\r\n", b"+OK"))), (h.IMAP, ((b"", b"* OK"), (b"a STARTTLS\r\n", b"a OK")))):
            c = starttls(s, ca, port, name, talk)
            done += c.version() in ("TLSv1.2", "TLSv1.3")
            c.close()
    same(done, 18, "handshakes of every service with every type of key")


# ---- the tests ----------------------------------------------------------------------------------------------

def slow_keyd(s, ca):
    there = Imap(s, ca, "ec.daum.test")
    keyd = s.pids("keyd")[0]
    result = []

    def connect():
        try:
            result.append(Imap(s, ca, "rsa.daum.test", user=None))
        except Exception as e:
            result.append(e)

    h.freeze(keyd)
    try:
        threads = [threading.Thread(target=connect) for _ in range(5)]
        for t in threads:
            t.start()
        same({there.command("NOOP")[:2] for _ in range(200)}, {"OK"}, "with keyd stopped, a session of the same worker is answered")
        with socket.create_connection((s.addr, h.IMAP), timeout=h.DEADLINE) as c:
            ok(c.recv(4).startswith(b"* OK"), "and a new one in the clear")
        threads[0].join(1)
        same(result, [], "the handshakes wait")
    finally:
        os.kill(keyd, signal.SIGCONT)
    for t in threads:
        t.join(h.DEADLINE)
    ok(len(result) == 5 and all(isinstance(r, Imap) for r in result), "and end well when keyd goes on", result)
    same(there.command("NOOP")[:2], "OK", "the session was never touched")


def resumption(s, ca):
    """A resumed session needs no signature."""
    c = ca.context()
    with c.wrap_socket(socket.create_connection((s.addr, h.IMAPS), timeout=h.DEADLINE), server_hostname="ec.daum.test") as first:
        first.recv(1000)
        session = first.session
    keyd = s.pids("keyd")[0]
    h.freeze(keyd)
    try:
        with c.wrap_socket(socket.create_connection((s.addr, h.IMAPS), timeout=h.DEADLINE), server_hostname="ec.daum.test", session=session) as second:
            ok(second.recv(4) == b"* OK" and second.session_reused, "a session is resumed while keyd is stopped")
    finally:
        os.kill(keyd, signal.SIGCONT)


def renewal(s, ca):
    old = Imap(s, ca, "ec.daum.test")
    before = old.fingerprint()
    chain, key = ca.issue("ec.daum.test", days=60, name="renewed")
    s.pabal("cert", "install", chain, key)
    new = h.wait_for("the renewed certificate", lambda: (lambda c: c if c.fingerprint() != before else None)(Imap(s, ca, "ec.daum.test", user=None)))
    same(old.command("NOOP")[:2], "OK", "the session that was open goes on")
    with open(chain) as f:
        same(new.fingerprint(), hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest(), "new sessions get the renewed one")
    s.pabal("reload")
    same(old.command("NOOP")[:2], "OK", "a reload does not end it either")
    # master cannot start another for a while
    os.kill(s.proc.pid, signal.SIGSTOP)
    try:
        os.kill(s.pids("keyd")[0], signal.SIGKILL)
        same(old.command("NOOP")[:2], "OK", "nor does the death of keyd")
        pool = concurrent.futures.ThreadPoolExecutor()
        waits = pool.submit(lambda: Imap(s, ca, "ec.daum.test", user=None).fingerprint())
        same(old.command("NOOP")[:2], "OK", "nor a handshake that waits for a keyd")
    finally:
        os.kill(s.proc.pid, signal.SIGCONT)
    same(waits.result(), new.fingerprint(), "which is there once keyd was started anew")
    same(len(s.pids("keyd")), 1, "which is there once")
    return key


def test():
    s = h.System("keys", "daum.test", h.address(0), "tls_handshake_timeout = 5m\n", services=h.ALL_SERVICES).start().setup("def")
    ca = h.Authority()
    secrets = {}

    def remember(name, key):
        secrets.update({"%s: %s" % (name, k): v for k, v in traces(key).items()})

    for name, kind in (("rsa.daum.test", "rsa"), ("ec.daum.test", "ec"), ("ed.daum.test", "ed25519")):
        chain, key = ca.issue(name, key=kind, days=40)
        s.pabal("cert", "install", chain, key)
        remember(name, key)
    ok(len(secrets) >= 10 and all(len(v) >= 30 for v in secrets.values()), "there is something to search for", {k: len(v) for k, v in secrets.items()})
    h.wait_for("all three to be served", lambda: all(attempt(s, ca, n) for n in ("rsa.daum.test", "ec.daum.test", "ed.daum.test")))
    handshakes(s, ca)
    search(s, secrets, "after handshakes")
    slow_keyd(s, ca)
    resumption(s, ca)
    key = renewal(s, ca)
    for k in [k for k in secrets if k.startswith("ec.")]:
        del secrets[k]
    remember("ec.daum.test", key)
    handshakes(s, ca)
    search(s, secrets, "after a renewal")
    same(s.stop(), 0, "it stops in order")


def attempt(s, ca, name):
    try:
        tls(s, ca, h.IMAPS, name)[1].close()
        return True
    except (OSError, ssl.SSLError):
        return False


if not h.ROOT:
    h.skip_all("only root may read the memory of the processes")
h.run(test)
