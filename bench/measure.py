"""What a run costs: processor seconds and memory of process trees, flushes of a block device, work of others."""
import json
import os
import re
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A work that could not be measured; the text says why."""


def read(path):
    with open(path) as f:
        return f.read()


def stat_of(pid):
    """(name, fields after it) of /proc/PID/stat; None: there is no such process."""
    try:
        name, rest = re.match(r"\d+ \((.*)\) (.*)", read("/proc/%d/stat" % pid), re.S).groups()
    except (OSError, AttributeError):
        return None
    return name, rest.split()


def tree(roots):
    """The process ids of all roots and their descendants."""
    parents = {}
    for d in os.listdir("/proc"):
        st = stat_of(int(d)) if d.isdigit() else None
        if st:
            parents.setdefault(int(st[1][1]), []).append(int(d))
    out, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        out.append(pid)
        todo += parents.get(pid, [])
    return out


def cpu(roots):
    """(user, system) seconds of all trees, and by program name; what is reaped counts with its parent."""
    user = system = 0
    names = {}
    for pid in tree(roots):
        st = stat_of(pid)
        if st is None:
            continue
        u, s, cu, cs = (int(x) / TICKS for x in st[1][11:15])
        user, system = user + u + cu, system + s + cs
        names[st[0]] = names.get(st[0], 0) + u + s + cu + cs
    return user, system, names


def pss_kib(roots):
    """Proportional memory of all trees, KiB."""
    total = 0
    for pid in tree(roots):
        try:
            total += int(re.search(r"^Pss: +(\d+)", read("/proc/%d/smaps_rollup" % pid), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return total


def machine():
    """(user seconds, stolen seconds) of the whole machine."""
    v = [int(x) / TICKS for x in read("/proc/stat").split("\n", 1)[0].split()[1:]]
    return v[0] + v[1], v[7]


def flushes(path):
    """Flush requests that the block device under path has done; None: not known."""
    dev = os.stat(path).st_dev
    try:
        return int(read("/sys/dev/block/%d:%d/stat" % (os.major(dev), os.minor(dev))).split()[15])
    except (OSError, IndexError):
        return None


class Meter:
    """Counts between begin() and end() for some systems. Flushes are those of the device below ground."""

    def __init__(self, systems, ground):
        self.roots = [p for s in systems for p in s.roots()]
        self.ground = ground

    def begin(self):
        self.t0, self.cpu0, self.machine0, self.flush0 = time.monotonic(), cpu(self.roots), machine(), flushes(self.ground)
        self.own0 = os.times().user
        return self

    def end(self, client_user_s=0):
        t, c, m, f = time.monotonic() - self.t0, cpu(self.roots), machine(), flushes(self.ground)
        self.seconds = t
        self.cpu = c[0] - self.cpu0[0] + c[1] - self.cpu0[1]
        self.names = {k: v - self.cpu0[2].get(k, 0) for k, v in c[2].items()}
        self.flushes = None if f is None or self.flush0 is None else f - self.flush0
        # User time alone: the kernel's threads, which flush for us, have none.
        others = m[0] - self.machine0[0] - (c[0] - self.cpu0[0]) - client_user_s - (os.times().user - self.own0) + m[1] - self.machine0[1]
        self.others = max(0.0, others / t) if t > 0 else 0.0
        return self


class Load:
    """The load generator."""

    def __init__(self, exe):
        self.exe = exe

    def argv(self, mode, **options):
        out = [self.exe, mode]
        for k, v in options.items():
            for one in v if isinstance(v, list) else [v]:
                if one is not None and one is not False:
                    out += ["--" + k.replace("_", "-")] + ([] if one is True else [str(one)])
        return out

    def start(self, mode, **options):
        return subprocess.Popen(self.argv(mode, **options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def result(self, proc, what, may_fail=False):
        out = proc.communicate()[0].strip().splitlines()
        r = json.loads(out[-1]) if out and out[-1].startswith("{") else None
        if r is None or (proc.returncode != 0 and not may_fail):
            raise Failed("%s: the load generator gave status %d%s" % (what, proc.returncode, " (timeout)" if r and r["timed_out"] else ""))
        return r

    def run(self, mode, **options):
        """gate: called when the generator has looked at the mailboxes, before the first message."""
        may_fail, gate = options.pop("may_fail", False), options.pop("gate", None)
        proc = self.start(mode, gate=gate is not None, **options)
        try:
            if gate and proc.stdout.readline().startswith("READY"):
                gate()
                proc.stdin.write("\n")
                proc.stdin.flush()
            return self.result(proc, "%s at %s" % (mode, options.get("host")), may_fail)
        finally:
            if proc.poll() is None:
                proc.kill()
                proc.wait()


def wait_until(what, cond, seconds=60, pause=0.01):
    end = time.monotonic() + seconds
    while not cond():
        if time.monotonic() > end:
            raise Failed("waited in vain: " + what)
        time.sleep(pause)
