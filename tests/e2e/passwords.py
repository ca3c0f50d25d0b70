"""Passwords and tokens are wiped: after logins of every kind, good, wrong and malformed, in one piece and in many, the memory of no
process has them, as they are or in base64, and no log has."""
import base64
import os
import ssl
import subprocess
import harness as h
import memory
import rawtls
from harness import ok
from line import Line

# AddressSanitizer, where it is on, fills what is freed; here that has to be seen as it was
os.environ["ASAN_OPTIONS"] = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "max_free_fill_size=0")))
USER = "def@daum.test"
TOKEN = "Ein-langes-Token-0123456789-abcdefgh"
GOOD, WRONG = "Gut-und-lang-4711-Kennwort-%02d" % 1, "Falsch-und-lang-0815-Kennwort-02"
ROLES = ("smtpd", "pop3d", "imapd", "accountd")


def b64(text):
    return base64.b64encode(text.encode()).decode()


def plain(password, user=USER):
    return b64("\0%s\0%s" % (user, password))


def secrets():
    """What gives a password away: its middle as it is and in base64, at each of the three places it can have in that."""
    out = {}
    for name, password in (("good", GOOD), ("wrong", WRONG), ("token", TOKEN)):
        core = password[4:-4].encode()
        out[name] = core
        for shift in range(3):
            text = base64.b64encode(b"x" * shift + core)
            out["%s in base64, %d" % (name, shift)] = text[4 if shift else 0:len(text) - 4]
    return out


class Talk(Line):
    """Lines, each sent in so many pieces, of which each is a TLS record."""

    def __init__(self, s, port, ctx, pieces):
        super().__init__(s, port, ctx)
        self.pieces = pieces
        self.hear()

    def put(self, text):
        data = text.encode() + b"\r\n"
        size = max(1, len(data) // self.pieces)
        for at in range(0, len(data), size):
            self.sock.sendall(data[at:at + size])

    def ask(self, text):
        self.put(text)
        return self.hear()

    def end(self):
        self.sock.close()


def smtp(s, ctx, pieces):
    def begin():
        c = Talk(s, h.SUBMISSIONS, ctx, pieces)
        c.put("EHLO c.test")
        while c.hear()[3:4] == "-":
            pass
        return c
    seen = []
    for password in (GOOD, WRONG):
        c = begin()
        seen.append(c.ask("AUTH PLAIN " + plain(password)))
        c.end()
        c = begin()
        c.ask("AUTH PLAIN")
        seen.append(c.ask(plain(password)))
        c.end()
        c = begin()
        c.ask("AUTH LOGIN")
        c.ask(b64(USER))
        seen.append(c.ask(b64(password)))
        c.end()
        # what is no command, no base64, no line, too long, and what never ends
        c = begin()
        c.ask("AUTH PLAIN %s %s" % (plain(password), plain(password)))
        c.ask("AUHT PLAIN " + plain(password))
        c.ask("AUTH PLAIN %s!" % plain(password))
        c.ask("AUTH PLAIN")
        c.ask(plain(password) + "\0")
        c.ask("AUTH PLAIN %s%s" % (plain(password), "A" * 13000))
        c.ask("AUTH LOGIN")
        c.ask(b64(USER))
        c.put(b64(password) + "A" * 20000)
        c.hear()
        c.end()
        c = begin()
        c.ask("AUTH PLAIN")
        c.sock.sendall(plain(password).encode())
        c.end()
    return seen


def pop3(s, ctx, pieces):
    begin = lambda: Talk(s, h.POP3S, ctx, pieces)
    seen = []
    for password in (GOOD, WRONG):
        c = begin()
        seen.append(c.ask("AUTH PLAIN " + plain(password)))
        c.end()
        c = begin()
        c.ask("USER " + USER)
        seen.append(c.ask("PASS " + password))
        c.end()
        c = begin()
        c.ask("PASS " + password)
        c.ask("SSAP " + password)
        c.ask("USER %s\0" % password)
        c.ask("USER " + USER)
        c.ask("PASS %s%s" % (password, "a" * 20000))
        c.ask("AUTH PLAIN")
        c.ask(plain(password) + "!")
        c.ask("AUTH PLAIN")
        c.ask(plain(password) + "\0")
        c.end()
        c = begin()
        c.ask("USER " + USER)
        c.sock.sendall(("PASS " + password).encode())
        c.end()
    return seen


def imap(s, ctx, pieces):
    begin = lambda: Talk(s, h.IMAPS, ctx, pieces)
    seen = []
    for password in (GOOD, WRONG):
        c = begin()
        seen.append(c.ask("a LOGIN %s %s" % (USER, password)))
        c.end()
        c = begin()
        seen.append(c.ask('a LOGIN "%s" "%s"' % (USER, password.replace("-", '\\"-').replace('\\"', ""))))
        c.end()
        c = begin()
        c.put("a LOGIN {%d}" % len(USER))
        c.hear()
        c.put("%s {%d}" % (USER, len(password)))
        c.hear()
        seen.append(c.ask(password))
        c.end()
        c = begin()
        c.put("a LOGIN {%d+}" % len(USER))
        seen.append(c.ask("%s {%d+}\r\n%s" % (USER, len(password), password)))
        c.end()
        c = begin()
        seen.append(c.ask("a AUTHENTICATE PLAIN " + plain(password)))
        c.end()
        c = begin()
        c.ask("a AUTHENTICATE PLAIN")
        seen.append(c.ask(plain(password)))
        c.end()
        # malformed
        c = begin()
        c.ask("a LOGIN %s %s more" % (USER, password))
        c.ask("a LOGNI %s %s" % (USER, password))
        c.ask('a LOGIN %s "%s' % (USER, password))
        c.end()
        c = begin()
        c.ask("a LOGIN %s %s\0" % (USER, password))
        c.ask("a AUTHENTICATE PLAIN %s!" % plain(password))
        c.ask("a AUTHENTICATE PLAIN")
        c.ask(plain(password) + "\0")
        c.end()
        c = begin()
        c.ask("a LOGIN %s %s%s" % (USER, password, "a" * 20000))
        c.end()
        c = begin()
        c.sock.sendall(("a LOGIN %s %s" % (USER, password)).encode())
        c.end()
        c = begin()
        c.put("a LOGIN %s {%d+}" % (USER, len(password) + 10))
        c.sock.sendall(password.encode())
        c.end()
    return seen


def tokens(s, ctx, pieces):
    """By XOAUTH2 at each port. The refusal comes in a challenge, which is answered with nothing."""
    message = b64("user=%s\1auth=Bearer %s\1\1" % (USER, TOKEN))
    seen = []
    for port, auth in ((h.SUBMISSIONS, "AUTH XOAUTH2"), (h.POP3S, "AUTH XOAUTH2"), (h.IMAPS, "a AUTHENTICATE XOAUTH2")):
        c = Talk(s, port, ctx, pieces)
        if port == h.SUBMISSIONS:
            c.put("EHLO c.test")
            while c.hear()[3:4] == "-":
                pass
        c.ask(auth)
        c.ask(message)
        seen.append(c.ask(""))
        c.end()
    return seen


def validator(s):
    """Whom accountd asks; its program refuses all."""
    v = subprocess.Popen([os.path.join(h.BUILD, "control/pabal"), "-c", s.conf, "oauth-validator", "--", "sh", "-c", "read -r token; exit 1"],
                         env=s.env)
    h.wait_for("the validator", lambda: "the validator of OAuth tokens is connected" in s.log_text())
    return v


def test():
    ca = h.Authority()
    s = h.System("daum", "daum.test", h.address(0), "login_failures = 1000\nsmtp_error_limit = 100\noauth_login = yes\n",
                 services=h.ALL_SERVICES).start()
    s.setup()
    s.pabal("user", "add", USER, "--password-file", "-", input=GOOD + "\n")
    s.pabal("cert", "install", *ca.issue("mx.daum.test", san="DNS:mx.daum.test,IP:" + s.addr))
    ctx = ca.context()

    def installed():
        try:
            Line(s, h.IMAPS, ctx).hear()
            return True
        except (OSError, ssl.SSLError):
            return False
    h.wait_for("the certificate", installed)
    before = {r: v for r, v in rawtls.descriptors(s).items() if r != "accountd"}     # to which the validator comes
    for pieces in (1, 7):
        for name, fn in (("smtp", smtp), ("pop3", pop3), ("imap", imap)):
            seen = fn(s, ctx, pieces)
            half = len(seen) // 2
            good = [x for x in seen if x[:3] in ("235", "+OK") or x[2:5] == "OK "]
            ok(good == seen[:half], "%s: the right password lets in, the wrong one does not (%d pieces)" % (name, pieces), seen)
    v = validator(s)
    for pieces in (1, 7):
        seen = tokens(s, ctx, pieces)
        ok([x[:3] for x in seen[:1]] == ["535"] and "[AUTH]" in seen[1] and "AUTHENTICATIONFAILED" in seen[2], "tokens are refused (%d pieces)" % pieces, seen)
    # All sessions are over and their descriptors closed; who then serves another client has left all of them behind.
    rawtls.wait_as_before(s, before, "the logins")
    for port in (h.SUBMISSIONS, h.POP3S, h.IMAPS):
        Talk(s, port, ctx, 1).end()
    s.pabal("user", "list")
    wanted = secrets()
    for role in ROLES:
        for pid in s.pids(role):
            hits, size = memory.found(pid, wanted)
            ok(size > 1 << 20 and not hits, "no password in the memory of %s (%d MiB)" % (role, size >> 20), hits)
    hits, size = memory.found(v.pid, wanted)
    ok(size > 1 << 20 and not hits, "no token in the memory of pabal oauth-validator (%d MiB)" % (size >> 20), hits)
    v.terminate()
    v.wait(h.DEADLINE)
    with open(s.log, "rb") as f:
        log = f.read()
    ok(not any(x in log for x in wanted.values()), "no password in the log")


if not h.ROOT:
    h.skip_all("only root may read the memory of the processes")
h.run(test)
