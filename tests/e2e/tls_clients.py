"""Real mail clients over TLS: openssl s_client, curl, swaks, msmtp, gsasl, Python's ssl, on every port and by every mechanism."""
import base64
import imaplib
import os
import poplib
import re
import smtplib
import ssl
import subprocess
import harness as h
from harness import ok, same

USER, PASSWORD = "def@daum.test", "secret"


def run(*args, input=None, env=None):
    return subprocess.run(list(args), input=input, capture_output=True, text=True, timeout=h.DEADLINE, env=env, errors="replace")


def python(daum, ca):
    ctx = ca.context()
    with smtplib.SMTP(daum.addr, h.SUBMISSION, local_hostname="client.test", timeout=h.DEADLINE) as c:
        c.ehlo()
        ok("auth" not in c.esmtp_features, "587: no AUTH before TLS", c.esmtp_features)
        same(c.docmd("MAIL FROM:<def@daum.test>")[0], 530, "587: MAIL without a login is refused")
        c._host = "mx.daum.test"
        c.starttls(context=ctx)
        c.ehlo()
        ok("PLAIN" in c.esmtp_features.get("auth", ""), "587: AUTH after STARTTLS", c.esmtp_features)
        ok("starttls" not in c.esmtp_features, "587: STARTTLS is not offered twice")
        c.login(USER, PASSWORD)
        same(c.sendmail(USER, [USER], "Subject: by python 587\r\n\r\nhello\r\n"), {}, "587: smtplib submits")
    with Submissions(daum, ctx) as c:
        c.login(USER, PASSWORD)
        same(c.sendmail(USER, [USER], "Subject: by python 465\r\n\r\nhello\r\n"), {}, "465: smtplib submits")
        try:
            c.sendmail("other@daum.test", [USER], "Subject: x\r\n\r\n")
            ok(False, "another's address as the sender is refused")
        except smtplib.SMTPSenderRefused as e:
            same(e.smtp_code, 553, "another's address as the sender is refused")
    for m in daum.wait_messages("def", 2):
        text = m.decode()
        ok(re.search(r"with ESMTPSA", text), "Received says ESMTPSA", text)
        ok(re.search(r"^Date: ", text, re.M) and re.search(r"^Message-ID: <.+@.+>", text, re.M | re.I), "Date and Message-ID were added", text)
    c = Imaps(daum, ctx)
    same(c.login(USER, PASSWORD)[0], "OK", "993: imaplib logs in")
    same(c.select("INBOX")[1], [b"2"], "993: and reads")
    idle(daum, ctx, c)
    c.logout()
    c = imaplib.IMAP4(daum.addr, h.IMAP, timeout=h.DEADLINE)
    ok("LOGINDISABLED" in c.capabilities, "143: LOGINDISABLED before TLS", c.capabilities)
    same(c._simple_command("LOGIN", USER, PASSWORD)[0], "NO", "143: LOGIN without TLS is refused")
    c.host = "mx.daum.test"
    same(c.starttls(ssl_context=ctx)[0], "OK", "143: STARTTLS")
    ok("LOGINDISABLED" not in c.capabilities and "AUTH=PLAIN" in c.capabilities, "143: logins after it", c.capabilities)
    same(c.authenticate("PLAIN", lambda x: b"\0" + USER.encode() + b"\0" + PASSWORD.encode())[0], "OK", "143: AUTHENTICATE PLAIN")
    c.logout()
    c = poplib.POP3(daum.addr, h.POP3, timeout=h.DEADLINE)
    ok("USER" not in c.capa() and "STLS" in c.capa(), "110: STLS and no USER before TLS", c.capa())
    c.host = "mx.daum.test"
    c.stls(context=ctx)
    ok("USER" in c.capa(), "110: USER after it", c.capa())
    c.user(USER)
    c.pass_(PASSWORD)
    same(c.stat()[0], 2, "110: poplib reads over STLS")
    c.quit()
    c = Pop3s(daum, ctx)
    c.user(USER)
    c.pass_(PASSWORD)
    same(c.stat()[0], 2, "995: poplib reads over TLS")
    c.quit()


def idle(daum, ctx, c):
    c.send(b"i IDLE\r\n")
    same(c.readline(), b"+ idling\r\n", "993: IDLE")
    other = Imaps(daum, ctx)
    other.login(USER, PASSWORD)
    other.select("INBOX")
    other.store("1", "+FLAGS.SILENT", "\\Flagged")
    line = c.readline()
    ok(line.startswith(b"* 1 FETCH (FLAGS (\\Flagged"), "993: what another does is told in IDLE", line)
    other.logout()
    for piece in (b"do", b"ne\r\nj ID", b"LE\r\n"):
        c.send(piece)
    same(c.readline()[:4] + c.readline(), b"i OK+ idling\r\n", "993: IDLE again behind a DONE in pieces")
    c.send(b"DONE\r\nk NOOP\r\n")
    same([c.readline()[:4], c.readline()[:4]], [b"j OK", b"k OK"], "993: and a command behind DONE")


class Submissions(smtplib.SMTP_SSL):
    def __init__(self, s, ctx):
        self.ctx, self.name = ctx, "mx." + s.domain
        super().__init__(s.addr, h.SUBMISSIONS, local_hostname="client.test", timeout=h.DEADLINE, context=ctx)

    def _get_socket(self, host, port, timeout):
        import socket
        return self.ctx.wrap_socket(socket.create_connection((host, port), timeout), server_hostname=self.name)


class Imaps(imaplib.IMAP4_SSL):
    def __init__(self, s, ctx):
        self.name = "mx." + s.domain
        super().__init__(s.addr, h.IMAPS, ssl_context=ctx, timeout=h.DEADLINE)

    def _create_socket(self, timeout):
        return self.ssl_context.wrap_socket(imaplib.IMAP4._create_socket(self, timeout), server_hostname=self.name)


class Pop3s(poplib.POP3_SSL):
    def __init__(self, s, ctx):
        self.name = "mx." + s.domain
        super().__init__(s.addr, h.POP3S, context=ctx, timeout=h.DEADLINE)

    def _create_socket(self, timeout):
        return self.context.wrap_socket(poplib.POP3._create_socket(self, timeout), server_hostname=self.name)


def curl(daum, ca):
    def go(url, *args, port):
        name = "mx.daum.test"
        return run("curl", "-sS", "--cacert", ca.cert, "--resolve", "%s:%d:%s" % (name, port, daum.addr), url % (name, port), *args)
    text = os.path.join(daum.dir, "curl-letter")
    with open(text, "w", newline="") as f:
        f.write(h.letter(USER, USER, "by curl"))
    for what, url, port, more in (("smtps", "smtps://%s:%d", h.SUBMISSIONS, []), ("smtp", "smtp://%s:%d", h.SUBMISSION, ["--ssl-reqd"])):
        p = go(url, "--mail-from", USER, "--mail-rcpt", USER, "-u", USER + ":" + PASSWORD, "-T", text, *more, port=port)
        same(p.returncode, 0, "curl submits by %s" % what) or print("# " + p.stderr)
    daum.wait_messages_tls("def", 4)
    for what, url, port, more in (("imaps", "imaps://%s:%d/INBOX;UID=3", h.IMAPS, []), ("imap", "imap://%s:%d/INBOX;UID=3", h.IMAP, ["--ssl-reqd"]),
                                  ("pop3s", "pop3s://%s:%d/3", h.POP3S, []), ("pop3", "pop3://%s:%d/3", h.POP3, ["--ssl-reqd"])):
        for auth in ("PLAIN", "LOGIN"):
            p = go(url, "-u", USER + ":" + PASSWORD, "--login-options", "AUTH=" + auth, *more, port=port)
            ok("Subject: by curl" in p.stdout, "curl reads by %s with %s" % (what, auth), p.stderr)
        p = go(url, "-u", USER + ":wrong", *more, port=port)
        same(p.returncode, 67, "curl with a wrong password is refused by %s" % what)


def swaks(daum):
    for mech in ("PLAIN", "LOGIN"):
        p = run("swaks", "--server", "%s:%d" % (daum.addr, h.SUBMISSION), "--tls", "--auth", mech, "--auth-user", USER, "--auth-password",
                PASSWORD, "--from", USER, "--to", USER, "--header", "Subject: by swaks " + mech, "-n")
        same(p.returncode, 0, "swaks submits with STARTTLS and " + mech) or print("# " + p.stdout)
    p = run("swaks", "--server", "%s:%d" % (daum.addr, h.SUBMISSIONS), "--tls-on-connect", "--auth", "PLAIN", "--auth-user", USER,
            "--auth-password", "wrong", "--from", USER, "--to", USER, "-n")
    same(p.returncode, 28, "swaks with a wrong password")


def msmtp(daum, ca):
    env = dict(os.environ, HOME=daum.dir, SECRET=PASSWORD)
    for port, starttls in ((h.SUBMISSION, "on"), (h.SUBMISSIONS, "off")):
        p = run("msmtp", "--host=" + daum.addr, "--port=%d" % port, "--tls=on", "--tls-starttls=" + starttls, "--tls-trust-file=" + ca.cert,
                "--tls-host-override=mx.daum.test", "--auth=scram-sha-256" if starttls == "on" else "--auth=plain", "--user=" + USER,
                "--passwordeval=echo $SECRET", "--from=" + USER, USER, input="Subject: by msmtp\n\nhello\n", env=env)
        same(p.returncode, 0, "msmtp submits at port %d" % port) or print("# " + p.stderr)


def gsasl(daum, ca):
    """A real client of SCRAM with channel binding."""
    def go(mech, kind, port, password, *more):
        return run("gsasl", "--connect", "%s:%d" % (daum.addr, port), kind, "--starttls", "--x509-ca-file", ca.cert, "-m", mech, "-a", USER,
                   "-p", password, "--hostname", daum.addr, *more)
    for mech, more in (("SCRAM-SHA-256-PLUS", []), ("SCRAM-SHA-256", ["--no-cb"]), ("PLAIN", []), ("LOGIN", [])):
        for kind, port in (("--imap", h.IMAP), ("--smtp", h.SUBMISSION)):
            p = go(mech, kind, port, PASSWORD, *more)
            ok(p.returncode == 0, "gsasl %s with %s" % (kind, mech), p.stdout + p.stderr)
            p = go(mech, kind, port, "wrong", *more)
            ok(p.returncode != 0, "gsasl %s with %s and a wrong password" % (kind, mech), p.stdout + p.stderr)
    ok("SCRAM-SHA-256-PLUS" in daum.log_text(), "the log names the mechanism")


def s_client(daum, ca):
    """What testssl looks for: versions and ciphers, as a table."""
    where = "%s:%d" % (daum.addr, h.IMAPS)
    rows = [("TLS 1.0", ["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False), ("TLS 1.1", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
            ("TLS 1.2", ["-tls1_2"], True), ("TLS 1.3", ["-tls1_3"], True),
            ("ECDHE-ECDSA-AES128-GCM-SHA256", ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], True),
            ("ECDHE-ECDSA-CHACHA20-POLY1305", ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], True),
            ("CBC", ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"], False),
            ("RSA key exchange", ["-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"], False),
            ("no encryption", ["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"], False),
            ("anonymous", ["-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"], False),
            ("P-256", ["-groups", "P-256"], True), ("X25519", ["-groups", "X25519"], True)]
    for what, args, works in rows:
        p = run("openssl", "s_client", "-connect", where, "-servername", "mx.daum.test", "-CAfile", ca.cert, "-verify_return_error", *args,
                input="a LOGOUT\r\n")
        ok((p.returncode == 0 and "Cipher is (NONE)" not in p.stdout) == works, "%s is %s" % (what, "spoken" if works else "refused"),
           p.stdout[-300:] + p.stderr)
    for name, port, proto in (("smtp", h.SMTP, "smtp"), ("submission", h.SUBMISSION, "smtp"), ("imap", h.IMAP, "imap"), ("pop3", h.POP3, "pop3")):
        p = run("openssl", "s_client", "-connect", "%s:%d" % (daum.addr, port), "-starttls", proto, "-servername", "mx.daum.test", "-CAfile", ca.cert,
                "-verify_return_error", "-brief", input="QUIT\r\n")
        ok("Verification: OK" in p.stderr, "%s: the certificate is good after STARTTLS" % name, p.stderr)
    sess = os.path.join(daum.dir, "session")
    p = run("openssl", "s_client", "-connect", where, "-sess_out", sess, "-CAfile", ca.cert, "-tls1_2", input="a LOGOUT\r\n")
    p = run("openssl", "s_client", "-connect", where, "-sess_in", sess, "-CAfile", ca.cert, "-tls1_2", input="a LOGOUT\r\n")
    ok("Reused, TLSv1.2" in p.stdout, "a session is resumed", p.stdout[-600:])
    p = run("openssl", "s_client", "-connect", "%s:%d" % (daum.addr, h.POP3S), "-sess_in", sess, "-CAfile", ca.cert, "-tls1_2", input="QUIT\r\n")
    ok("New, TLSv1.2" in p.stdout, "but not by another service", p.stdout[-600:])
    p = run("openssl", "s_client", "-connect", where, "-CAfile", ca.cert, "-alpn", "imap", input="a LOGOUT\r\n")
    ok("ALPN protocol: imap" in p.stdout, "ALPN imap", p.stdout[-600:])
    p = run("openssl", "s_client", "-connect", where, "-CAfile", ca.cert, "-alpn", "http/1.1", input="a LOGOUT\r\n")
    ok("no application protocol" in p.stderr, "a client of another protocol is sent away", p.stderr)


def test():
    ca = h.Authority()
    a, b = h.address(0), h.address(1)
    daum = h.System("daum", "daum.test", b, "allow_plaintext_login = no\n", services=h.ALL_SERVICES).start().setup("def", "other")
    ctx = ca.context()

    def wait_tls(user, n):
        def count():
            c = Pop3s(daum, ctx)
            c.user(user + "@daum.test")
            c.pass_(PASSWORD)
            m = [b"\r\n".join(c.retr(i + 1)[1]) + b"\r\n" for i in range(c.stat()[0])]
            c.quit()
            return m if len(m) >= n else None
        return h.wait_for("%d messages" % n, count)
    daum.wait_messages = daum.wait_messages_tls = wait_tls
    daum.pabal("cert", "install", "mx.daum.test", *ca.issue("mx.daum.test", san="DNS:mx.daum.test,IP:" + b))
    h.wait_for("the certificate to be taken up", lambda: b"CN = mx.daum.test" in subprocess.run(
        ["openssl", "s_client", "-connect", "%s:%d" % (daum.addr, h.IMAPS), "-CAfile", ca.cert], input=b"a LOGOUT\r\n", capture_output=True).stdout)
    python(daum, ca)
    curl(daum, ca)
    swaks(daum)
    msmtp(daum, ca)
    gsasl(daum, ca)
    s_client(daum, ca)
    log = daum.log_text()
    ok(PASSWORD not in re.sub(r"secret-\w+", "", log), "no password is in the log")
    ok(base64.b64encode(("\0%s\0%s" % (USER, PASSWORD)).encode()).decode() not in log, "nor one in base64")
    same(daum.stop(), 0, "the system stops in order")


h.run(test)
