"""A real Postfix as TLS peer: Pabal's policies meet its certificates, its policies those of Pabal."""
import glob
import re
import shutil
import smtplib
import subprocess
import harness as h
from harness import ok, same
from postfix_peer import restart_postfix, start_postfix


def received(d, subject):
    """The message with that subject in Postfix's mailbox, once it is there."""
    def find():
        for path in glob.glob(d + "/mail/ghi/new/*"):
            with open(path, "rb") as f:
                text = f.read()
            if b"Subject: " + subject.encode() in text:
                return text
        return None
    return h.wait_for("%s in Postfix's mailbox" % subject, find)


def line_of(daum, domain, status):
    """Pabal's log line of the last try for a domain."""
    find = re.compile(r"to=<ghi@%s>, (relay=.*status=%s .*)" % (re.escape(domain), status))
    return h.wait_for("a line %s for %s" % (status, domain), lambda: find.findall(daum.log_text()))[-1]


def to_postfix(ca):
    """Pabal sends: every policy."""
    pf, plain, ours = h.address(0), h.address(1), h.address(2)
    cert, key = ca.issue("mx.postfix.test")
    domains = ["%s.test" % n for n in ("postfix", "good", "named", "wrong", "never", "bare", "strict")]
    d = start_postfix(pf, ours, domains, """smtpd_tls_security_level = may
smtpd_tls_chain_files = %s, %s
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
""" % (key, cert), "%s:2525 inet n - n - - smtpd\n -o smtpd_tls_security_level=none\n" % plain)
    dns = ["mx.postfix.test. 3600 IN A " + pf, "plain.postfix.test. 3600 IN A " + plain]
    dns += ["%s. 3600 IN MX 10 %s.postfix.test." % (x, "plain" if x in ("bare.test", "strict.test") else "mx") for x in domains]
    daum = h.System("daum", "daum.test", ours, "tls_ca_file = %s\n" % ca.cert + """tls_policy = good.test verify
tls_policy = named.test verify mail.named.test mx.postfix.test
tls_policy = wrong.test verify mail.wrong.test
tls_policy = never.test none
tls_policy = strict.test encrypt
""", dns=dns).start().setup("def")

    def send(domain):
        daum.send("def@daum.test", ["ghi@" + domain], h.letter("def@daum.test", "ghi@" + domain, subject="to " + domain))

    for domain, tls in (("postfix.test", True), ("good.test", True), ("named.test", True), ("never.test", False), ("bare.test", False)):
        send(domain)
        got = received(d, "to " + domain)
        ok((b"(using TLSv1.3 with cipher " in got) == tls, "%s: Postfix got it %s TLS" % (domain, "over" if tls else "without"), got)
        line = line_of(daum, domain, "sent")
        want = r"tls=TLSv1\.3/\w+ \(verified\)," if tls else r"tls=none,"
        ok(re.search(want, line), "and the log says so", line)
    for domain, dsn, why in (("wrong.test", "4.7.5", "TLS handshake failed: "), ("strict.test", "4.7.4", "TLS is required, but was not offered")):
        send(domain)
        line = line_of(daum, domain, "deferred")
        ok("dsn=" + dsn in line and why in line, "%s: deferred with %s" % (domain, dsn), line)
    msgid = re.search(r"(\w+): to=<ghi@good\.test>", daum.log_text()).group(1)
    trace = daum.pabal("trace", msgid).stdout
    ok("tls=TLSv1.3/" in trace and "(verified)" in trace, "pabal trace shows it", trace)
    same(daum.stop(), 0, "it stops in order")


def from_postfix(ca):
    """Postfix sends: with any certificate, then only with a good one, which Pabal is given meanwhile."""
    pf, ours = h.address(3), h.address(4)
    d = start_postfix(pf, ours, main="smtpd_tls_security_level = none\nsmtp_tls_security_level = encrypt\nsmtp_tls_loglevel = 1\n"
                      "smtp_tls_CAfile = %s\n" % ca.cert)
    etc = d + "/etc"
    daum = h.System("daum2", "daum.test", ours).start().setup("def")

    def send(subject):
        with smtplib.SMTP(pf, 2525, timeout=h.DEADLINE) as c:
            c.sendmail("ghi@postfix.test", ["def@daum.test"], h.letter("ghi@postfix.test", "def@daum.test", subject=subject))

    def log():
        with open(d + "/log", errors="replace") as f:
            return f.read()

    send("any certificate")
    got = daum.wait_messages("def", 1)[0]
    ok(re.search(rb"Received: from mx\.postfix\.test .*?with ESMTPS", got, re.S), "Postfix with encrypt: it came over TLS", got)
    h.wait_for("the first certificate to be one that nobody vouches for", lambda: "Untrusted TLS connection established to %s" % ours in log())
    subprocess.run(["postconf", "-c", etc, "-e", "smtp_tls_policy_maps = inline:{ { [%s]:2525 = secure match=mx.daum.test } }" % ours],
                   check=True)
    restart_postfix(d, pf)      # after a reload one that works by the old table may be there for a while
    send("a good certificate")
    h.wait_for("Postfix to refuse the certificate", lambda: re.search(r"status=deferred \(Server certificate not (trusted|verified)\)", log()))
    same(daum.count("def"), 1, "Postfix with secure: not with that one")
    chain, key = ca.issue("mx.daum.test")
    daum.pabal("cert", "install", chain, key)

    def flushed():
        subprocess.run(["postqueue", "-c", etc, "-f"], check=False)
        return daum.count("def") == 2
    h.wait_for("the letter after the certificate was installed", flushed)
    h.wait_for("it to be verified", lambda: "Verified TLS connection established to %s" % ours in log())
    ok(True, "and at once with the new one")
    ok(b"ESMTPS" in daum.messages("def")[1], "over TLS")
    same(daum.stop(), 0, "it stops in order")


def test():
    ca = h.Authority()
    to_postfix(ca)
    from_postfix(ca)


if not h.ROOT or not shutil.which("postfix"):
    h.skip_all("needs Postfix and root")
h.run(test)
