"""A real Postfix as the other domain, in both directions."""
import glob
import shutil
import smtplib
import harness as h
from harness import ok, same
from postfix_peer import start_postfix


def test():
    pf, ours = h.address(0), h.address(1)
    d = start_postfix(pf, ours)
    daum = h.System("daum", "daum.test", ours, dns=[
        "postfix.test. 3600 IN MX 10 mx.postfix.test.", "mx.postfix.test. 3600 IN A " + pf]).start().setup("def")
    body = "to postfix\r\n.dot line\r\n" + "l" * 900 + "\r\n"
    daum.send("def@daum.test", ["ghi@postfix.test"], h.letter("def@daum.test", "ghi@postfix.test", body=body))
    new = h.wait_for("the letter in Postfix's mailbox", lambda: glob.glob(d + "/mail/ghi/new/*"))
    with open(new[0], "rb") as f:
        got = f.read()
    ok(got.endswith(body.replace("\r\n", "\n").encode()), "Pabal to Postfix: the body arrives as it was", got)
    ok(b"by mx.postfix.test" in got and b"by mx.daum.test" in got, "with both hops in the trace", got)
    ok(got.count(b"Return-Path:") == 1, "and one Return-Path", got)
    with smtplib.SMTP(pf, 2525, timeout=h.DEADLINE) as c:
        c.sendmail("ghi@postfix.test", ["def@daum.test"], h.letter("ghi@postfix.test", body="from postfix\r\n..\r\n"))
    got = daum.wait_messages("def", 1)[0]
    ok(got.endswith(b"from postfix\r\n..\r\n"), "Postfix to Pabal: the body arrives as it was", got)
    # both refuse an unknown user; each sender gets its bounce
    daum.send("def@daum.test", ["nobody@postfix.test"], h.letter("def@daum.test", "nobody@postfix.test"))
    ok(b"5.1.1" in daum.wait_messages("def", 2)[1], "Postfix refuses: Pabal returns a bounce")
    with smtplib.SMTP(pf, 2525, timeout=h.DEADLINE) as c:
        c.sendmail("ghi@postfix.test", ["nobody@daum.test"], h.letter("ghi@postfix.test", "nobody@daum.test"))
    h.wait_for("Postfix's bounce", lambda: any(b"5.1.1" in open(p, "rb").read() for p in glob.glob(d + "/mail/ghi/new/*")))
    ok(True, "Pabal refuses: Postfix returns a bounce")
    same(daum.stop(), 0, "it stops in order")


if not h.ROOT or not shutil.which("postfix"):
    h.skip_all("needs Postfix and root")
h.run(test)
