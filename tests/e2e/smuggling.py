"""Submission over TLS: no end of the content but CR LF . CR LF, wherever the records are cut; no line of a client's, name or
address gets into a header or the log as more than it is."""
import base64
import re
import ssl
import harness as h
import rawtls
from harness import ok, same
from rawtls import Raw

ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\r\n.\r\r\n", b"\n\r.\n\r", b"\r\n.\r\r\n",
        b"\r\n .\r\n", b"\r\n..\r\n", b"\r\n. \r\n", b"\x85.\x85", b"\r\n.\x0b\r\n", b"\r\n\r.\r\n"]
INNER = b"MAIL FROM:<abc@daum.test>\r\nRCPT TO:<def@daum.test>\r\nDATA\r\nSubject: smuggled\r\nFrom: abc@daum.test\r\n\r\nx\r\n.\r\n"
HELOS = [b"a\rX-Injected: b", b"a\nX-Injected: b", b"a b", b"a;b", b"(a)", b"a\0b", b"x" * 400, b"\xc3\xa9.test", b"<a>", b"%n%n%s"]
USERS = [b"abc@daum.test\r\nX: y", b"\"abc@daum.test", b"abc@daum.test ", b"\xc3\xa9", b"a" * 5000, b"x\ty", b"%s%s%n", b"def@daum.test\x1b[2J"]


class Client(Raw):
    def __init__(self, s, ctx, login=True):
        super().__init__(s, h.SUBMISSIONS, ctx)
        self.handshake().line()
        self.ask(b"EHLO client.test")
        if login:
            self.login(b"abc@daum.test")

    def ask(self, line):
        self.say(line + b"\r\n")
        return self.reply()

    def reply(self):
        line = self.line()
        while line[3:4] == b"-":
            line = self.line()
        return line

    def login(self, user):
        return self.ask(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0secret"))

    def until_data(self):
        return [self.ask(x)[:3] for x in (b"MAIL FROM:<abc@daum.test>", b"RCPT TO:<def@daum.test>", b"DATA")]


def smuggled(s, ctx):
    taken = 0
    for end in ENDS:
        body = b"From: abc@daum.test\r\nSubject: outer\r\n\r\nhello" + end + INNER
        at = len(body) - len(INNER) - len(end)
        for cut in [0] + list(range(at - 1, at + len(end) + 2)):
            c = Client(s, ctx)
            c.until_data()
            for part in (body[:cut], body[cut:], b"QUIT\r\n"):
                if part:
                    c.say(part)
            out = b""
            line = c.line()
            while line:
                out += line
                line = c.line()
            c.close()
            n = len(re.findall(rb"^250 ", out, re.M))
            taken += n
            if n > 1 or re.search(rb"^354", out, re.M):     # at the begin of a line: the name of a message may have it, too
                ok(False, "%r, cut at %d: one message at the most" % (end, cut), out)
    ok(True, "an end that is none, cut anywhere, makes no second message")
    return taken


def every_cut(s, ctx):
    body = b"From: abc@daum.test\r\nSubject: cut\r\n\r\n..dot\r\n.x\r\nend\r\n.\r\n"
    c = Client(s, ctx)
    for cut in range(1, len(body)):
        c.until_data()
        c.say(body[:cut])
        c.say(body[cut:])
        if not c.reply().startswith(b"250"):
            ok(False, "cut at %d" % cut)
    c.close()
    return len(body) - 1


def test():
    ca = h.Authority()
    s = h.System("daum", "daum.test", h.address(1), "smtp_error_limit = 1000\n", services=h.ALL_SERVICES).start().setup("def", "abc")
    s.pabal("cert", "install", "mx.daum.test", *ca.issue("mx.daum.test"))
    ctx = ca.context()

    def installed():
        try:
            Raw(s, h.SUBMISSIONS, ctx).handshake().close()
            return True
        except ssl.SSLError:
            return False
    h.wait_for("the certificate", installed)
    before = rawtls.descriptors(s)
    n = smuggled(s, ctx) + every_cut(s, ctx)
    messages = s.wait_messages("def", n)
    same(len(messages), n, "what got its 250 has arrived, and nothing else")
    same([m for m in messages if b"\nSubject: smuggled" in m.split(b"\r\n\r\n")[0]], [], "none of it was smuggled in")
    same({m.split(b"\r\n\r\n", 1)[1] for m in messages if b"\nSubject: cut" in m}, {b".dot\r\nx\r\nend\r\n"}, "a message is the same wherever it is cut")
    for name in HELOS:
        c = Client(s, ctx, login=False)
        c.say(b"EHLO " + name + b"\r\n")
        ok(c.reply()[:1] == b"5", "EHLO %r is refused" % name[:20])
        c.close()
    for user in USERS:
        c = Client(s, ctx, login=False)
        got = c.login(user)
        ok(got[:3] in (b"500", b"501", b"535"), "AUTH as %r is refused" % user[:20], got)
        c.close()
    same([line for line in s.log_text().splitlines() if re.search(r"[^\x20-\x7e]", line)], [], "nothing of it spoils the log")
    rawtls.wait_as_before(s, before, "smuggling")
    same(s.stop(), 0, "it stops in order")


h.run(test)
