"""Logins over TLS at the IMAP and POP3 ports, with the clients that people have: Python's, curl, gsasl, openssl."""
import base64
import imaplib
import poplib
import shutil
import socket
import ssl
import subprocess
import harness as h
from harness import ok, same
from line import Line

USER = "def@daum.test"


def system(ca):
    s = h.System("daum", "daum.test", h.address(0), "tls_client_ca = %s\n" % ca.cert, services=("smtp", "pop3", "imap", "pop3s", "imaps"))
    with open(s.conf) as f:
        text = f.read()
    with open(s.conf, "w") as f:    # as it is by default: nobody logs in without TLS, not even from loopback
        f.write(text.replace("allow_plaintext_login = yes", "allow_plaintext_login = no"))
    s.start().setup("def", "abc")
    s.pabal("cert", "install", *ca.issue("mx.daum.test", san="DNS:mx.daum.test,IP:" + s.addr))
    ctx = ca.context()

    def installed():
        try:
            with socket.create_connection((s.addr, h.IMAPS), 10) as c, ctx.wrap_socket(c, server_hostname="mx.daum.test") as t:
                return t.recv(4) == b"* OK"
        except OSError:
            return False
    h.wait_for("the certificate", installed)
    return s


def python(s, ca):
    ctx = ca.context()
    c = imaplib.IMAP4_SSL(s.addr, h.IMAPS, ssl_context=ctx, timeout=h.DEADLINE)
    ok("LOGINDISABLED" not in c.capabilities and "AUTH=SCRAM-SHA-256-PLUS" in c.capabilities and "STARTTLS" not in c.capabilities,
       "imaps: what is offered", str(c.capabilities))
    same(c.login(USER, "secret")[0], "OK", "imaps: LOGIN")
    same(c.select()[0], "OK", "imaps: SELECT")
    c.logout()
    c = imaplib.IMAP4(s.addr, h.IMAP, timeout=h.DEADLINE)
    ok("LOGINDISABLED" in c.capabilities and "STARTTLS" in c.capabilities and not any(x.startswith("AUTH=") for x in c.capabilities),
       "imap: only STARTTLS is offered", str(c.capabilities))
    try:
        c.login(USER, "secret")
        ok(False, "imap: LOGIN without TLS is refused")
    except imaplib.IMAP4.error as e:
        ok("PRIVACYREQUIRED" in str(e), "imap: LOGIN without TLS is refused", str(e))
    same(c.starttls(ctx)[0], "OK", "imap: STARTTLS")
    ok("LOGINDISABLED" not in c.capabilities, "imap: logins after it", str(c.capabilities))
    same(c.authenticate("PLAIN", lambda _: ("\0%s\0secret" % USER).encode())[0], "OK", "imap: AUTHENTICATE PLAIN")
    c.logout()
    p = poplib.POP3_SSL(s.addr, h.POP3S, context=ctx, timeout=h.DEADLINE)
    ok("STLS" not in p.capa() and "SASL" in p.capa(), "pop3s: what is offered", str(p.capa()))
    p.user(USER)
    ok(p.pass_("secret").startswith(b"+OK"), "pop3s: USER and PASS")
    p.quit()
    p = poplib.POP3(s.addr, h.POP3, timeout=h.DEADLINE)
    ok("STLS" in p.capa() and "USER" not in p.capa() and "SASL" not in p.capa(), "pop3: only STLS is offered", str(p.capa()))
    try:
        p.user(USER)
        ok(False, "pop3: USER without TLS is refused")
    except poplib.error_proto as e:
        ok("[AUTH]" in str(e), "pop3: USER without TLS is refused", str(e))
    p.stls(ctx)
    p.user(USER)
    ok(p.pass_("secret").startswith(b"+OK"), "pop3: logins after STLS")
    p.quit()


def external(s, ca):
    cert, key = ca.issue("def", name="def", san="email:" + USER)
    ctx = ca.context()
    ctx.load_cert_chain(cert, key)
    c = imaplib.IMAP4_SSL(s.addr, h.IMAPS, ssl_context=ctx, timeout=h.DEADLINE)
    ok("AUTH=EXTERNAL" in c.capabilities, "a client's certificate: EXTERNAL is offered", str(c.capabilities))
    same(c.authenticate("EXTERNAL", lambda _: b"")[0], "OK", "a client's certificate: EXTERNAL")
    c.logout()
    c = imaplib.IMAP4_SSL(s.addr, h.IMAPS, ssl_context=ctx, timeout=h.DEADLINE)
    try:
        c.authenticate("EXTERNAL", lambda _: b"abc@daum.test")
        ok(False, "EXTERNAL as somebody else is refused")
    except imaplib.IMAP4.error as e:
        ok("AUTHENTICATIONFAILED" in str(e), "EXTERNAL as somebody else is refused", str(e))
    c.shutdown()


def injection(s, ca):
    ctx = ca.context()
    c = Line(s, h.IMAP)
    c.hear()
    c.say("a STARTTLS\r\nb CAPABILITY\r\nc LOGOUT\r\n")
    ok(c.hear().startswith("a OK"), "STARTTLS with commands behind it in the same packet")
    c.tls(ctx)
    c.say("d NOOP\r\n")
    same(c.hear(), "d OK Done", "they are not heard")
    c.say("e STARTTLS\r\n")
    ok(c.hear().startswith("e BAD"), "STARTTLS twice")
    c = Line(s, h.POP3)
    c.hear()
    c.say("STLS\r\nCAPA\r\nQUIT\r\n")
    ok(c.hear().startswith("+OK"), "STLS with commands behind it in the same packet")
    c.tls(ctx)
    c.say("NOOP\r\nSTLS\r\n")
    same(c.hear(), "-ERR log in first", "they are not heard by pop3d")
    ok(c.hear().startswith("-ERR TLS is on"), "STLS twice")
    # the handshake is no handshake: that connection ends, and the next one is served
    for port, line in ((h.IMAP, "a STARTTLS\r\n"), (h.POP3, "STLS\r\n"), (h.IMAPS, None), (h.POP3S, None)):
        c = Line(s, port)
        if line:
            c.hear()
            c.say(line)
            c.hear()
        c.say("GET / HTTP/1.0\r\n\r\n" * 20)
        try:
            while c.sock.recv(4096):
                pass
        except OSError:
            pass
    for port, word in ((h.IMAPS, "* OK"), (h.POP3S, "+OK")):
        ok(Line(s, port, ctx).hear().startswith(word), "garbage for a handshake stops nobody else: %d" % port)


def curl(s, ca):
    if not shutil.which("curl"):
        return
    mechs = ["PLAIN", "LOGIN"]
    if "GSASL" in subprocess.run(["curl", "-V"], capture_output=True, text=True).stdout.upper():
        mechs.append("SCRAM-SHA-256")
    for scheme, port in (("imaps", h.IMAPS), ("imap", h.IMAP), ("pop3s", h.POP3S), ("pop3", h.POP3)):
        for m in mechs:
            for ir in ("--sasl-ir", "--no-sasl-ir"):
                p = subprocess.run(["curl", "-sS", "--ssl-reqd", "--cacert", ca.cert, "--user", USER + ":secret", ir, "-m", "60",
                                    "--login-options", "AUTH=" + m, "%s://%s:%d/" % (scheme, s.addr, port)], capture_output=True, text=True)
                ok(p.returncode == 0, "curl %s %s %s" % (scheme, m, ir), p.stderr)


def gsasl(s, ca):
    if not shutil.which("gsasl"):
        return

    def run(mechanism, password="secret", *more):
        return subprocess.run(["gsasl", "--connect", "%s:%d" % (s.addr, h.IMAP), "--imap", "--starttls", "--x509-ca-file", ca.cert, "-m", mechanism,
                               "-a", USER, "-p", password, "--hostname", s.addr, *more], capture_output=True, text=True, timeout=h.DEADLINE,
                              stdin=subprocess.DEVNULL)
    for mechanism, more in (("SCRAM-SHA-256-PLUS", []), ("SCRAM-SHA-256", ["--no-cb"]), ("PLAIN", [])):
        p = run(mechanism, "secret", *more)
        ok(p.returncode == 0 and "OK" in p.stdout, "gsasl %s" % mechanism, p.stdout + p.stderr)
        h.wait_for("the line of the log", lambda: "user=%s, login, method=%s, tls=TLSv1.3" % (USER, mechanism) in s.log_text())
        p = run(mechanism, "wrong", *more)
        ok(p.returncode != 0, "gsasl %s with a wrong password" % mechanism, p.stdout + p.stderr)
    ok("secret" not in s.log_text(), "no password in the log")


def binding(s, ca):
    """What only somebody in the middle would send: the binding of another connection; that -PLUS was not offered."""
    def b64(text):
        return base64.b64encode(text.encode()).decode()
    for first, name in (("y,,n=%s,r=abc" % USER, "a client that was not shown -PLUS is refused"),
                        ("p=tls-exporter,,n=%s,r=abc" % USER, "-PLUS needs its own mechanism")):
        c = Line(s, h.IMAPS, ca.context())
        c.hear()
        c.say("a AUTHENTICATE SCRAM-SHA-256 %s\r\n" % b64(first))
        ok("AUTHENTICATIONFAILED" in c.hear(), name)
    c = Line(s, h.IMAPS, ca.context())
    c.hear()
    c.say("a AUTHENTICATE SCRAM-SHA-256-PLUS %s\r\n" % b64("p=tls-exporter,,n=%s,r=abc" % USER))
    server = base64.b64decode(c.hear()[2:]).decode()
    nonce = server.split(",")[0][2:]
    c.say("%s\r\n" % b64("c=%s,r=%s,p=%s" % (b64("p=tls-exporter,,another connection's"), nonce, b64("x" * 32))))
    same(base64.b64decode(c.hear()[2:]).decode(), "e=channel-bindings-dont-match", "the binding of another connection is refused")
    c.say("\r\n")
    ok("AUTHENTICATIONFAILED" in c.hear(), "and that is the end of it")


def test():
    ca = h.Authority()
    s = system(ca)
    python(s, ca)
    external(s, ca)
    injection(s, ca)
    binding(s, ca)
    curl(s, ca)
    gsasl(s, ca)
    same(s.stop(), 0, "it stops in order")


h.run(test)
