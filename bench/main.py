"""bench/run: measures Pabal and its peers by the same works on one machine in one run. See README.md."""
import argparse
import copy
import ctypes
import datetime
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback

import measure
from ground import Ground
from opensmtpd import OpenSMTPD
from peers import Dovecot, Peers, Postfix
from plot import plot
from report import Results, short
from systems import USERS, Pabal, end_tree
from works_mail import Sender, size_name, work_a_b, work_c, work_d, work_e, work_k
from works_read import work_f, work_g, work_h
from works_rest import work_i, work_j

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORKS = {"a": work_a_b, "b": work_a_b, "c": work_c, "d": work_d, "e": work_e, "f": work_f, "g": work_g, "h": work_h, "i": work_i,
         "j": work_j, "k": work_k}
SLOW_WORKS = "abcde"                    # those that the second run, with slow flushes, repeats
# About how many seconds of a whole run each work gets; a and b are one.
SHARES = {"ab": 300, "c": 130, "d": 90, "e": 40, "f": 330, "g": 90, "h": 110, "i": 300, "j": 70, "k": 30, "*": 110}
SYSTEMS = ("daum", "naver", "postfix", "relay", "dovecot", "opensmtpd")
PEERS = ("postfix", "dovecot", "opensmtpd")


class Bench:
    """What all works need. p: the options; systems that are not measured are None."""
    ground = peers = daum = naver = postfix = relay = dovecot = opensmtpd = None
    slow = False

    def __init__(self, p):
        self.p = self.full = p
        self.results = Results()
        self.sender = Sender(self)
        self.cache, self.out = os.path.abspath(p.dir), os.path.abspath(p.out or p.dir)
        self.prefix = self.cache + "/prefix"
        self.pabal, self.libexec = self.prefix + "/bin/pabal", self.prefix + "/libexec/pabal"
        self.slow_libexec, self.slow_library = self.cache + "/slow-libexec", self.cache + "/slowflush.so"
        self.load = measure.Load(self.cache + "/bench/load")
        self.end = self.until = 0.0     # of the whole run, and of the time that the work being done has
        self.head = ""

    def in_time(self):
        if time.monotonic() > self.end:
            raise measure.Failed("the time of %d minutes was over" % self.p.minutes)

    def tried(self, fn):
        """fn, but a run that fails is told and does not keep the others from being measured."""
        def do(*args, **kw):
            try:
                fn(*args, **kw)
            except measure.Failed as e:
                self.results.failed.append(str(e))
                self.recover()
        return do

    def recover(self):
        """After a failure: nothing that is still under way may count in the next run."""
        for s in self.systems():
            s.stop()
        if self.peers:
            self.peers.wipe()
        for s in self.systems():
            s.forget()
            self.begin(s)

    def begin(self, system):
        """Starts it; one that does not start is measured no longer."""
        try:
            system.start()
        except (measure.Failed, OSError) as e:
            self.results.failed.append("%s does not start: %s" % (system.name, e))
            for name in SYSTEMS:
                if getattr(self, name) is system:
                    setattr(self, name, None)
            system.stop()

    def make_room(self, gib):
        """Empties all mailboxes when there is less room than this."""
        if shutil.disk_usage(self.ground.path).free < gib << 30:
            for s in (self.daum, self.naver):
                if s:
                    s.forget()
                    s.start()
            if self.peers:
                self.peers.wipe()

    def systems(self):
        return [getattr(self, name) for name in SYSTEMS if getattr(self, name)]

    def write(self):
        """What there is of results so far."""
        text = self.results.markdown("# What was measured\n\n" + self.head)
        if plot(self.results, [size_name(s) for s in self.full.sizes], self.out + "/throughput.svg"):
            text += "\n![throughput and latency over connections](throughput.svg)\n"
        with open(self.out + "/RESULTS.md", "w") as f:
            f.write(text)
        return text


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


def options():
    a = argparse.ArgumentParser(prog="bench/run", description="Measures Pabal beside its peers on loopback; prints tables. See bench/README.md.")
    a.add_argument("--work", default="a,b,c,d,e,f,g,h,i,j,k", help="the works, of a to k (default: all)")
    a.add_argument("--quick", action="store_true", help="small counts, once: shows that everything works, measures nothing")
    a.add_argument("--conns", help="connections (default 1,10,50,100)")
    a.add_argument("--sizes", help="bytes of a message (default 4096,65536)")
    a.add_argument("--repeat", type=int, help="runs of each case at most (default 5; as many as there is time for)")
    a.add_argument("--seconds", type=float, help="what one run should take about (default 1)")
    a.add_argument("--mailboxes", help="messages in the mailboxes of work f (default 1000,100000)")
    a.add_argument("--sessions", help="idle sessions of work h (default 1000,10000; the peers get a tenth)")
    a.add_argument("--users", type=int, default=USERS, help="mailboxes (default %d; with fewer only works a to d can be done)" % USERS)
    a.add_argument("--deferred", help="messages in the queue of work i (default 20000,100000,1000000)")
    a.add_argument("--deferred-peers", type=int, default=20000, help="the peers defer no more than this (default 20000)")
    a.add_argument("--peers", default=",".join(PEERS), help="of %s, or none" % ",".join(PEERS))
    a.add_argument("--no-slow", action="store_true", help="without the second run in which every flush takes 2 ms")
    a.add_argument("--no-loop", action="store_true", help="in /var/tmp, whatever file system that is")
    a.add_argument("--minutes", type=float, default=25, help="the time that is shared out among the works, building not counted; no run begins after it (default 25)")
    a.add_argument("--gib", type=int, default=10, help="size of the loop file (default 10)")
    a.add_argument("--binaries", metavar="DIR", help="take those of this build folder, made before, instead of building")
    a.add_argument("--dir", default=os.path.join(TOP, "_build/bench"), help="for the build and the loop file")
    a.add_argument("--out", help="folder for RESULTS.md and throughput.svg (default: --dir)")
    p = a.parse_args()

    def numbers(text, quick, full):
        return [int(n) for n in text.split(",")] if text else quick if p.quick else full
    p.works = [w for w in WORKS if w in p.work.split(",")]
    p.conns, p.sizes = numbers(p.conns, [1, 50], [1, 10, 50, 100]), numbers(p.sizes, [4096], [4096, 65536])
    p.mailboxes, p.sessions = numbers(p.mailboxes, [200, 1000], [1000, 100000]), numbers(p.sessions, [50, 200], [1000, 10000])
    p.deferred = numbers(p.deferred, [500], [20000, 100000, 1000000])
    p.repeat, p.seconds = p.repeat or (1 if p.quick else 5), p.seconds or (0.2 if p.quick else 1)
    p.wakeups = 5 if p.quick else 20
    p.gib = min(p.gib, 2) if p.quick else p.gib
    p.peers = [x for x in p.peers.split(",") if x in PEERS]
    if not p.works:
        a.error("no such work")
    if p.binaries:
        p.binaries = os.path.abspath(p.binaries)
    return p


def compile_all(b, do):
    """Pabal, installed in the cache, and the load generator."""
    if not os.path.exists(TOP + "/configure"):
        do("./bootstrap", cwd=TOP)
    if not os.path.exists(b.cache + "/config.status"):
        do(TOP + "/configure", "-q", "--prefix=" + b.prefix, "CFLAGS=-O2 -g")
    do("make", "-s", "-j%d" % os.cpu_count(), "install")
    do("make", "-s", "bench/load")


def take_binaries(b):
    """The same from a folder in which "make" and "make bench/load" were done."""
    b.pabal, b.libexec, b.load.exe = b.p.binaries + "/control/pabal", b.cache + "/libexec", b.p.binaries + "/bench/load"
    shutil.rmtree(b.libexec, ignore_errors=True)
    os.mkdir(b.libexec)
    for f in ("accountd/accountd", "deliver/deliver-local", "deliver/deliver-remote", "dnsd/dnsd", "imapd/imapd", "keyd/keyd",
              "pop3d/pop3d", "qmgr/qmgr", "smtpd/smtpd", "spool/spoold"):
        os.symlink(os.path.join(b.p.binaries, f), os.path.join(b.libexec, os.path.basename(f)))


def build(b):
    say("building Pabal and the load generator (%s)" % b.cache)
    os.makedirs(b.cache, exist_ok=True)
    with open(b.cache + "/build.log", "w") as log:
        def do(*argv, cwd=b.cache):
            if subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode != 0:
                raise SystemExit("bench: %s failed; see %s/build.log" % (argv[0], b.cache))
        if b.p.binaries:
            take_binaries(b)
        else:
            compile_all(b, do)
        if not b.p.no_slow:
            do("cc", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", b.slow_library, TOP + "/bench/slowflush.c")
    # master gives its children no LD_PRELOAD; these do.
    shutil.rmtree(b.slow_libexec, ignore_errors=True)
    os.mkdir(b.slow_libexec)
    for f in os.listdir(b.libexec):
        path = os.path.join(b.slow_libexec, f)
        with open(path, "w") as s:
            s.write('#!/bin/sh\nLD_PRELOAD=%s exec %s/%s "$@"\n' % (b.slow_library, b.libexec, f))
        os.chmod(path, 0o755)


def set_up(b):
    """Makes and starts the systems, on addresses that no other run has."""
    net = "127.%d.%d." % (100 + os.getpid() // 250 % 100, 1 + os.getpid() % 250)
    daum, naver, b.sink, dead = net + "2", net + "3", net + "5:3925", net + "9"
    dns = ["daum.test. 3600 IN MX 10 mx.daum.test.", "mx.daum.test. 3600 IN A " + daum, "sink.test. 3600 IN MX 10 mx.sink.test.",
           "mx.sink.test. 3600 IN A " + net + "5", "dead.test. 3600 IN MX 10 mx.dead.test.", "mx.dead.test. 3600 IN A " + dead]
    b.daum = Pabal(b, "daum", "daum.test", daum, dns)
    b.naver = Pabal(b, "naver", "naver.test", naver, dns, relay=True)
    b.daum.setup(b.p.users)
    b.daum.probe_tls()
    b.naver.setup(1)
    if os.geteuid() != 0 and b.p.peers:
        b.results.notes.append("the peers need root")
    elif b.p.peers:
        b.peers = Peers(b)
        local, to = ["daum.test", "virt.test", "drop.test"], "smtp:[%s]:%d"
        if "postfix" in b.p.peers:
            b.postfix = Postfix(b.peers, "a", "daum.test", daum, local, [], [
                "daum.test lmtp:unix:%s/run/dovecot/lmtp" % b.peers.dir, "virt.test virtual:", "drop.test discard:"])
            b.relay = Postfix(b.peers, "b", "naver.test", naver, [], local + ["sink.test", "dead.test"],
                              [d + " " + to % (daum, 3525) for d in local] +
                              ["sink.test " + to % (net + "5", 3925), "dead.test " + to % (dead, 3925)])
        if "dovecot" in b.p.peers and b.postfix:
            b.dovecot = Dovecot(b.peers, daum)
        if "opensmtpd" in b.p.peers:
            try:
                b.opensmtpd = OpenSMTPD(b.peers, daum)
            except measure.Failed as e:
                b.results.failed.append("OpenSMTPD: %s" % e)
    for s in (b.postfix, b.relay, b.dovecot, b.opensmtpd):
        if s:
            b.begin(s)


def shares(works, slow):
    """[(name, its works, with slow flushes, seconds of a whole run)] in the order in which they are done."""
    groups = {w: "ab" if w in "ab" else w for w in works}
    todo = [(g, [w for w in works if groups[w] == g], False, SHARES[g]) for g in dict.fromkeys(groups.values())]
    early = [t for t in todo if t[0][0] in SLOW_WORKS]
    again = [(t[0] + "*", t[1], True, SHARES["*"] * t[3] / sum(e[3] for e in early)) for t in early] if slow else []
    return early + again + [t for t in todo if t not in early]


def play(b, todo):
    """Does all works; each may take what its share is of the time that is left."""
    for k, (name, works, slow, share) in enumerate(todo):
        t = time.monotonic()
        b.until = t + max(0, b.end - t) * share / sum(x[3] for x in todo[k:])
        try:
            b.in_time()
            turn(b, slow)
            b.make_room(4 if b.p.gib > 4 else 1)
            WORKS[works[0]](b, "*" if slow else "")
        except Exception as e:
            b.results.failed.append("%s: %s" % (name, e if isinstance(e, measure.Failed) else repr(e)))
            if not isinstance(e, measure.Failed):
                traceback.print_exc()
            b.recover()
        say("work %s: %d s" % (name, time.monotonic() - t))
        b.write()


def turn(b, slow):
    """Slow flushes on or off: for that all systems start again."""
    if b.slow == slow:
        return
    b.slow, b.sender, b.p = slow, Sender(b), b.full
    if slow:
        b.p = copy.copy(b.full)
        b.p.repeat, b.p.sizes, b.p.conns = 1, b.p.sizes[:1], [c for c in b.p.conns if c in (1, 10, 50)] or b.p.conns
    for s in b.systems():
        s.restart()


def shown_command(argv):
    """The command line without the folders of this machine."""
    out, skip = [], False
    for a in argv:
        if not skip and a.split("=")[0] not in ("--dir", "--out", "--binaries"):
            out.append(a)
        skip = a in ("--dir", "--out", "--binaries")
    return " ".join(["bench/run"] + out)


def head(b):
    def out(*argv):
        try:
            return subprocess.run(argv, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
        except OSError:
            return ""
    cpu = re.search(r"model name\s*: (.*)", measure.read("/proc/cpuinfo"))
    memory = int(re.search(r"MemTotal: +(\d+)", measure.read("/proc/meminfo")).group(1)) >> 20
    versions = [out("dpkg-query", "-W", "-f", "${Package} ${Version}", p) for p, s in (("postfix", b.postfix), ("dovecot-core", b.dovecot)) if s]
    versions += ["opensmtpd " + b.opensmtpd.version] if b.opensmtpd else []
    median, sixteen, fifty = b.ground.flush_times(0.2 if b.p.quick else 1.5)
    return "\n".join([
        "%s, Pabal %s, %s, %d cores (%s), %d GiB, Linux %s; peers: %s." % (
            datetime.date.today(), out("git", "rev-parse", "--short", "HEAD") or "0.1", platform.machine(), os.cpu_count(),
            cpu.group(1) if cpu else "?", memory, platform.release(), ", ".join(versions) or "none"), "",
        "Command: `%s`." % shown_command(sys.argv[1:]), "",
        "File system: %s. A flush of 4 KiB takes %s ms (median); 16 threads make %s of them a second, 50 threads that create "
        "and flush files %s." % (b.ground.text, short(median), short(sixteen), short(fifty)), "",
        "Pabal and each peer were measured in pairs, one run right after the other; medians (least and most in brackets) of as many runs as the last column says; CPU is that of the servers' process trees; flushes are those of the block "
        "device, where one of an ext4 with a journal may count twice."] + (
            ["", "**With --quick these figures mean nothing but that all works could be done.**"] if b.p.quick else []))


def stop(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(130)


def main():
    p = options()
    b = Bench(p)
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, stop)
    try:
        hard = 200000 if os.geteuid() == 0 else resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)     # PR_SET_CHILD_SUBREAPER: what daemons leave is ours to reap
    build(b)
    b.end = time.monotonic() + p.minutes * 60
    os.makedirs(b.out, exist_ok=True)           # before all the work, not behind it
    try:
        say("preparing the ground")
        b.ground = Ground(b.cache, p.gib, p.no_loop)
        say(b.ground.text)
        set_up(b)
        b.head = head(b)
        play(b, shares(p.works, not p.no_slow))
    finally:
        for s in b.systems():
            try:
                s.stop()
            except Exception as e:
                say("%s: %s" % (s.name, e))
        # Whatever daemon an interruption left half started has become our child.
        end_tree(measure.tree([os.getpid()])[1:])
        if b.ground:
            b.ground.drop()
    print(b.write(), flush=True)
    say("written to %s/RESULTS.md" % b.out)
    return 1 if b.results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
