"""Nothing that was submitted is lost: numbered messages are submitted over TLS with a login at two systems that relay to each
other over verified TLS, while each process in turn is killed with SIGKILL again and again; keyd twice as often."""
import base64
import os
import signal
import smtplib
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", "."), "tests/e2e"))
import harness as h
from harness import ok, same

COUNT = int(os.environ.get("CRASH_MESSAGES", "320"))
ROLES = ["keyd", "smtpd", "accountd", "spoold", "qmgr", "keyd", "deliver-remote", "deliver-local", "dnsd"]


class Sender(threading.Thread):
    """Submits its numbers until each got a 250; remembers which replies it saw."""

    def __init__(self, system, port, numbers, sender, rcpt, ctx):
        super().__init__(daemon=True)
        self.system, self.port, self.numbers, self.sender, self.rcpt, self.ctx = system, port, numbers, sender, rcpt, ctx
        self.accepted, self.tries, self.bad, self.failed = {}, {}, [], None

    def run(self):
        try:
            self.work()
        except Exception as e:
            self.failed = e

    def connect(self):
        kw = dict(local_hostname="client.test", timeout=60)
        if self.port == h.SUBMISSIONS:
            c = smtplib.SMTP_SSL(self.system.addr, self.port, context=self.ctx, **kw)
        else:
            c = smtplib.SMTP(self.system.addr, self.port, **kw)
            c.starttls(context=self.ctx)
        c.ehlo()
        code, text = c.docmd("AUTH", "PLAIN " + base64.b64encode(("\0%s\0secret" % self.sender).encode()).decode())
        if code >= 500:
            self.bad.append(("login", code, text))
        if code != 235:
            raise OSError("no login: %d" % code)
        return c

    def submit(self, c, text):
        for step in (lambda: c.mail(self.sender), lambda: c.rcpt(self.rcpt), lambda: c.data(text)):
            code, _ = step()
            if code != 250:
                c.rset()
                break
        return code

    def work(self):
        c = None
        for n in self.numbers:
            pad = "y" * 70 + "\r\n"
            text = h.letter(self.sender, self.rcpt, "number %d." % n, pad * (6000 if n % 40 == 0 else 3))
            while n not in self.accepted:
                self.tries[n] = self.tries.get(n, 0) + 1
                try:
                    if c is None:
                        c = self.connect()
                    code = self.submit(c, text)
                    if code == 250:
                        self.accepted[n] = True
                        continue
                except (OSError, smtplib.SMTPException) as e:
                    code = e.smtp_code if isinstance(e, smtplib.SMTPResponseException) else 0
                    c = None
                if code >= 500:
                    self.bad.append((n, code))
                time.sleep(0.02)    # a refused message comes again, not in a tight loop


def systems(ca):
    conf = ("smtp_reply_timeout = 20s\nsmtp_final_timeout = 20s\ntls_ca_file = %s\n"
            "tls_policy = daum.test verify\ntls_policy = naver.test verify\n" % ca.cert)
    a, b = h.address(0), h.address(1)
    dns = ["naver.test. 3600 IN MX 10 mx.naver.test.", "mx.naver.test. 3600 IN A " + a,
           "daum.test. 3600 IN MX 10 mx.daum.test.", "mx.daum.test. 3600 IN A " + b]
    both = (h.System("naver", "naver.test", a, conf, dns, services=h.ALL_SERVICES).start().setup("abc"),
            h.System("daum", "daum.test", b, conf, dns, services=h.ALL_SERVICES).start().setup("def"))
    for s in both:
        s.pabal("cert", "install", "mx." + s.domain, *ca.issue("mx." + s.domain))
    return both


def kill_all_the_time(both, senders):
    # The next kill comes when so many more messages were taken: each process dies at least twice at each.
    kills, turn, step = {}, 0, max(1, COUNT // (len(ROLES) * 2 * 2 + 4))
    while any(s.is_alive() for s in senders):
        if sum(len(s.accepted) for s in senders) < turn * step:
            senders[turn % len(senders)].join(0.002)
            continue
        role, system = ROLES[turn % len(ROLES)], both[turn // len(ROLES) % 2]
        turn += 1
        for pid in system.pids(role):
            try:
                os.kill(pid, signal.SIGKILL)
                kills[role] = kills.get(role, 0) + 1
            except ProcessLookupError:
                pass
    return kills


def test():
    ca = h.Authority()
    naver, daum = both = systems(ca)
    ctx = ca.context(check=False)
    part = [range(i * COUNT // 4, (i + 1) * COUNT // 4) for i in range(4)]
    senders = [Sender(naver, h.SUBMISSIONS, part[0], "abc@naver.test", "def@daum.test", ctx),
               Sender(naver, h.SUBMISSION, part[1], "abc@naver.test", "def@daum.test", ctx),
               Sender(daum, h.SUBMISSION, part[2], "def@daum.test", "def@daum.test", ctx),
               Sender(daum, h.SUBMISSIONS, part[3], "def@daum.test", "abc@naver.test", ctx)]
    for s in senders:
        s.start()
    kills = kill_all_the_time(both, senders)
    for s in senders:
        if s.failed:
            raise s.failed
        same(s.bad, [], "no kill was answered by a permanent error")
    same(sum(len(s.accepted) for s in senders), COUNT, "every message was taken in the end")
    ok(all(kills.get(r, 0) >= 2 for r in ROLES), "every process was killed again and again", kills)
    print("# kills: %s" % kills)
    for system in both:
        h.wait_for("the queue of %s to drain" % system.name, system.drained, 2 * h.DEADLINE)
    got = h.numbers_of(daum.read_again("def")), h.numbers_of(naver.read_again("abc"))
    same(sorted(n for p in part[:3] for n in p if n not in got[0]), [], "every message to def that got its 250 is there")
    same(sorted(n for n in part[3] if n not in got[1]), [], "every message to abc that got its 250 is there")
    more = {n: c for n, c in got[0].items() if n in part[2] and c > senders[2].tries[n]}
    same(more, {}, "local delivery: never more copies than tries")
    for system in both:
        same([line for line in system.log_text().splitlines() if "tls=none" in line and "status=sent" in line], [],
             "%s sent nothing in the clear" % system.name)
        same([line for line in system.log_tail(10000) if "ERROR: AddressSanitizer" in line or "runtime error" in line], [], "no sanitizer complains")
    same([naver.stop(), daum.stop()], [0, 0], "both systems still stop in order")


h.run(test)
