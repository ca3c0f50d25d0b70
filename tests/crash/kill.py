"""Nothing is lost: numbered messages are sent while each process in turn is killed with SIGKILL
again and again. Every message that got its 250 is in the mailbox in the end; locally never twice."""
import os
import signal
import smtplib
import sys
import threading
import time
sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", "."), "tests/e2e"))
import harness as h
from harness import ok, same

COUNT = int(os.environ.get("CRASH_MESSAGES", "2000"))
ROLES = ["spoold", "smtpd", "qmgr", "deliver-local", "accountd", "keyd", "deliver-remote", "dnsd", "pop3d", "imapd"]


class Sender(threading.Thread):
    """Sends its numbers until each got a 250; remembers which replies it saw."""

    def __init__(self, system, numbers, rcpt, big):
        super().__init__(daemon=True)
        self.system, self.numbers, self.rcpt, self.big = system, numbers, rcpt, big
        self.accepted, self.tries, self.bad = {}, {}, []
        self.failed = None

    def run(self):
        try:
            self.work()
        except Exception as e:
            self.failed = e

    def work(self):
        c = None
        for n in self.numbers:
            pad = "y" * 70 + "\r\n"
            text = h.letter("abc@naver.test", self.rcpt, "number %d." % n, pad * (6000 if n % self.big == 0 else 3))
            while n not in self.accepted:
                self.tries[n] = self.tries.get(n, 0) + 1
                try:
                    if c is None:
                        c = smtplib.SMTP(self.system.addr, h.SMTP, local_hostname="client.test", timeout=60)
                        c.ehlo()
                    code, _ = c.mail("abc@naver.test")
                    if code == 250:
                        code, _ = c.rcpt(self.rcpt)
                    if code == 250:
                        code, _ = c.data(text)
                        if code == 250:
                            self.accepted[n] = True
                            continue
                    if code >= 500:
                        self.bad.append((n, code))
                    c.rset()
                except (OSError, smtplib.SMTPException) as e:
                    if isinstance(e, smtplib.SMTPResponseException) and e.smtp_code >= 500:
                        self.bad.append((n, e.smtp_code))
                    c = None
                time.sleep(0.01)    # a refused message comes again, not in a tight loop


def test():
    conf = "smtp_reply_timeout = 20s\nsmtp_final_timeout = 20s\n"
    naver, daum = h.two_domains(conf)
    half = COUNT // 2
    senders = [Sender(naver, range(0, half), "def@daum.test", 100), Sender(daum, range(half, COUNT), "def@daum.test", 100)]
    for s in senders:
        s.start()
    # The next kill comes when so many more messages were taken: each process dies at least three times at each
    # of both, at a moment of its own, and mail flows in between.
    kills, turn, step = {}, 0, max(1, COUNT // (len(ROLES) * 2 * 3 + 6))
    while any(s.is_alive() for s in senders):
        if sum(len(s.accepted) for s in senders) < turn * step:
            senders[turn % 2].join(0.002)
            continue
        role, system = ROLES[turn % len(ROLES)], (naver, daum)[turn // len(ROLES) % 2]
        turn += 1
        for pid in system.pids(role):
            try:
                os.kill(pid, signal.SIGKILL)
                kills[role] = kills.get(role, 0) + 1
            except ProcessLookupError:
                pass
    for s in senders:
        if s.failed:
            raise s.failed
        same(s.bad, [], "no kill was answered by a permanent error")
    accepted = set(senders[0].accepted) | set(senders[1].accepted)
    same(len(accepted), COUNT, "every message was taken in the end")
    ok(all(kills.get(r, 0) >= 2 for r in ROLES), "every process was killed again and again", kills)
    print("# kills: %s" % kills)
    for system in (naver, daum):
        h.wait_for("the queue of %s to drain" % system.name, system.drained, 2 * h.DEADLINE)
    got = h.numbers_of(daum.read_again("def"))
    lost = sorted(accepted - set(got))
    same(lost, [], "every message that got its 250 is in the mailbox")
    # what was submitted at daum.test itself: as often as the client tried at the most, and once when it tried once
    twice = {n: c for n, c in got.items() if n >= half and c > 1 and senders[1].tries[n] == 1}
    same(twice, {}, "local delivery is exactly once")
    more = {n: c for n, c in got.items() if n >= half and c > senders[1].tries[n]}
    same(more, {}, "never more copies than tries")
    same([naver.stop(), daum.stop()], [0, 0], "both systems still stop in order")


h.run(test)
