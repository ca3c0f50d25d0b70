"""The works, the columns of their tables, and what Pabal wants to reach beside its peers in one run."""

RATE, CPU, FLUSHES = ("rate", "msg/s"), ("cpu", "CPU s per 1,000"), ("flushes", "flushes per msg")
REPLY = [("p50", "reply p50 ms"), ("p99", "reply p99 ms")]
SIZE, CONNS = "size", "connections"

# work: (title, what tells cases apart, columns; the first is shown with its spread)
WORKS = {
    "a": ("Accepted by SMTP", (SIZE, CONNS), [RATE] + REPLY + [CPU, FLUSHES]),
    "b": ("End to end, into the mailbox", (SIZE, CONNS), [RATE] + REPLY + [CPU, FLUSHES]),
    "c": ("Two hops between domains", (SIZE, CONNS), [RATE] + REPLY + [CPU, FLUSHES]),
    "d": ("Relay out to a sink", (SIZE, CONNS), [RATE] + REPLY + [CPU, FLUSHES]),
    "e": ("One message to 50 local users", (SIZE, CONNS), [("rate", "recipients/s"), ("cpu", "CPU s per 1,000 recipients"),
                                                            ("flushes", "flushes per recipient")]),
    "f1": ("IMAP, milliseconds", ("command", "messages"), [("ms", "ms")]),
    "f2": ("IMAP LOGIN, all of so many at once, milliseconds", ("at once",), [("ms", "ms"), ("cpu", "CPU s per 1,000")]),
    "f3": ("IMAP APPEND", (SIZE, CONNS), [RATE] + REPLY + [CPU, FLUSHES]),
    "g": ("POP3 download", (SIZE, CONNS), [RATE, ("mb", "MB/s"), CPU]),
    "h1": ("Memory of idle IMAP sessions", ("kind", "sessions"), [("kib", "KiB per session above the base"), ("total", "MiB in all")]),
    "h2": ("From the message's last byte to EXISTS in an idle session", ("kind", "sessions"), [("p50", "p50 ms"), ("p99", "p99 ms")]),
    "i": ("Deferred queue", ("messages",), [("ready", "start to ready s"), ("list", "list s"), ("mib", "MiB once ready"), ("later", "MiB after the list"),
                                            ("rate", "taken into the queue/s")]),
    "j": ("TLS handshakes", ("service", CONNS), [("rate", "handshakes/s"), ("cpu", "CPU s per 1,000")]),
    "k": ("IMAP commands while mail comes in", ("command", "msg/s wanted"), [("p50", "p50 ms"), ("p99", "p99 ms"), ("max", "longest ms"),
                                                                            ("rate", "msg/s accepted")]),
}


class Target:
    """ratio: Pabal's figure by the peer's; without peer the figure itself. where: position in the case -> allowed values."""

    def __init__(self, work, text, metric, peer, at_least=None, at_most=None, unit="", where=None):
        self.work, self.text, self.metric, self.peer = work, text, metric, peer
        self.at_least, self.at_most, self.unit, self.where = at_least, at_most, unit, where or {}

    def fits(self, case):
        return all(case[i] in allowed for i, allowed in self.where.items())

    def met(self, v):
        return v >= self.at_least if self.at_least is not None else v <= self.at_most

    def show(self, v):
        if not self.peer:
            return "%.3g%s" % (v, " " + self.unit if self.unit else "")
        return "%.3g ×" % v if v >= 1 else "1/%.3g" % (1 / v) if v > 0 else "0"

    def wanted(self):
        return ("≥ " if self.at_least is not None else "≤ ") + self.show(self.at_least if self.at_least is not None else self.at_most)


LMTP, VIRTUAL, DISCARD, HOPS = "Postfix + Dovecot LMTP", "Postfix virtual(8)", "Postfix (discards)", "Postfix → Postfix virtual(8)"
HOPS_LMTP = "Postfix → Postfix + Dovecot LMTP"
SMALL = "4 KiB"
SEVERAL = (10, 50, 100)


def both_sizes(work, text, metric, peer, conns=SEVERAL, **goal):
    return [Target(work, "%s, %s" % (text, size), metric, peer, where={0: (size,), 1: conns}, **goal) for size in (SMALL, "64 KiB")]


# Every line of the table; where it names no size, both. "10 to 100 connections" if nothing else is said.
TARGETS = [
    *both_sizes("a", "messages/s", "rate", DISCARD, at_least=8),
    *both_sizes("a", "CPU per message (ours with delivery)", "cpu", DISCARD, at_most=1 / 10),
    *both_sizes("a", "p99 of the final reply, 50 connections", "p99", DISCARD, (50,), at_most=1 / 3),
    *both_sizes("b", "messages/s", "rate", LMTP, at_least=20),
    *both_sizes("b", "messages/s", "rate", VIRTUAL, at_least=8),
    *both_sizes("b", "CPU per message", "cpu", LMTP, at_most=1 / 25),
    *both_sizes("b", "CPU per message", "cpu", VIRTUAL, at_most=1 / 10),
    *both_sizes("b", "flushes per message, 50 connections", "flushes", None, (50,), at_most=0.1),
    *both_sizes("c", "messages/s", "rate", HOPS, at_least=15),
    *both_sizes("c", "CPU per message", "cpu", HOPS, at_most=1 / 20),
    *both_sizes("c", "messages/s", "rate", HOPS_LMTP, at_least=15),
    *both_sizes("c", "CPU per message", "cpu", HOPS_LMTP, at_most=1 / 20),
    *both_sizes("d", "messages/s", "rate", "Postfix", at_least=8),
    *both_sizes("d", "CPU per message", "cpu", "Postfix", at_most=1 / 10),
    *both_sizes("e", "recipients/s, 10 connections", "rate", VIRTUAL, (10,), at_least=50),
    Target("f2", "LOGIN of 100 at once", "ms", "Dovecot", at_most=1 / 20, where={0: (100,)}),
    *both_sizes("f3", "APPEND, messages/s", "rate", "Dovecot", at_least=10),
    Target("f3", "APPEND, messages/s, 1 connection", "rate", "Dovecot", at_least=10, where={1: (1,)}),
    Target("f1", "SELECT, nothing cached", "ms", None, at_most=2, unit="ms", where={0: ("SELECT, nothing cached",)}),
    Target("f1", "FETCH FLAGS", "ms", "Dovecot", at_most=1 / 4, where={0: ("FETCH 1:* FLAGS",)}),
    Target("f1", "FETCH ENVELOPE, first ever", "ms", "Dovecot", at_most=1 / 40, where={0: ("FETCH 1:* ENVELOPE, first ever",)}),
    Target("f1", "FETCH ENVELOPE, cached", "ms", "Dovecot", at_most=1 / 4, where={0: ("FETCH 1:* ENVELOPE",)}),
    Target("f1", "STORE 1:*", "ms", "Dovecot", at_most=1 / 20, where={0: ("STORE 1:* FLAGS",)}),
    Target("f1", "SEARCH TEXT without an index", "ms", "Dovecot", at_most=1 / 3, where={0: ("SEARCH TEXT",)}),
    Target("g", "messages/s of 4 KiB", "rate", "Dovecot", at_least=3, where={0: (SMALL,)}),
    Target("g", "CPU per message", "cpu", "Dovecot", at_most=1 / 3, where={0: (SMALL,)}),
    Target("h1", "memory of an idle session, plaintext", "kib", None, at_most=1, unit="KiB", where={0: ("plaintext",)}),
    Target("h1", "memory of an idle session, TLS", "kib", None, at_most=12, unit="KiB", where={0: ("TLS",)}),
    Target("h2", "wake-up, median", "p50", None, at_most=2, unit="ms"),
    Target("h2", "wake-up, p99", "p99", None, at_most=10, unit="ms"),
    Target("i", "deferred queue, start to ready", "ready", None, at_most=2, unit="s"),
    Target("i", "deferred queue, memory of all processes once ready", "mib", None, at_most=64, unit="MiB"),
    Target("k", "p99 of a command while mail comes in", "p99", None, at_most=50, unit="ms", where={1: (5000,)}),
]
