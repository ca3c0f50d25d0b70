"""Mail that is read: IMAP, POP3, idle sessions (works f, g, h)."""
import select
import time

import measure
from systems import USERS
from works_mail import NOISE, arrivals, drop_caches, each, reply_ms, size_name

FIRST_USER = 90                         # of the users with a mailbox for work f


def readers(b, tls=None):
    """The systems that have mailboxes; tls: and offer this service."""
    for s in (b.daum, b.dovecot):
        if s and tls and not s.has(tls):
            b.results.notes.append("this build of Pabal has no " + tls)
    return [s for s in (b.daum, b.dovecot) if s and (not tls or s.has(tls))]


def fill(b, system, user, messages, size):
    if system is b.daum:
        arrivals(b, host=b.daum.host("smtp"), users=1, first_user=user, conns=50, size=size, drain_imap=b.daum.host("imap"))(messages)
    else:
        b.peers.fill(user, messages, size)


# ---- f ----

COLD = (("select", "SELECT, nothing cached"), ("envelope", "FETCH 1:* ENVELOPE, first ever"))
WARM = (("select", "SELECT"), ("flags", "FETCH 1:* FLAGS"), ("envelope", "FETCH 1:* ENVELOPE"), ("body", "FETCH of a body"),
        ("store", "STORE 1:* FLAGS"), ("storeone", "STORE of one"), ("searchheader", "SEARCH HEADER"), ("searchunseen", "SEARCH UNSEEN"),
        ("searchtext", "SEARCH TEXT"), ("searchbody", "SEARCH BODY"))


def imap_box(b, suffix, user, messages, part):
    def script(system, text, **options):
        return b.load.run("imap", host=system.host("imap"), users=1, first_user=user, script=text, timeout=300, **options)["ops"]

    def add(system, ops, names):
        for op, name in names:
            if op in ops:
                b.results.add("f1" + suffix, (name, messages), system.name, ms=ops[op]["p50"] / 1000)

    for system in readers(b):
        fill(b, system, user, messages, b.p.sizes[0])
    for _ in each(b, 1, part=part):
        for system in readers(b):
            # Before a client has ever come Dovecot has no index; then it has one, but nothing is in memory.
            if system is b.dovecot:
                system.forget_index(user)
            system.stop()
            if not b.p.quick and not drop_caches():
                b.results.notes.append("f: caches could not be dropped; nothing cached means a restart alone")
            system.start()
            add(system, script(system, "login,select,envelope"), COLD)
            system.restart()
            if not b.p.quick:
                drop_caches()
            add(system, script(system, "login,select"), (("select", "SELECT, index kept, caches dropped"),))
            script(system, "login,select,flags,envelope,searchbody")        # now it is in memory, on either side
            add(system, script(system, "login,select,flags,envelope,body,close,select,flags,envelope,store,storeone,store,searchheader,"
                               "searchunseen,searchtext,searchbody", loops=2 if messages <= 5000 else 1), WARM)


def work_f(b, suffix):
    for n, part in zip(sorted(b.p.mailboxes, reverse=True), (0.5, 0.3, 0.2)):
        imap_box(b, suffix, FIRST_USER + b.p.mailboxes.index(n), n, part)
    logins(b, suffix)
    appends(b, suffix)


def logins(b, suffix):
    for system in readers(b):               # every password is proven once before
        b.load.run("imap", host=system.host("imap"), conns=100, users=100, script="login,logout", ramp=4)
    for n in each(b, 1, 10, 100, part=0.2):
        for system in readers(b):
            meter = measure.Meter([system], b.ground.path).begin()
            r = b.load.run("imap", host=system.host("imap"), conns=n, users=100, ramp=n, script="login,logout", timeout=60)
            time.sleep(0.1)
            meter.end(r["user_cpu_s"])
            b.results.add("f2" + suffix, (n,), system.name, ms=r["ops"]["login"]["max"] / 1000, cpu=meter.cpu / n * 1000 if n == 100 else None)


def appends(b, suffix):
    for size, conns in each(b, *[(s, c) for s in b.p.sizes for c in b.p.conns], room=True):
        for system in readers(b):
            def run(n, _begin=None, host=system.host("imap")):
                r = b.load.run("append", host=host, messages=n, size=size, conns=conns, users=100, timeout=120)
                r["ops"]["final_reply"] = r["ops"]["append"]
                r["units"], r["rate"] = r["accepted"], r["accepted"] / r["elapsed_s"]
                return r
            r = b.sender(("f3", system.name, size), conns, [system], run)
            b.results.add("f3" + suffix, (size_name(size), conns), system.name, rate=r["rate"], cpu=r["cpu"], flushes=r["flushes"], **reply_ms(r))


# ---- g ----

def work_g(b, suffix):
    for k, size in enumerate(b.p.sizes):
        users, first = 10, 60 + 10 * k
        each_has = max(20, (2000 if b.p.quick else 20000) * 1024 // size)
        for system in readers(b):
            for u in range(first, first + users):
                fill(b, system, u, each_has, size)
            # Once before, so that Dovecot knows sizes and ids, as after the first login of a real user.
            b.load.run("pop3", host=system.host("pop3"), conns=users, users=users, first_user=first, messages=100000, timeout=120)
        kinds = [(c, None) for c in (1, 10)] + [(10, "implicit")]
        for conns, tls in each(b, *kinds):
            for system in readers(b, "pop3s" if tls else None):
                one_pop3(b, suffix, system, size, conns, tls, users, first)


def one_pop3(b, suffix, system, size, conns, tls, users, first):
    meter = measure.Meter([system], b.ground.path).begin()
    n = size_sum = elapsed = user_s = 0
    end = time.monotonic() + b.p.seconds
    while n == 0 or time.monotonic() < end:
        r = b.load.run("pop3", host=system.host("pop3s" if tls else "pop3"), conns=conns, users=users, first_user=first,
                       messages=100000, tls=tls, timeout=120)
        n, size_sum, elapsed = n + r["retrieved"], size_sum + r["retrieved_bytes"], elapsed + r["elapsed_s"]
        user_s += r["user_cpu_s"]
    meter.end(user_s)
    if meter.others > NOISE:
        b.results.noisy("g")
    b.results.add("g" + suffix, (size_name(size), "%d%s" % (conns, ", TLS" if tls else "")), system.name, rate=n / elapsed,
                  mb=size_sum / elapsed / 1e6, cpu=meter.cpu / n * 1000)


# ---- h ----

def word(proc, want, seconds):
    """Waits for a line of the load generator that begins so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([proc.stdout], [], [], 1)[0]:
            line = proc.stdout.readline()
            if line.startswith(want):
                return line
            if not line:
                break
    raise measure.Failed("h: no %s from the sessions" % want)


def idle(b, system, sessions, tls, wakeups):
    """(KiB of the system with so many sessions, result of the load generator)"""
    smtp = b.daum if system is b.daum else b.postfix
    p = b.load.start("idle", host=system.host("imaps" if tls else "imap"), smtp=smtp.host("smtp"), conns=sessions, users=100,
                     tls="implicit" if tls else None, timeout=240)
    try:
        word(p, "READY", 200)
        time.sleep(1)
        kib = measure.pss_kib(system.roots())
        if wakeups:
            p.stdin.write("wake %d\n" % wakeups)
            p.stdin.flush()
            word(p, "WOKEN", 60 + 11 * wakeups)
        return kib, b.load.result(p, "h", may_fail=True)
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()


def at_rest(b, system, sessions, tls):
    """What a system keeps of the mailboxes is no session's, nor what it has still to do with what came before: Pabal's spool
    begins anew, with ten letters for each user, and everybody has been there once."""
    if system is b.daum:
        system.forget()
        arrivals(b, host=system.host("smtp"), users=USERS, conns=10, size=4096, drain_imap=system.host("imap"))(10 * USERS)
    system.restart()
    idle(b, system, sessions, tls, 0)


def work_h(b, suffix):
    for tls in (False, True):
        for system in readers(b, "imaps" if tls else None):
            counts = b.p.sessions if system is b.daum else [max(10, n // 10) for n in b.p.sessions]
            at_rest(b, system, min(USERS, counts[0]), tls)
            last = None
            for n in counts:
                b.in_time()
                kib, r = idle(b, system, n, tls, b.p.wakeups)
                kind = "TLS" if tls else "plaintext"
                if r["errors"] or r["idle_failed"]:
                    b.results.notes.append("h: %s, %s, %d sessions: %d logins failed, %d sessions were not woken" % (
                        system.name, kind, n, r["errors"], r["idle_failed"]))
                per = (kib - last[1]) / (n - last[0]) if last else None
                b.results.add("h1" + suffix, (kind, n), system.name, kib=per, total=kib / 1024)
                d = r["ops"].get("wakeup")
                if d:
                    b.results.add("h2" + suffix, (kind, n), system.name, p50=d["p50"] / 1000, p99=d["p99"] / 1000)
                last = n, kib
