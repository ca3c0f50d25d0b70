"""Nobody is told of a change before it is on the disk: watched from outside, by strace.

Every answer and event of spoold is a sendmsg(2). The log is written by pwrite(2) into a segment and made durable
by fdatasync(2). So, in spoold's main thread: after a write into a segment nothing is sent until that
segment was flushed, and every 250 and tagged OK follows a flush of at least the bytes of what it confirms. Speed
may come from sharing a flush, never from leaving one out.
"""
import os
import re
import shutil
import signal
import subprocess
import threading
import harness as h
from harness import ok, same

CALL = re.compile(r"^(?:\[pid +)?(\d+)\]? +(.*)$")
WRITE = re.compile(r"^pwrite64\(\d+<[^>]*/log/([0-9a-f]{16})>, .*\) += (-?\d+)")
FLUSH = re.compile(r"^fdatasync\(\d+<[^>]*/log/([0-9a-f]{16})>\) += (-?\d+)")
SIZE = 5000


class Trace:
    """What the main thread of spoold does, as a list of ("write", segment, n), ("flush", segment) and ("send",)."""

    def __init__(self, pid):
        self.pid, self.events, self.lock, self.bad, self.pokes = pid, [], threading.Lock(), [], 0
        self.p = subprocess.Popen(["strace", "-f", "-y", "-s", "0", "-e", "trace=pwrite64,pwritev,fdatasync,fsync,sendmsg,epoll_wait,epoll_pwait,epoll_pwait2",
                                   "-e", "signal=SIGWINCH", "-o", "/dev/stdout", "-p", str(pid)],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
        line = self.p.stderr.readline()
        if "attached" not in line:
            self.p.kill()
            h.skip_all("strace may not look at another process: " + line.strip())
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        half, dirty, waited = {}, {}, False
        for line in self.p.stdout:
            m = CALL.match(line)
            if not m:
                continue
            tid, call = int(m.group(1)), m.group(2)
            if call.startswith("--- SIGWINCH"):
                with self.lock:
                    self.pokes += tid == self.pid and waited
                continue
            if call.endswith("<unfinished ...>\n") or call.endswith("<unfinished ...>"):
                half[tid] = call.split(" <unfinished")[0]
                # a send counts when it begins, all else when it ends
                if not call.startswith("sendmsg"):
                    continue
            elif call.startswith("<..."):
                call = half.pop(tid, "") + call.split("resumed>", 1)[-1]
                if call.startswith("sendmsg"):
                    continue
            if tid != self.pid:
                continue
            waited = call.startswith("epoll_") and " EINTR " in call
            self.take(call, dirty)

    def take(self, call, dirty):
        w, f = WRITE.match(call), FLUSH.match(call)
        with self.lock:
            if w and int(w.group(2)) > 0:
                dirty[w.group(1)] = True
                self.events.append(("write", w.group(1), int(w.group(2))))
            elif f and f.group(2) == "0":
                dirty.pop(f.group(1), None)
                self.events.append(("flush", f.group(1)))
            elif f:
                self.bad.append("a flush failed: " + call)
            elif call.startswith("sendmsg"):
                if dirty:
                    self.bad.append("sent while %s was not flushed" % list(dirty))
                self.events.append(("send",))

    def durable(self, since, until_sent=False):
        """Bytes written from event number since on that were flushed, and how many flushes there were; until_sent: before
        anything was sent (None: nothing was yet)."""
        with self.lock:
            wrote, done, flushes = {}, 0, 0
            events = self.events[since:]
            if until_sent:
                if ("send",) not in events:
                    return None
                events = events[:events.index(("send",))]
            for e in events:
                if e[0] == "write":
                    wrote[e[1]] = wrote.get(e[1], 0) + e[2]
                elif e[0] == "flush":
                    flushes += 1
                    done += wrote.pop(e[1], 0)
            return done, flushes

    def mark(self):
        """The number of the next event, when the main thread has nothing to do and all that it did was told: a signal that
        means nothing to it finds it waiting."""
        with self.lock:
            before = self.pokes

        def poked():
            os.kill(self.pid, signal.SIGWINCH)
            return self.pokes > before
        h.wait_for("the signal in the trace", poked)
        with self.lock:
            return len(self.events)

    def stop(self):
        self.p.send_signal(signal.SIGINT)
        self.p.wait()


def confirmed(t, what, n, size, do):
    """Does do() n times, with nothing else going on: what it was about is flushed before the first word of spoold."""
    good = 0
    for i in range(n):
        at = t.mark()
        do(i)
        # strace tells of a call before it lets it go on; only the lines may still be in the pipe
        got = h.wait_for("the answer in the trace", lambda: t.durable(at, True))
        good += got[0] >= size and got[1] >= 1
        if got[0] < size or got[1] < 1:
            print("# %s %d: %r" % (what, i, got))
    same(good, n, "%s: each is flushed before it is confirmed" % what)


def test():
    s = h.System("flushes", "daum.test", h.address(0)).start()
    s.setup("def")
    letter = h.letter(body=("q" * 68 + "\r\n") * (SIZE // 70))
    s.send("abc@naver.test", ["def@daum.test"], letter)
    s.wait_messages("def", 1)
    t = Trace(s.pids("spoold")[0])
    # nothing is delivered, so that nobody but smtpd is spoken to
    qmgr = s.pids("qmgr")[0]
    h.freeze(qmgr)
    confirmed(t, "250 of SMTP", 20, len(letter), lambda i: s.send("abc@naver.test", ["def@daum.test"], letter))
    os.kill(qmgr, signal.SIGCONT)
    s.wait_messages("def", 21)
    m = s.imap("def")
    confirmed(t, "OK of APPEND", 10, len(letter), lambda i: m.append("INBOX", None, None, letter.encode()))
    m.fetch("1:*", "(UID)")     # the rows are read once, when a command wants them: no answer to STORE
    confirmed(t, "OK of STORE", 10, 50, lambda i: m.store("%d" % (i + 1), "+FLAGS", "(\\Flagged)"))
    m.logout()
    at = t.mark()
    before = s.count("def")
    if shutil.which("smtp-source"):
        p = subprocess.run(["smtp-source", "-s", "20", "-m", "200", "-l", "4096", "-f", "abc@daum.test", "-t", "def@daum.test",
                            "inet:%s:%d" % (s.addr, h.SMTP)], capture_output=True, text=True)
        same((p.returncode, p.stderr), (0, ""), "20 connections send 200 messages")
        h.wait_for("all of them", lambda: s.count("def") >= before + 200)
        bytes_, flushes = t.durable(at)
        ok(bytes_ >= 200 * 4096, "all of their bytes were flushed", bytes_)
        print("# %.3f flushes a message at 20 connections, under strace" % (flushes / 200.0))
    same(t.bad, [], "nothing was sent before the flush of what had been written")
    ok(sum(1 for e in t.events if e[0] == "send") >= 40, "what was sent was seen")
    t.stop()
    same(s.stop(), 0, "it stops in order")


if not shutil.which("strace"):
    h.skip_all("needs strace")
if os.geteuid() != 0:
    h.skip_all("needs root to look at another user's process")
h.run(test)
