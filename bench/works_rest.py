"""The deferred queue and TLS handshakes (works i and j)."""
import time

import measure
from systems import greets
from works_mail import drop_caches, each


# ---- i ----

def deferred(b, suffix, name, system, messages, all_deferred):
    """Fills the queue with mail that cannot go anywhere, then starts the system again and looks at it."""
    empty(system)
    t = time.monotonic()
    # The addresses of so many users are all different; 1 KiB, for the bodies are not what is measured.
    b.load.run("smtp", host=system.host("smtp"), messages=messages, size=1024, conns=50, rcpt="user%d@dead.test", users=1000000, timeout=900)
    rate = messages / (time.monotonic() - t)
    measure.wait_until("%s to defer %d messages" % (name, messages), lambda: all_deferred(messages), 600, pause=0.5)
    system.stop()
    drop_caches()
    t = time.monotonic()
    system.start()
    measure.wait_until("%s to greet" % name, lambda: greets(system.addr, system.ports["smtp"]), 300)
    ready = time.monotonic() - t
    time.sleep(2)
    mib = measure.pss_kib(system.roots()) / 1024
    t = time.monotonic()
    text = system.queue_list()
    listed = time.monotonic() - t
    if text.count("@dead.test") < messages:
        raise measure.Failed("i: %s lists %d of %d messages" % (name, text.count("@dead.test"), messages))
    b.results.add("i" + suffix, (messages,), name, ready=ready, list=listed, mib=mib, later=measure.pss_kib(system.roots()) / 1024, rate=rate)
    empty(system)


def empty(system):
    system.stop()
    system.forget()
    system.start()


def work_i(b, suffix):
    for n in b.p.deferred:
        b.in_time()
        if b.naver:
            deferred(b, suffix, "Pabal", b.naver, n, b.naver.at_rest)
        if b.relay and n <= b.p.deferred_peers:
            deferred(b, suffix, "Postfix", b.relay, n, lambda n: b.relay.deferred() >= n)


# ---- j ----

def work_j(b, suffix):
    pairs = [("IMAP over TLS", b.daum, "imaps", b.dovecot, "imaps"), ("submission over TLS", b.daum, "submissions", b.postfix, "submissions")]
    for (name, ours, service, peer, peer_service), part in zip(pairs, (0.5, 1)):
        if ours and not ours.has(service):
            b.results.notes.append("this build of Pabal has no " + service)
        for conns in each(b, *[c for c in b.p.conns if c in (1, 10, 50)], part=part):
            for system, s in ((ours if ours and ours.has(service) else None, service), (peer, peer_service)):
                if system:
                    def run(n, _begin=None, host=system.host(s)):
                        r = b.load.run("handshake", host=host, messages=n, conns=conns, tls="implicit", timeout=120)
                        r["units"], r["rate"] = r["handshakes"], r["handshakes"] / r["elapsed_s"]
                        return r
                    r = b.sender(("j", system.name, s), conns, [system], run)
                    b.results.add("j" + suffix, (name, conns), system.name, rate=r["rate"], cpu=r["cpu"])
