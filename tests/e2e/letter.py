"""abc@naver.test writes to def@daum.test: through two complete systems, read by POP3 and IMAP."""
import email
import re
import subprocess
import harness as h
from harness import ok, same


def test():
    naver, daum = h.two_domains()
    text = h.letter(body="First line\r\n.dot\r\n..dots\r\n" + "x" * 900 + "\r\n")
    same(naver.send("abc@naver.test", ["def@daum.test"], text), {}, "smtplib: the letter is taken")
    got = daum.wait_messages("def", 1)[0]
    ok(got.endswith(text.split("\r\n\r\n", 1)[1].encode()), "POP3: the body is what was sent", got)
    m = email.message_from_bytes(got)
    same(len(m.get_all("Received")), 2, "two hops are in the trace")
    same(m["Return-Path"], "<abc@naver.test>", "Return-Path is the envelope sender")
    ok(re.search(r"from mx\.naver\.test .*by mx\.daum\.test", m.get_all("Received")[0], re.S),
       "the last hop is named first", m.get_all("Received")[0])
    c = daum.imap("def")
    typ, data = c.fetch("1", "(RFC822 FLAGS UID RFC822.SIZE)")
    same(typ, "OK", "IMAP: FETCH")
    same(data[0][1], got, "IMAP and POP3 give the same bytes")
    ok(("RFC822.SIZE %d" % len(got)).encode() in data[0][0] + data[-1] if isinstance(data[-1], bytes) else data[0][0],
       "RFC822.SIZE is exact", data)
    typ, data = c.search(None, "SUBJECT", "letter")
    same(data, [b"1"], "IMAP: SEARCH finds it")
    c.logout()
    line = h.wait_for("the delivery line", lambda: re.search(
        r"(\w+): to=<def@daum\.test>, relay=\S+, tls=[^,]+, delay=\S+, delays=\S+, dsn=2\.\d\.\d, status=sent \(250 .*\)", naver.log_text()))
    ok(line, "the log line has Postfix's shape")
    h.wait_for("an empty queue", lambda: line.group(1) not in naver.pabal("queue", "list").stdout)
    out = naver.pabal("trace", line.group(1)).stdout
    ok("250 2.0.0" in out, "pabal trace tells the remote's last reply", out)
    # the other way round, several recipients, one of them unknown
    r = daum.send("def@daum.test", ["abc@naver.test", "def@daum.test"], h.letter("def@daum.test", "abc@naver.test"))
    same(r, {}, "a letter to a remote and a local user")
    same(len(naver.wait_messages("abc", 1)), 1, "the remote one arrives")
    same(len(daum.wait_messages("def", 2)), 2, "the local one arrives")
    # a user unknown to the other side: the sender gets a bounce
    naver.send("abc@naver.test", ["nobody@daum.test"], h.letter(to="nobody@daum.test"))
    dsn = email.message_from_bytes(naver.wait_messages("abc", 2)[1])
    same(dsn.get_content_type(), "multipart/report", "the bounce is a multipart/report")
    same(dsn["Return-Path"], "<>", "the bounce has the null sender")
    status = [p for p in dsn.walk() if p.get_content_type() == "message/delivery-status"]
    ok(status and "Status: 5.1.1" in status[0].as_string(), "with status 5.1.1", dsn.as_string())
    # foreign clients
    p = subprocess.run(["curl", "-sS", "pop3://%s:%d/1" % (daum.addr, h.POP3), "-u", "def@daum.test:secret"], capture_output=True)
    same(p.stdout, got, "curl reads it by POP3")
    p = subprocess.run(["curl", "-sS", "imap://%s:%d/INBOX;UID=1" % (daum.addr, h.IMAP), "-u", "def@daum.test:secret"], capture_output=True)
    same(p.stdout, got, "curl reads it by IMAP")
    p = subprocess.run(["swaks", "--server", "%s:%d" % (naver.addr, h.SMTP), "--from", "abc@naver.test", "--to", "def@daum.test",
                        "--body", "from swaks", "-n"], capture_output=True, text=True)
    same(p.returncode, 0, "swaks submits")
    ok(b"from swaks" in daum.wait_messages("def", 3)[2], "and it arrives")
    same([naver.stop(), daum.stop()], [0, 0], "both systems stop in order")


h.run(test)
