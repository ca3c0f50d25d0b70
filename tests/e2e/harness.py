"""Starts real Pabal systems for a test, on loopback addresses and folders of their own.

Every test process holds a block of addresses 127.A.B.n that no other test has, so ports
can be fixed and tests run side by side. Everything is ended by process id, in the end,
when the test fails, and when it takes longer than any test may. Speaks TAP.
"""
import atexit
import faulthandler
import imaplib
import os
import poplib
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

SRC = os.environ.get("abs_top_srcdir", os.getcwd())
BUILD = os.environ.get("abs_top_builddir", os.path.join(os.getcwd(), "build"))
PROGRAMS = {
    "spoold": "spool/spoold", "accountd": "accountd/accountd", "dnsd": "dnsd/dnsd", "qmgr": "qmgr/qmgr",
    "deliver-local": "deliver/deliver-local", "deliver-remote": "deliver/deliver-remote",
    "smtpd": "smtpd/smtpd", "pop3d": "pop3d/pop3d", "imapd": "imapd/imapd", "keyd": "keyd/keyd",
}
ROOT = os.geteuid() == 0
SMTP, POP3, IMAP = 2525, 2110, 2143
SUBMISSION, SUBMISSIONS, POP3S, IMAPS = 2587, 2465, 2995, 2993
PORTS = {"smtp": SMTP, "pop3": POP3, "imap": IMAP, "submission": SUBMISSION, "submissions": SUBMISSIONS, "pop3s": POP3S,
         "imaps": IMAPS}
ALL_SERVICES = tuple(PORTS)
# Seconds. Both are for machines that are slow and busy: who passes waits for none of them.
DEADLINE = float(os.environ.get("TEST_DEADLINE", "300"))    # longest wait for a state
LIMIT = float(os.environ.get("TEST_LIMIT", "1500"))         # longest that a test may take
HOLD = 2400                                                 # the port by which a block of addresses is held
RUNNING = "running: all processes are ready"

_tests = [0, 0]
_cleanups = []


def ok(cond, name, detail=""):
    _tests[0] += 1
    if not cond:
        _tests[1] += 1
        for line in str(detail).splitlines()[:40]:
            print("# " + line)
    print("%sok %d - %s" % ("" if cond else "not ", _tests[0], name), flush=True)
    return cond


def same(got, want, name):
    return ok(got == want, name, "got  %r\nwant %r" % (got, want))


def skip_all(why):
    print("1..0 # SKIP " + why)
    sys.exit(0)


def wait_for(what, cond, deadline=None):
    """Waits until cond() is true and returns its value; fails the test if it does not become so."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        v = cond()
        if v:
            return v
        if time.monotonic() > end:
            raise AssertionError("waited in vain: " + what)
        time.sleep(0.02)


def out_of_time(*_):
    """The test hangs: shows where, fails it like any other exception, and is not to be held up by what hangs in the end."""
    faulthandler.dump_traceback()
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.alarm(60)
    raise AssertionError("the test takes longer than %g seconds" % LIMIT)


def processes():
    """Process id, parent and name of all: what everybody may see, though a cell is closed to who is not root."""
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % p, errors="replace") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        except (OSError, IndexError):
            continue        # it ended
        if rest.split()[0] != "Z":
            yield int(p), int(rest.split()[1]), name


def freeze(pid):
    """Stops the process; a signal takes effect when its receiver gets to it."""
    os.kill(pid, signal.SIGSTOP)

    def stopped():
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"
    wait_for("a process to be stopped", stopped)


def run(test):
    """Runs test(), then prints the plan; an exception is a failed test."""
    signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        test()
    except BaseException:
        for line in traceback.format_exc().splitlines():
            print("# " + line)
        for s in System.all:
            for line in s.log_tail(40):
                print("# %s: %s" % (s.name, line))
        ok(False, "the test ran to its end")
    cleanup()
    print("1..%d" % _tests[0], flush=True)
    sys.stderr.flush()
    os._exit(1 if _tests[1] else 0)     # a thread that still waits for something is not waited for


def cleanup():
    while _cleanups:
        fn = _cleanups.pop()
        try:
            fn()
        except Exception as e:
            print("# cleanup: %r" % e)


atexit.register(cleanup)
signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))


def reachable(d):
    """Do the processes with user ids of their own get there, and is a socket's path below it short enough?"""
    while len(d) <= 60 and (not ROOT or os.stat(d).st_mode & 1):
        if d == "/":
            return True
        d = os.path.dirname(d)
    return False


def tempdir(prefix="pabal-test-"):
    top = os.path.realpath(tempfile.gettempdir())
    d = tempfile.mkdtemp(prefix=prefix, dir=top if reachable(top) else "/tmp")
    os.chmod(d, 0o755)
    _cleanups.append(lambda: shutil.rmtree(d, ignore_errors=True))
    return d


def hold_block():
    """A block of addresses that is this process's own as long as it lives: who holds it listens at its last one."""
    for _ in range(1000):
        block = "127.%d.%d." % (random.randrange(64, 100), random.randrange(256))
        s = socket.socket()
        try:
            s.bind((block + "254", HOLD))
            s.listen(1)
            return block, s
        except OSError:
            s.close()
    raise AssertionError("no loopback addresses for a test")


_block = []


def address(n):
    """The nth loopback address of this test process, n < 250."""
    if not _block:
        _block.extend(hold_block())
    return _block[0] + str(1 + n)


class System:
    """One complete mail system. conf: further configuration lines."""
    all = []

    def __init__(self, name, domain, addr, conf="", dns=(), uid_base=None, spool_dir=None, services=("smtp", "pop3", "imap")):
        self.name, self.domain, self.addr = name, domain, addr
        self.dir = tempdir("pabal-%s-" % name)
        self.spool = spool_dir or os.path.join(self.dir, "spool")
        self.conf = os.path.join(self.dir, "pabal.conf")
        self.log = os.path.join(self.dir, "log")
        self.run_dir = os.path.join(self.dir, "run")
        libexec = os.path.join(self.dir, "libexec")
        os.mkdir(libexec)
        for prog, path in PROGRAMS.items():
            os.symlink(os.path.join(BUILD, path), os.path.join(libexec, prog))
        self.env = dict(os.environ, PABAL_LIBEXEC=libexec)
        if uid_base is None:
            uid_base = 61000 if ROOT else 0
        lines = ["hostname = mx." + domain, "spool_dir = " + self.spool, "state_dir = %s/state" % self.dir,
                 "key_dir = %s/keys" % self.dir,
                 "run_dir = " + self.run_dir, "log_file = " + self.log, "uid_base = %d" % uid_base,
                 "allow_plaintext_login = yes", "relay_from = 127.0.0.0/8", "smtp_port = %d" % SMTP,
                 "dns_allow_local = yes", "segment_size = 8m", "spool_reserve = 16m",
                 "queue_backoff_min = 1s", "queue_backoff_max = 2s", "connection_limit_address = 10000", "stop_timeout = 5m"]
        own = {line.split("=")[0].strip() for line in conf.splitlines()}
        lines = [line for line in lines if line.split("=")[0].strip() not in own]
        lines += ["listen = %s %s:%d" % (s, addr, PORTS[s]) for s in services]
        lines += ['dns_record = "%s"' % r for r in dns]
        with open(self.conf, "w") as f:
            f.write("\n".join(lines) + "\n" + conf)
        self.services = [PORTS[s] for s in services]
        self.proc, self.starts = None, 0
        System.all.append(self)

    def start(self, wait=True):
        self.starts = self.log_text().count(RUNNING)
        self.proc = subprocess.Popen([os.path.join(BUILD, "master/pabal-master"), "-F", "-c", self.conf],
                                     env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=open(os.path.join(self.dir, "stderr"), "ab"))
        _cleanups.append(self.kill)
        if wait:
            wait_for("%s to be ready" % self.name, self.ready)
        return self

    def ready(self):
        if self.proc.poll() is not None:
            raise AssertionError("%s ended with status %d" % (self.name, self.proc.returncode))
        if self.log_text().count(RUNNING) <= self.starts:       # every process is in its cell
            return False
        for port in self.services:
            try:
                with socket.create_connection((self.addr, port), timeout=5) as s:
                    if port not in (SUBMISSIONS, POP3S, IMAPS) and not s.recv(1):
                        return False
            except OSError:
                return False
        return True

    def stop(self):
        if self.proc is not None and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            self.proc.wait(2 * DEADLINE)
        return self.proc.returncode if self.proc else None

    def kill(self):
        if self.proc is None:
            return
        kids = self.children()
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(30)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        for pid in kids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def children(self):
        """The process ids below master."""
        return [pid for pid, ppid, _ in processes() if ppid == self.proc.pid]

    def pids(self, role):
        """The process ids of one program."""
        return [pid for pid, ppid, name in processes() if ppid == self.proc.pid and name == role]

    def pabal(self, *args, input=None, check=True):
        p = subprocess.run([os.path.join(BUILD, "control/pabal"), "-c", self.conf] + list(args), env=self.env,
                           input=input, capture_output=True, text=True, timeout=DEADLINE)
        if check and p.returncode != 0:
            raise AssertionError("pabal %s: status %d: %s%s" % (" ".join(args), p.returncode, p.stdout, p.stderr))
        return p

    def setup(self, *users, password="secret"):
        self.pabal("domain", "add", self.domain)
        for u in users:
            self.pabal("user", "add", "--password-file=-", "%s@%s" % (u, self.domain), input=password + "\n")
        return self

    def log_tail(self, n=40):
        lines = []
        for p in (os.path.join(self.dir, "stderr"), self.log):
            try:
                with open(p, errors="replace") as f:
                    lines += f.read().splitlines()[-n:]
            except OSError:
                pass
        return lines

    def log_text(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def smtp(self, timeout=DEADLINE):
        return smtplib.SMTP(self.addr, SMTP, local_hostname="client.test", timeout=timeout)

    def send(self, sender, rcpts, text, timeout=DEADLINE):
        with self.smtp(timeout) as c:
            return c.sendmail(sender, rcpts, text)

    def pop3(self, user, password="secret"):
        c = poplib.POP3(self.addr, POP3, timeout=DEADLINE)
        c.user("%s@%s" % (user, self.domain))
        c.pass_(password)
        return c

    def imap(self, user, password="secret", select="INBOX"):
        c = imaplib.IMAP4(self.addr, IMAP, timeout=DEADLINE)
        c.login("%s@%s" % (user, self.domain), password)
        if select:
            c.select(select)
        return c

    def messages(self, user, password="secret"):
        """All messages of a user's INBOX as bytes, by POP3."""
        c = self.pop3(user, password)
        out = [b"\r\n".join(c.retr(i + 1)[1]) + b"\r\n" for i in range(c.stat()[0])]
        c.quit()
        return out

    def wait_messages(self, user, n, deadline=None):
        wait_for("%d messages for %s" % (n, user), lambda: self.count(user) >= n, deadline)
        return self.messages(user)

    def count(self, user, password="secret"):
        c = self.pop3(user, password)
        n = c.stat()[0]
        c.quit()
        return n

    def drained(self):
        """Everybody is back, and the queue is empty."""
        p = self.pabal("queue", "list", "--json", check=False)
        return self.ready() and p.returncode == 0 and p.stdout.strip() in ("", "[]")

    def read_again(self, user):
        """What is in the mailbox; who died last may just be coming back."""
        def get():
            try:
                return [self.messages(user)]
            except (OSError, EOFError, poplib.error_proto):
                return None
        return wait_for("the mail of " + user, get)[0]


def numbers_of(messages):
    """How many of each Subject "number N." there are."""
    out = {}
    for m in messages:
        n = int(re.search(rb"Subject: number (\d+)\.", m).group(1))
        out[n] = out.get(n, 0) + 1
    return out


class Authority:
    """A certificate authority of this test, by the openssl command."""

    def __init__(self):
        self.dir = tempdir("pabal-ca-")
        self.cert = os.path.join(self.dir, "ca.crt")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                     "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", self.cert)

    def openssl(self, *args):
        p = subprocess.run(["openssl"] + list(args), cwd=self.dir, capture_output=True, text=True)
        if p.returncode != 0:
            raise AssertionError("openssl %s: %s" % (args[0], p.stderr))

    def issue(self, *names, key="ec", days=10, name=None, san=None):
        """A certificate for the names: paths of the chain and the key."""
        base = name or names[0].replace("*", "any")
        opts = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"],
                "ed25519": ["-newkey", "ed25519"]}[key]
        self.openssl("req", *opts, "-nodes", "-subj", "/CN=" + names[0], "-keyout", base + ".key", "-out", base + ".csr")
        with open(os.path.join(self.dir, base + ".ext"), "w") as f:
            f.write("subjectAltName=%s\n" % (san or ",".join("DNS:" + n for n in names)))
        when = ["-days", str(days)]
        self.openssl("x509", "-req", "-in", base + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                     "-extfile", base + ".ext", "-out", base + ".crt", *when)
        return os.path.join(self.dir, base + ".crt"), os.path.join(self.dir, base + ".key")

    def context(self, check=True):
        c = ssl.create_default_context(cafile=self.cert)
        if not check:
            c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        return c


def letter(sender="abc@naver.test", to="def@daum.test", subject="a letter", body="Hello.\r\n", mid=None):
    mid = mid or "<%d.%d@naver.test>" % (os.getpid(), time.monotonic_ns())
    return ("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n"
            "Message-ID: %s\r\n\r\n%s" % (sender, to, subject, mid, body))


def two_domains(conf="", conf_a="", conf_b=""):
    """naver.test with abc and daum.test with def, which find each other."""
    a, b = address(0), address(1)
    dns = ["naver.test. 3600 IN MX 10 mx.naver.test.", "mx.naver.test. 3600 IN A " + a,
           "daum.test. 3600 IN MX 10 mx.daum.test.", "mx.daum.test. 3600 IN A " + b]
    naver = System("naver", "naver.test", a, conf + conf_a, dns).start().setup("abc")
    daum = System("daum", "daum.test", b, conf + conf_b, dns).start().setup("def")
    return naver, daum
