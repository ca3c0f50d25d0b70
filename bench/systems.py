"""The systems that are measured: what all have in common, and Pabal."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

import measure

USERS = 100
PASSWORD = "pass"
HASH = "$5$benchbench$vbvblUw.3z6AIkO7dzjzpG9pPE7G/CPJ6Zj6MH2Kr2D"     # of it: a user is made without making one


def listening(addr, port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((addr, port)) == 0


def greets(addr, port):
    """Whether a server says something by itself."""
    try:
        with socket.create_connection((addr, port), timeout=5) as s:
            return s.recv(1) != b""
    except OSError:
        return False


def end_tree(pids, seconds=20):
    """Ends what is left of these processes; they are told by their start time, ids may be used again."""
    def start(pid):
        st = measure.stat_of(pid)
        return st[1][19] if st and st[1][0] != "Z" else None
    left = {p: start(p) for p in pids if start(p)}
    for sig in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + (seconds if sig == signal.SIGTERM else 5)
        told = False
        while left and time.monotonic() < end:
            left = {p: t for p, t in left.items() if start(p) == t}
            for p in left if not told else ():
                try:
                    os.kill(p, sig)
                except ProcessLookupError:
                    pass
            told = True
            time.sleep(0.05)
    for p in pids:                      # those that have become ours (main.py adopts orphans)
        try:
            os.waitpid(p, os.WNOHANG)
        except ChildProcessError:
            pass


class System:
    """name: as in the tables. Started by start(), of which roots() are the process ids at the top."""
    running = False

    def roots(self):
        raise NotImplementedError

    def has(self, service):
        """Whether it offers this service, which is one with TLS from the first byte."""
        return True

    def settle(self):
        """Waits until work in flight is done."""
        time.sleep(0.2)

    def forget(self):
        """Stopped, it loses the mail that it has accepted and not delivered yet."""

    def stop(self):
        if not self.running:
            return
        self.running = False
        try:
            pids = measure.tree(self.roots())
        except (OSError, ValueError, IndexError):
            return
        self.ask_to_stop()
        end_tree(pids)

    def restart(self):
        self.stop()
        self.start()


class Pabal(System):
    """One Pabal. A folder of its own in the ground; ports of services that this build does not know are left out."""

    def __init__(self, b, name, domain, addr, dns, relay=False):
        self.b, self.name, self.domain, self.addr, self.seen = b, "Pabal", domain, addr, {}
        self.dir = os.path.join(b.ground.path, "pabal-" + name)
        self.conf = os.path.join(self.dir, "pabal.conf")
        self.ports = {"smtp": 3925, "imap": 3943, "pop3": 3910, "submissions": 3965, "imaps": 3993, "pop3s": 3995}
        os.makedirs(self.dir)
        root = os.geteuid() == 0
        self.lines = ["hostname = mx." + domain, "spool_dir = %s/spool" % self.dir, "state_dir = %s/state" % self.dir,
                      "run_dir = %s/run" % self.dir, "log_file = %s/log" % self.dir, "uid_base = %d" % (61000 if root else 0),
                      "allow_plaintext_login = yes", "connection_limit = 30000", "connection_limit_address = 30000",
                      "smtp_port = 3925", "dns_allow_local = yes"]
        # What is deferred comes to rest: no second try while the queue of work i is filled or looked at.
        self.lines += ["relay_from = 127.0.0.0/8", "queue_backoff_min = 1h", "queue_backoff_max = 4h"] if relay else []
        self.lines += ['dns_record = "%s"' % r for r in dns]
        self.services = ["smtp", "imap", "pop3"]
        if self.takes("key_dir = %s/keys" % self.dir):
            self.lines.append("key_dir = %s/keys" % self.dir)
        self.services += [s for s in ("submissions", "imaps", "pop3s") if self.takes("listen = %s %s:%d" % (s, addr, self.ports[s]))]
        self.lines += ["listen = %s %s:%d" % (s, addr, self.ports[s]) for s in self.services]
        self.write(self.lines)

    def write(self, lines):
        with open(self.conf, "w") as f:
            f.write("\n".join(lines) + "\n")

    def takes(self, more):
        """Whether this build knows this line of configuration."""
        self.write(self.lines + [more])
        return self.run("check", check=False).returncode == 0

    def run(self, *args, check=True, **kw):
        env = dict(os.environ, PABAL_LIBEXEC=self.b.slow_libexec if self.b.slow else self.b.libexec)
        p = subprocess.run([self.b.pabal, "-c", self.conf] + list(args), env=env, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
        if check and p.returncode != 0:
            raise measure.Failed("pabal %s: %s" % (" ".join(args), (p.stdout + p.stderr).strip()))
        return p

    def host(self, service):
        return "%s:%d" % (self.addr, self.ports[service])

    def roots(self):
        return [int(measure.read(self.dir + "/run/master.pid").split()[0])]

    def start(self):
        if not self.running:
            self.running = True
            self.run("start")

    def setup(self, users):
        self.users = users
        self.start()
        self.run("domain", "add", self.domain)
        for i in range(users):
            self.run("user", "add", "--hash", "--password-file=-", "user%d@%s" % (i, self.domain), input=HASH + "\n")

    def has(self, service):
        return service in self.services

    def probe_tls(self):
        """Forgets the services whose handshake does not come to an end: this build cannot do them yet."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for s in ("submissions", "imaps", "pop3s"):
            try:
                with socket.create_connection((self.addr, self.ports[s]), timeout=5) as raw, context.wrap_socket(raw) as c:
                    c.recv(1)
            except OSError:
                self.services = [x for x in self.services if x != s]

    def ask_to_stop(self):
        self.run("stop", check=False)

    def forget(self):
        """All mail, in mailboxes too: what is in the queue is nowhere else."""
        self.stop()
        for d in ("spool", "state", "run", "keys"):
            shutil.rmtree(os.path.join(self.dir, d), ignore_errors=True)
        self.setup(self.users)

    def stats(self):
        return json.loads(self.run("spool", "stats", "--json").stdout)

    def at_rest(self, n):
        """Whether n messages are in the queue and nothing has changed since the last call."""
        before, self.seen = self.seen, self.stats()
        return self.seen["queued"] >= n and before.get("lsn") == self.seen["lsn"]

    def queue_list(self):
        return self.run("queue", "list").stdout
