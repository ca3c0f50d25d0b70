"""What strangers do to TLS ports and logins: injection, garbage, silence, floods; others are served meanwhile."""
import base64
import imaplib
import os
import re
import resource
import socket
import ssl
import subprocess
import threading
import time
import harness as h
from harness import ok, same

USER = "def@daum.test"


def plain(s, port):
    c = socket.create_connection((s.addr, port), timeout=h.DEADLINE)
    return c, c.makefile("rb")


def memory(s, role):
    """Proportional memory of the processes of a role, KiB."""
    n = 0
    for pid in s.pids(role) if h.ROOT else ():      # only root may look
        with open("/proc/%d/smaps_rollup" % pid) as f:
            n += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return n


def served(s, ctx, what):
    """Another client logs in and reads meanwhile."""
    raw = socket.create_connection((s.addr, h.IMAPS), timeout=h.DEADLINE)
    with ctx.wrap_socket(raw, server_hostname="mx.daum.test") as c:
        f = c.makefile("rb")
        f.readline()
        c.sendall(b"a LOGIN def@daum.test secret\r\n")
        line = f.readline()
        while not line.startswith(b"a "):
            line = f.readline()
        ok(line.startswith(b"a OK"), "others are served meanwhile: " + what, line)


def tls_after(c, ctx):
    return ctx.wrap_socket(c, server_hostname="mx.daum.test")


def injection(s, ctx):
    """A command behind STARTTLS in the same packet must not count as said under TLS."""
    for port, say, go, after, bad in (
            (h.SMTP, b"EHLO client.test\r\n", b"STARTTLS\r\nEHLO injected.test\r\nMAIL FROM:<evil@far.test>\r\n", b"RCPT TO:<def@daum.test>\r\n", b"250"),
            (h.SUBMISSION, b"EHLO client.test\r\n", b"STARTTLS\r\nEHLO injected.test\r\n", b"AUTH PLAIN =\r\n", b"235"),
            (h.IMAP, b"", b"a STARTTLS\r\nb LOGIN def@daum.test secret\r\n", b"c SELECT INBOX\r\n", b"b OK"),
            (h.POP3, b"", b"STLS\r\nUSER def@daum.test\r\nPASS secret\r\n", b"STAT\r\n", b"+OK")):
        c, f = plain(s, port)
        f.readline()
        if say:
            c.sendall(say)
            while not f.readline().startswith(b"250 "):
                pass
        c.sendall(go)
        line = f.readline()
        try:
            with tls_after(c, ctx) as t:
                tf = t.makefile("rb")
                t.sendall(after)
                line = tf.readline()
                ok(bad not in line, "port %d: what came before the handshake does not count" % port, line)
        except (ssl.SSLError, OSError) as e:
            ok(True, "port %d: injection ends the connection" % port, e)
        finally:
            c.close()


def garbage(s, ctx):
    hello = bytes.fromhex("16030100") + b"\xff"
    cases = {"text": b"EHLO client.test\r\n", "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "zeros": bytes(4096), "ones": b"\xff" * 4096,
             "a record that is too long": b"\x16\x03\x01\xff\xff" + bytes(70000), "a truncated hello": hello,
             "an alert": b"\x15\x03\x01\x00\x02\x02\x28", "application data": b"\x17\x03\x03\x00\x10" + bytes(16), "SSLv2": b"\x80\x2e\x01\x00\x02" + bytes(41)}
    for what, data in cases.items():
        for port in (h.IMAPS, h.POP3S, h.SUBMISSIONS):
            c = socket.create_connection((s.addr, port), timeout=h.DEADLINE)
            try:
                c.sendall(data)
                c.shutdown(socket.SHUT_WR)
                while c.recv(65536):
                    pass
            except OSError:
                pass
            c.close()
        served(s, ctx, what)


def handshake_time(s, time):
    with open(s.conf) as f:
        conf = f.read()
    with open(s.conf, "w") as f:
        f.write(re.sub(r"(?m)^(tls_handshake_timeout = ).*", r"\g<1>" + time, conf))
    s.pabal("reload")


def half_open(s, ctx):
    """Thousands that say nothing, or the first bytes of a handshake, cost little."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = min(10000, (hard if hard != resource.RLIM_INFINITY else 20000) - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n + 100), hard))
    handshake_time(s, "20s")
    before = memory(s, "imapd")
    silent = [socket.create_connection((s.addr, h.IMAPS), timeout=h.DEADLINE) for _ in range(n // 2)]
    begun = [socket.create_connection((s.addr, h.IMAPS), timeout=h.DEADLINE) for _ in range(n // 2)]
    for c in begun:
        try:
            c.sendall(bytes.fromhex("1603010200010001fc0303"))
        except OSError:     # this machine is so slow that its time is over
            pass
    served(s, ctx, "%d half-open handshakes" % n)
    each = (memory(s, "imapd") - before) / n
    ok(each < 16, "a half-open handshake costs %.1f KiB" % each)
    h.wait_for("the half-open ones to be closed", lambda: closed(silent[0]) and closed(begun[-1]))
    ok(True, "they are closed when the time for a handshake is over")
    for c in silent + begun:
        c.close()
    handshake_time(s, "5m")


def closed(c):
    c.setblocking(False)
    try:
        return c.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def s_client(s, ca, port, data, *args):
    return subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % (s.addr, port), "-CAfile", ca.cert, "-servername", "mx.daum.test", *args],
                          input=data, capture_output=True, timeout=h.DEADLINE)


def floods(s, ca, ctx):
    p = subprocess.Popen(["openssl", "s_client", "-connect", "%s:%d" % (s.addr, h.IMAPS), "-CAfile", ca.cert, "-tls1_3"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    n = 0
    try:
        line = p.stdout.readline()
        while line and b"Pabal is ready" not in line:
            line = p.stdout.readline()
        while p.poll() is None and n < 20000:   # one command at a time: only the first of a read counts
            p.stdin.write(b"K\n")
            p.stdin.flush()
            line = p.stdout.readline()
            while line and b"KEYUPDATE" not in line:
                line = p.stdout.readline()
            n += 1
            if not line:
                break
    except BrokenPipeError:
        pass
    p.stdin.close()
    p.stdout.close()
    p.wait()
    ok(30 <= n < 20000, "a flood of KeyUpdates ends the connection", n)
    h.wait_for("the flood to be logged", lambda: "too many messages after the handshake" in s.log_text())
    p = s_client(s, ca, h.IMAPS, b"R\nQ\n", "-tls1_2")
    ok(b"renegotiat" in p.stderr.lower() or b"error" in p.stderr.lower(), "renegotiation is refused", p.stderr[-400:])
    served(s, ctx, "floods")


def sasl(s, ctx):
    """Malformed exchanges, each with its answer; the connection goes on or ends, as defined."""
    lines = [b"=", b"====", b"!!!!", b"A", base64.b64encode(b"\0"), base64.b64encode(b"\0\0"), base64.b64encode(b"\0user\0"),
             base64.b64encode(b"\0\xff\xfe\0pw"), base64.b64encode(b"\0u\0p\0x"), base64.b64encode(b"\0" + b"u" * 3000 + b"\0p"),
             base64.b64encode(b"other\0def@daum.test\0secret"), b"QQ" * 8000, b""]
    for line in lines:
        raw = socket.create_connection((s.addr, h.SUBMISSIONS), timeout=h.DEADLINE)
        with ctx.wrap_socket(raw, server_hostname="mx.daum.test") as c:
            f = c.makefile("rb")
            f.readline()
            c.sendall(b"EHLO client.test\r\n")
            while not f.readline().startswith(b"250 "):
                pass
            c.sendall(b"AUTH PLAIN\r\n")
            ok(f.readline().startswith(b"334"), "AUTH PLAIN asks")
            c.sendall(line + b"\r\n")
            got = f.readline()
            ok(got[:3] in (b"501", b"500", b"535", b"421"), "SMTP: PLAIN %r is refused" % line[:20], got)
        raw = socket.create_connection((s.addr, h.IMAPS), timeout=h.DEADLINE)
        with ctx.wrap_socket(raw, server_hostname="mx.daum.test") as c:
            f = c.makefile("rb")
            f.readline()
            c.sendall(b"a AUTHENTICATE SCRAM-SHA-256\r\n")
            ok(f.readline().startswith(b"+"), "AUTHENTICATE asks")
            c.sendall(line + b"\r\n")
            got = f.readline()
            ok(got[:4] in (b"a BA", b"a NO", b"* BY"), "IMAP: SCRAM %r is refused" % line[:20], got)


def wrong_passwords(s, ctx):
    """Many wrong passwords at once: none gets in, look-ups and honest logins go on."""
    stop = threading.Event()
    tried = [0]

    def guess(k):
        while not stop.is_set():
            try:
                raw = socket.create_connection((s.addr, h.IMAPS), timeout=h.DEADLINE)
                with ctx.wrap_socket(raw, server_hostname="mx.daum.test") as c:
                    f = c.makefile("rb")
                    f.readline()
                    for i in range(4):
                        c.sendall(b"a LOGIN other@daum.test guess%d.%d\r\n" % (k, tried[0]))
                        if f.readline() == b"":
                            break
                        tried[0] += 1
            except (OSError, ssl.SSLError):
                pass
    threads = [threading.Thread(target=guess, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    h.wait_for("two hundred guesses", lambda: tried[0] >= 200)
    for i in range(3):
        with s.smtp() as c:
            c.helo("x.test")
            c.mail("a@far.test")
            same(c.rcpt(USER)[0], 250, "a look-up during the guessing")
    stop.set()
    for t in threads:
        t.join()
    out = s.pabal("login-failures", "list").stdout
    ok("other@daum.test" in out, "pabal login-failures names the account that is guessed at", out)
    ok("login refused" in s.log_text() or "refused" in s.log_text(), "the log tells")


def test():
    ca = h.Authority()
    s = h.System("daum", "daum.test", h.address(1), "tls_handshake_timeout = 5m\nconnection_limit = 20000\nconnection_limit_address = 20000\n", services=h.ALL_SERVICES)
    s.start().setup("def", "other")
    s.pabal("cert", "install", "mx.daum.test", *ca.issue("mx.daum.test"))
    ctx = ca.context()

    def taken():
        try:
            served(s, ctx, "the certificate is taken up")
            return True
        except ssl.SSLError:
            return False
    h.wait_for("the certificate", taken)
    pids = {r: s.pids(r) for r in ("smtpd", "imapd", "pop3d", "keyd", "accountd")}
    injection(s, ctx)
    garbage(s, ctx)
    floods(s, ca, ctx)
    sasl(s, ctx)
    half_open(s, ctx)
    wrong_passwords(s, ctx)
    same({r: s.pids(r) for r in pids}, pids, "no process ended")
    same(s.stop(), 0, "the system stops in order")


h.run(test)
