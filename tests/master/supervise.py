"""master with children that are the frame and nothing else: start, wiring, restart, crash loop, reload, stop."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", os.getcwd()), "tests/e2e"))
import harness as h
from harness import ok, same

FAKE = os.path.join(h.BUILD, "tests/master/fake-child")
STATUS = os.path.join(h.BUILD, "tests/master/status")
MASTER = os.path.join(h.BUILD, "master/pabal-master")


class Fakes:
    def __init__(self, conf="", user=None):
        self.dir = h.tempdir()
        self.libexec = os.path.join(self.dir, "libexec")
        self.conf, self.log = os.path.join(self.dir, "pabal.conf"), os.path.join(self.dir, "log")
        self.run = os.path.join(self.dir, "run")
        os.mkdir(self.libexec)
        self.master, fake = MASTER, FAKE
        if user is not None:    # who may not be let into the folder of the build
            self.master, fake = (shutil.copy(f, self.dir) for f in (MASTER, FAKE))
        for name in h.PROGRAMS:
            os.symlink(fake, os.path.join(self.libexec, name))
        self.base = ["hostname = mx.daum.test", "spool_dir = %s/spool" % self.dir, "state_dir = %s/state" % self.dir,
                     "run_dir = " + self.run, "log_file = " + self.log,
                     "uid_base = %d" % (61000 if h.ROOT and user is None else 0), "key_dir = %s/keys" % self.dir]
        self.user = user
        if user is not None:
            os.chown(self.dir, user, user)
        self.configure(conf)
        self.proc = None

    def configure(self, conf):
        with open(self.conf, "w") as f:
            f.write("\n".join(self.base) + "\n" + conf)

    def command(self, *args):
        return [self.master, "-c", self.conf] + list(args)

    def popen(self, fn, *args):
        return fn(self.command(*args), env=dict(os.environ, PABAL_LIBEXEC=self.libexec), stdin=subprocess.DEVNULL,
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                  **({} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}))

    def start(self):
        before = self.text().count("running: all processes")
        self.proc = self.popen(subprocess.Popen, "-F")
        h._cleanups.append(self.kill)
        self.wait("running: all processes are ready", before + 1)
        return self

    def fails(self, *args):
        p = self.popen(lambda *a, **k: subprocess.run(*a, timeout=h.DEADLINE, **k), "-F", *args)
        return p.returncode, p.stderr

    def kill(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def text(self):
        try:
            with open(self.log) as f:
                return f.read()
        except OSError:
            return ""

    def wait(self, pattern, n=1):
        return h.wait_for("%d x %r in the log:\n%s" % (n, pattern, self.text()[-3000:]), lambda: len(re.findall(pattern, self.text())) >= n)

    def ask(self, *verb):
        p = subprocess.run([STATUS, self.run + "/master.sock"] + list(verb), capture_output=True, text=True, timeout=h.DEADLINE)
        return p.returncode, p.stdout

    def procs(self):
        rows = [line.split(" ") for line in self.ask()[1].splitlines()[1:]]
        return {"%s[%s]" % (r[0], r[1]): (int(r[2]), " ".join(r[3:-1]), int(r[-1])) for r in rows}


def greeting(addr, port):
    try:
        with socket.create_connection((addr, port), timeout=60) as s:
            return s.makefile().readline().strip()
    except OSError:
        return None


def listens(addr, port):
    return "listen = smtp %s:%d\n" % (addr, port)


def basics():
    a = h.address(0)
    s = Fakes(listens(a, 2525) + "listen = imap %s:2143\nsmtpd_workers = 2\n" % a).start()
    state = s.ask()
    same(state[0], 0, "the status is told")
    same(state[1].splitlines()[0], "running mx.daum.test", "it runs")
    procs = s.procs()
    same(set(procs), {r + "[0]" for r in h.PROGRAMS} | {"smtpd[1]"}, "every process is there")
    ok(all(p[1] == "ready" and p[2] == 0 for p in procs.values()), "all are ready", procs)
    g = h.wait_for("an smtpd that answers with its peers", lambda: (greeting(a, 2525) or "").count("peers=3") and greeting(a, 2525))
    ok(re.match(r"smtpd\[[01]\] pid=\d+ uid=\d+ peers=3 host=mx.daum.test limit=50", g), "smtpd got its socket, peers and host name", g)
    ok((greeting(a, 2143) or "").startswith("imapd[0]"), "imapd got its socket")
    if h.ROOT:
        ok("uid=61007 " in g, "smtpd runs as its own user", g)
    else:
        ok("not started as root" in s.text(), "without root it says so")
    # arrows with two smtpd: 2*3 + 2 + 3 + 3 + 3 + 3, each opened at both ends
    s.wait("fake: open peer=", 2 * 20)
    same(len(re.findall("fake: open peer=", s.text())), 40, "each arrow was wired once")
    same(len(re.findall("secret=32", s.text())), 2, "accountd and spoold know the secret, nobody else")
    if h.ROOT:
        opened = set(re.findall(r"peer=(\S+) uid=(\d+)", s.text()))
        same(opened & {("smtpd", "61007"), ("spoold", "61001")}, {("smtpd", "61007"), ("spoold", "61001")},
             "peers know each other by the kernel's word")
    st = os.stat(s.run + "/master.sock")
    same(st.st_mode & 0o777, 0o600, "the control socket is for the administrator alone")
    same(os.listdir(s.run + "/empty"), [], "the common root directory is empty")
    same(os.stat(s.run + "/empty").st_mode & 0o777, 0o555, "and nobody writes into it")
    same(int(open(s.run + "/master.pid").read()), s.proc.pid, "master.pid")
    return s, a


def restart(s, a):
    pid = s.procs()["spoold[0]"][0]
    opened = len(re.findall("fake: open peer=", s.text()))
    os.kill(pid, signal.SIGKILL)
    s.wait(r"died process=spoold\[0\] pid=%d signal=9" % pid)
    s.wait(r"ready process=spoold\[0\]", 2)
    same(s.procs()["spoold[0]"][2], 1, "spoold was started again")
    s.wait("fake: open peer=", opened + 2 * 7)
    h.wait_for("smtpd to have its peers again", lambda: "peers=3" in (greeting(a, 2525) or ""))
    ok(True, "all its peers have a new channel to it")
    same(len(set(re.findall(r"started process=smtpd\[0\]", s.text()))), 1, "the others were not started again")
    os.kill(s.procs()["smtpd[1]"][0], signal.SIGKILL)
    s.wait(r"ready process=smtpd\[1\]", 2)
    ok((greeting(a, 2525) or "").startswith("smtpd["), "an edge that died has its socket again")


def second_start(s):
    rc, text = s.fails()
    ok(rc == 1 and "runs already" in text and str(s.proc.pid) in text and text.count("\n") == 1, "a second start gives one sentence", text)


def reload(s, a):
    with open(s.conf, "a") as f:
        f.write("hop_limit = 77\n")
    same(s.ask("reload"), (0, "ok reloaded\n"), "a reload is answered when it is done")
    same(len(re.findall("fake: reload limit=77 was=50", s.text())), 11, "every process took it")
    ok("limit=77" in greeting(a, 2525), "an edge works by it")
    good = open(s.conf).read()
    with open(s.conf, "a") as f:
        f.write("nonsense = 1\nspool_dir2 = 7\n")
    rc, text = s.ask("reload")
    ok(rc == 3 and text.startswith("failed") and "nonsense" in text and "spool_dir2" in text, "a wrong file is refused with all its errors", text)
    with open(s.conf, "w") as f:
        f.write(good.replace("/spool\n", "/spool2\n"))
    rc, text = s.ask("reload")
    ok(rc == 3 and "spool_dir changes only by a stop and a start" in text, "what cannot change is refused", text)
    # new port, one less, fewer and more workers
    with open(s.conf, "w") as f:
        f.write(good.replace(listens(a, 2525), listens(a, 2526)).replace("smtpd_workers = 2", "smtpd_workers = 1\nimapd_workers = 3"))
    same(s.ask("reload")[0], 0, "ports and workers change")
    s.wait(r"ended process=smtpd\[1\] pid=\d+ exit=0")     # until then it may answer, too
    ok((greeting(a, 2526) or "").startswith("smtpd[0]"), "the new port is served by the process that was there")
    same(greeting(a, 2525), None, "nobody is at the old one")
    s.wait(r"ready process=imapd\[2\]")
    procs = s.procs()
    ok("smtpd[1]" not in procs and "imapd[2]" in procs, "the workers are as many as wanted", procs)
    with open(s.conf, "w") as f:
        f.write(good)
    s.proc.send_signal(signal.SIGHUP)
    s.wait(r"\]: info: reloaded", 3)
    s.wait(r"ready process=smtpd\[1\]", 3)
    ok((greeting(a, 2525) or "").startswith("smtpd["), "SIGHUP does it too")
    os.rename(s.log, s.log + ".1")
    old = open(s.log + ".1").read()
    same(s.ask("reload")[0], 0, "a reload after the log was moved")
    ok("fake: reload" in s.text() and open(s.log + ".1").read().count("fake: reload") == old.count("fake: reload"),
       "everybody writes into the new log file")


def broken_link(s, a):
    with open(s.conf, "a") as f:
        f.write("hop_limit = 13\n")
    with open(s.conf) as f:
        text = f.read().replace("hop_limit = 77\n", "")
    with open(s.conf, "w") as f:
        f.write(text)
    same(s.ask("reload")[0], 0, "a reload after which smtpd closes its channel to spoold")
    s.wait(r"the channel between smtpd\[\d\] and spoold\[0\] was closed while both live", 2)
    for _ in range(2):
        h.wait_for("both channels again", lambda: "peers=3" in (greeting(a, 2525) or ""))
    ok(True, "a channel that broke between two living processes is made anew")
    same(len(re.findall("was closed while both live", s.text())), 2, "once for each, though both ends tell of it")


def stop(s):
    procs = s.procs()
    rc = s.ask("stop")
    same(rc, (0, "ok stopped\n"), "a stop is answered when it is done")
    same(s.proc.wait(h.DEADLINE), 0, "and ends well")
    ended = re.findall(r"ended process=([a-z0-9-]+)\[\d\]", s.text())[-len(procs):]
    rank = {"smtpd": 0, "pop3d": 0, "imapd": 0, "deliver-local": 1, "deliver-remote": 1, "qmgr": 2}
    order = [rank.get(e, 3) for e in ended]
    ok(len(order) == len(procs) and order == sorted(order), "edges, agents, qmgr, cores: in this order", ended)
    same([n for n in os.listdir(s.run) if n.endswith(".sock")], [], "no socket is left")


def hangs():
    s = Fakes("hop_limit = 666\nstop_timeout = 1s\n").start()
    s.proc.send_signal(signal.SIGTERM)
    same(s.proc.wait(h.DEADLINE), 0, "processes that do not end are killed")
    same(len(re.findall("killed process=", s.text())), 10, "each with a line in the log")


def orphans():
    s = Fakes().start()
    pids = [p[0] for p in s.procs().values()]
    s.proc.kill()
    s.proc.wait()
    h.wait_for("all children to end", lambda: not set(pids) & {p for p, _, _ in h.processes()})
    ok(True, "when master is killed, all its children end")
    s.start()
    ok(True, "and a new master starts at once")
    s.proc.send_signal(signal.SIGINT)
    same(s.proc.wait(h.DEADLINE), 0, "SIGINT stops as well")


def crash_loop():
    s = Fakes()
    os.unlink(s.libexec + "/dnsd")
    os.symlink("/bin/false", s.libexec + "/dnsd")
    s.proc = s.popen(subprocess.Popen, "-F")
    h._cleanups.append(s.kill)
    s.wait(r"error: crash loop: process=dnsd\[0\]")
    until = s.text().split("error: crash loop")[0]      # it goes on dying
    same(len(re.findall(r"died process=dnsd\[0\]", until)), 5, "a crash loop is told as an error after five deaths")
    h.wait_for("the others to be ready", lambda: all(p[1] == "ready" for n, p in s.procs().items() if n != "dnsd[0]"))
    ok(True, "the others work")
    os.unlink(s.libexec + "/dnsd")
    os.symlink(FAKE, s.libexec + "/dnsd")
    s.wait("running: all processes are ready")
    ok(True, "and it comes up once the reason is gone")
    s.proc.send_signal(signal.SIGTERM)
    same(s.proc.wait(h.DEADLINE), 0, "it stops")


def background():
    s = Fakes()
    p = s.popen(lambda *a, **k: subprocess.run(*a, timeout=h.DEADLINE, **k))
    same((p.returncode, p.stderr), (0, ""), "in the background it returns when all is ready")
    pid = int(open(s.run + "/master.pid").read())
    same(s.ask()[0], 0, "and serves")
    same(s.ask("stop")[0], 0, "and stops")
    h.wait_for("it to end", lambda: pid not in {p for p, _, _ in h.processes()})
    os.unlink(s.libexec + "/qmgr")
    os.symlink("/bin/false", s.libexec + "/qmgr")
    p = s.popen(lambda *a, **k: subprocess.run(*a, timeout=h.DEADLINE, **k))
    ok(p.returncode == 1 and "not all of its processes could be started" in p.stderr, "a start that goes wrong is told there", p.stderr)
    s.ask("stop")


def sentence(name, s, *words):
    rc, text = s.fails()
    ok(rc == 1 and text.count("\n") == 1 and all(w in text for w in words), name, text)


def wrong_starts():
    a = h.address(1)
    with socket.socket() as taken:
        taken.bind((a, 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence("port taken: service, address and who has it", Fakes(listens(a, port)), "smtp", "%s:%d" % (a, port), "(process %d)" % os.getpid())
    sentence("no such address", Fakes(listens("192.0.2.1", 2525)), "192.0.2.1", "no such address")
    s = Fakes()
    os.mkdir(s.dir + "/spool", 0o755)
    if h.ROOT:
        sentence("a directory of another owner", s, s.dir + "/spool", "belongs to uid 0", "uid 61001")
        os.chown(s.dir + "/spool", 61001, 61001)
    os.chmod(s.dir + "/spool", 0o755)
    sentence("a directory that is open to others", s, s.dir + "/spool", "0755", "chmod 0700")
    s = Fakes()
    with open(s.dir + "/state", "w"):
        pass
    sentence("a file where a directory should be", s, s.dir + "/state", "Not a directory")
    s = Fakes()
    os.makedirs(s.run + "/empty/x")
    os.chmod(s.run + "/empty", 0o555)
    sentence("an empty directory that is not empty", s, "remove x")
    s = Fakes("log_file2 = x\n")
    sentence("an unknown option", s, "log_file2", "log_file?")
    s = Fakes()
    os.unlink(s.libexec + "/qmgr")
    sentence("a missing program", s, "qmgr", "cannot be executed")
    s = Fakes("admin_group = no-such-group\n")
    sentence("a missing group", s, "no-such-group")
    s = Fakes()
    s.log = s.dir
    s.base[4] = "log_file = " + s.dir
    s.configure("")
    sentence("a log file that cannot be opened", s, "log_file", s.dir)
    if h.ROOT:
        s = Fakes()
        s.base[5] = "uid_base = 0"
        s.configure("")
        sentence("missing system users", s, "there is no user", "create-users")
    p = subprocess.run([MASTER, "-t", "-c", Fakes().conf], capture_output=True, text=True)
    ok(p.returncode == 0 and "is good" in p.stdout, "-t says that a configuration is good", p)
    same(subprocess.run([MASTER, "-x"], capture_output=True).returncode, 2, "an unknown flag")


def unprivileged():
    if not h.ROOT:
        return
    a = h.address(2)
    s = Fakes(listens(a, 2525), user=65534).start()
    ok("uid=65534 peers=3" in h.wait_for("peers", lambda: "peers=3" in (greeting(a, 2525) or "") and greeting(a, 2525)), "it runs without root, too")
    same(len(re.findall("warn: not started as root", s.text())), 1, "and says once what that means")
    s.proc.send_signal(signal.SIGTERM)
    same(s.proc.wait(h.DEADLINE), 0, "and stops")


def test():
    s, a = basics()
    restart(s, a)
    second_start(s)
    reload(s, a)
    broken_link(s, a)
    stop(s)
    hangs()
    orphans()
    crash_loop()
    background()
    wrong_starts()
    unprivileged()


h.run(test)
