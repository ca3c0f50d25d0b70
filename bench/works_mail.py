"""Mail that comes in and goes out: works a to e, and k."""
import subprocess
import time

import measure
from targets import DISCARD, HOPS, HOPS_LMTP, LMTP, VIRTUAL

NOISE = 0.2                             # cores that others may use during a run


def size_name(size):
    return "%d KiB" % (size >> 10)


class Sender:
    """Gives in mail until it has arrived, as often as asked; remembers how fast it went, to choose how many messages."""

    def __init__(self, b):
        self.b, self.rates, self.last = b, {}, {}

    def count(self, key, conns):
        rate = self.rates.get((key, conns))
        if rate is None:                # a probe; with other connections it was perhaps slower
            return int(max(40, 3 * conns, self.last.get(key, 0) * self.b.p.seconds / 2))
        return int(min(20000, max(40, 4 * conns, rate * self.b.p.seconds)))

    def learn(self, key, conns, r):
        self.rates[key, conns] = self.last[key] = r["rate"]
        return r

    def probe(self, key, conns, run):
        """The first time, one run that does not count."""
        if (key, conns) not in self.rates:
            self.learn(key, conns, run(self.count(key, conns)))

    def __call__(self, key, conns, systems, run):
        """run(n, begin) -> result of the load generator with "rate" and "units"; adds what it cost per 1,000 messages."""
        self.probe(key, conns, run)
        for again in (True, False):
            n = self.count(key, conns)
            meter = measure.Meter(systems, self.b.ground.path).begin()
            r = run(n, meter.begin)
            for s in systems:
                s.settle()
            meter.end(r["user_cpu_s"])
            if meter.others <= NOISE or not again or self.b.p.quick:
                break
        if meter.others > NOISE:
            self.b.results.noisy(key[0])
        self.learn(key, conns, r)
        r["cpu"] = meter.cpu / r["units"] * 1000
        r["flushes"] = None if meter.flushes is None else meter.flushes / r["units"]
        return r


def reply_ms(r):
    d = r["ops"].get("final_reply")
    return {"p50": d["p50"] / 1000, "p99": d["p99"] / 1000} if d else {}


def arrivals(b, **options):
    """A run that ends when all mail is in its mailboxes. begin: called before the first message."""
    def run(n, begin=None):
        drains = "drain_imap" in options or "drain_dir" in options
        r = b.load.run("smtp", messages=n, timeout=120, gate=begin if drains else None, **dict({"users": b.p.users}, **options))
        r["units"] = r["accepted"] * options.get("rcpts", 1)
        r["rate"] = r["units"] / (r["drain_s"] or r["elapsed_s"])
        return r
    return run


def each(b, *cases, part=1.0, room=False):
    """All cases, again and again while this part of the time that the work has left allows; for each case all systems are
    measured one after the other, so that a ratio is one of neighbours. room: mailboxes may be emptied when it gets tight."""
    now = time.monotonic()
    end, round_s = now + part * max(0.0, b.until - now), 0.0
    for n in range(b.p.repeat):
        t = time.monotonic()
        if n > 0 and t + round_s > end:
            return
        for case in cases:
            b.in_time()
            if room:
                b.make_room(2 if b.p.gib > 4 else 1)
            yield case
        round_s = (time.monotonic() - t) * (0.6 if n == 0 else 1)       # the first time there were probes


def work_a_b(b, suffix):
    def ours(size, conns):
        r = b.sender(("b", "Pabal", size), conns, [b.daum], arrivals(b, host=b.daum.host("smtp"), size=size, conns=conns,
                                                                     drain_imap=b.daum.host("imap")))
        b.results.add("a" + suffix, (size_name(size), conns), "Pabal", rate=r["accepted"] / r["elapsed_s"], cpu=r["cpu"],
                      flushes=r["flushes"], **reply_ms(r))
        if "b" in b.p.works:
            b.results.add("b" + suffix, (size_name(size), conns), "Pabal", rate=r["rate"], cpu=r["cpu"], flushes=r["flushes"], **reply_ms(r))

    def theirs(work, system, systems, size, conns, host, **options):
        r = b.sender((work, system, size), conns, systems, arrivals(b, host=host, size=size, conns=conns, **options))
        b.results.add(work + suffix, (size_name(size), conns), system, rate=r["rate"], cpu=r["cpu"], flushes=r["flushes"], **reply_ms(r))

    theirs = b.tried(theirs)
    ours = b.tried(ours)
    for size, conns in each(b, *[(s, c) for s in b.p.sizes for c in b.p.conns], room=True):
        if b.daum:
            ours(size, conns)
        if b.postfix and "a" in b.p.works:
            theirs("a", DISCARD, [b.postfix], size, conns, b.postfix.host("smtp"), rcpt="user%d@drop.test")
        if b.postfix and "b" in b.p.works:
            theirs("b", VIRTUAL, [b.postfix], size, conns, b.postfix.host("smtp"), rcpt="user%d@virt.test", **b.peers.drain("virt"))
            b.peers.wipe()
        if b.postfix and b.dovecot and "b" in b.p.works:
            theirs("b", LMTP, [b.postfix, b.dovecot], size, conns, b.postfix.host("smtp"), **b.peers.drain("daum"))
            b.peers.wipe()
        if b.opensmtpd and "b" in b.p.works and size == b.p.sizes[0]:
            theirs("b", "OpenSMTPD", [b.opensmtpd], size, conns, b.opensmtpd.host("smtp"), per_conn=90, **b.opensmtpd.drain())
            b.peers.wipe()


def few(b):
    """All numbers of connections with small messages, some of them with the others."""
    some = [c for c in b.p.conns if c in (10, 50)] or b.p.conns
    return [(s, c) for s in b.p.sizes for c in (b.p.conns if s == b.p.sizes[0] else some)]


def work_c(b, suffix):
    def one(system, systems, size, conns, host, **options):
        r = b.sender(("c", system, size), conns, systems, arrivals(b, host=host, size=size, conns=conns, **options))
        b.results.add("c" + suffix, (size_name(size), conns), system, rate=r["rate"], cpu=r["cpu"], flushes=r["flushes"], **reply_ms(r))

    one = b.tried(one)
    for size, conns in each(b, *few(b), room=True):
        if b.daum and b.naver:
            one("Pabal", [b.naver, b.daum], size, conns, b.naver.host("smtp"), drain_imap=b.daum.host("imap"))
        if b.postfix and b.relay:
            one(HOPS, [b.relay, b.postfix], size, conns, b.relay.host("smtp"), rcpt="user%d@virt.test", **b.peers.drain("virt"))
            b.peers.wipe()
        if b.postfix and b.relay and b.dovecot:
            one(HOPS_LMTP, [b.relay, b.postfix, b.dovecot], size, conns, b.relay.host("smtp"), **b.peers.drain("daum"))
            b.peers.wipe()


def work_d(b, suffix):
    def run_to_sink(size, conns, host):
        def run(n, _begin=None):
            sink = b.load.start("sink", host=b.sink, messages=n, timeout=120)
            try:
                sink.stdout.readline()
                r = b.load.run("smtp", host=host, messages=n, size=size, conns=conns, rcpt="user%d@sink.test", timeout=120)
                end = b.load.result(sink, "the sink", may_fail=True)
            finally:
                if sink.poll() is None:
                    sink.kill()
                    sink.wait()
            if end["accepted"] < n:
                raise measure.Failed("d: %d of %d messages came to the sink" % (end["accepted"], n))
            r["units"], r["rate"] = n, n / (end["end_s"] - r["start_s"])
            r["user_cpu_s"] += end["user_cpu_s"]
            return r
        return run

    def one(system, of, size, conns):
        r = b.sender(("d", system, size), conns, [of], run_to_sink(size, conns, of.host("smtp")))
        b.results.add("d" + suffix, (size_name(size), conns), system, rate=r["rate"], cpu=r["cpu"], flushes=r["flushes"], **reply_ms(r))

    one = b.tried(one)
    for size, conns in each(b, *few(b), room=True):
        for system, of in (("Pabal", b.naver), ("Postfix", b.relay)):
            if of:
                one(system, of, size, conns)


def work_e(b, suffix):
    conns = 10

    def one(system, systems, size, host, **options):
        # The number is one of messages: 50 times what a rate in recipients suggests would be too many.
        def run(n, begin=None):
            return arrivals(b, host=host, rcpts=50, users=50, conns=conns, size=size, **options)(max(2, n // 50), begin)
        r = b.sender(("e", system, size), conns, systems, run)
        b.results.add("e" + suffix, (size_name(size), conns), system, rate=r["rate"], cpu=r["cpu"], flushes=r["flushes"])

    one = b.tried(one)
    for size in each(b, *b.p.sizes, room=True):
        if b.daum:
            one("Pabal", [b.daum], size, b.daum.host("smtp"), drain_imap=b.daum.host("imap"))
        if b.postfix:
            one(VIRTUAL, [b.postfix], size, b.postfix.host("smtp"), rcpt="user%d@virt.test", **b.peers.drain("virt"))
            b.peers.wipe()
        if b.postfix and b.dovecot:
            one(LMTP, [b.postfix, b.dovecot], size, b.postfix.host("smtp"), **b.peers.drain("daum"))
            b.peers.wipe()


MIXED = (("noop", "NOOP"), ("storeone", "STORE of one"), ("body", "FETCH of a body"), ("flags", "FETCH 1:* FLAGS of 200"))


def work_k(b, suffix):
    """One user works while others' mail comes in, 5,000 messages a second or as many as can."""
    user, wanted, seconds = 80, 5000, b.p.seconds * 10

    def commands(turns):
        t = time.monotonic()
        r = b.load.run("imap", host=b.daum.host("imap"), users=1, first_user=user, max_body=1, timeout=120,
                       script="login,select" + ",noop,storeone,body,flags" * turns)
        return r["ops"], (time.monotonic() - t) / turns

    def add(ops, come, rate):
        for op, name in MIXED:
            d = ops[op]
            b.results.add("k" + suffix, (name, come), "Pabal", p50=d["p50"] / 1000, p99=d["p99"] / 1000, max=d["max"] / 1000, rate=rate)

    if not b.daum:
        return
    arrivals(b, host=b.daum.host("smtp"), users=1, first_user=user, conns=10, size=4096, drain_imap=b.daum.host("imap"))(200)
    for _ in each(b, 1):
        ops, turn_s = commands(50 if b.p.quick else 500)
        add(ops, 0, None)
        rain = b.load.start("smtp", host=b.daum.host("smtp"), users=60, conns=50, rate=wanted, messages=int(wanted * seconds), timeout=120)
        try:
            ops, _ = commands(int(min(3000, max(20, seconds / 4 / turn_s))))
            if rain.poll() is not None:
                b.results.notes.append("k: the mail had all come in before the commands were done; some met a quiet system")
            out = b.load.result(rain, "k")
        finally:
            if rain.poll() is None:
                rain.kill()
                rain.wait()
        add(ops, wanted, out["accepted"] / out["elapsed_s"])


def drop_caches():
    """Forgets what the kernel has cached of files."""
    subprocess.run(["sync"], check=True)
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
    except OSError:
        return False
    return True
