"""The peers: Debian's Postfix, Dovecot and OpenSMTPD, on loopback and in folders of their own."""
import glob
import os
import shutil
import subprocess
import tempfile
import time

import measure
from systems import PASSWORD, USERS, System, listening

HERE = os.path.dirname(os.path.abspath(__file__))
OWNER = 5000                            # of the peers' mail; needs no name
INOTIFY = "/proc/sys/fs/inotify/max_user_instances"


def must(*argv):
    """Runs a command; what it prints, or why it could not be done. (A file, not a pipe: daemons keep it open.)"""
    with tempfile.TemporaryFile("w+") as out:
        status = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT).returncode
        out.seek(0)
        text = out.read()
    if status != 0:
        raise measure.Failed("%s: %s" % (" ".join(argv[:4]), text.strip()[-500:]))
    return text


class Peers:
    """The folder that they share."""

    def __init__(self, b):
        self.b = b
        self.dir = os.path.join(b.ground.path, "peers")
        for d in ("log", "mail/daum", "mail/virt", "run/dovecot", "run/dovecot-state", "etc/dovecot", "tls"):
            os.makedirs(os.path.join(self.dir, d))
        for d in ("mail", "mail/daum", "mail/virt"):
            os.chown(os.path.join(self.dir, d), OWNER, OWNER)
        must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
             "-subj", "/CN=mx.daum.test", "-keyout", self.dir + "/tls/key.pem", "-out", self.dir + "/tls/cert.pem")

    def write(self, template, path, **values):
        with open(os.path.join(HERE, "peers", template)) as f:
            text = f.read()
        for k, v in dict(values, D=self.dir).items():
            text = text.replace("@%s@" % k, str(v))
        with open(path, "w") as f:
            f.write(text)

    def wipe(self):
        """Empties the mailboxes."""
        for d in glob.glob(self.dir + "/mail/*/*"):
            shutil.rmtree(d)

    def drain(self, box):
        """Options for the load generator: the mail of all users in mail/box counts."""
        return {"drain_dir": [self.dir + "/mail/%s/user*/new" % box, self.dir + "/mail/%s/user*/cur" % box]}

    def fill(self, user, messages, size):
        """Puts messages into a mailbox of Dovecot, as if they had been delivered."""
        box = "%s/mail/daum/user%d" % (self.dir, user)
        for d in ("", "/cur", "/new", "/tmp"):
            os.makedirs(box + d, exist_ok=True)
        must(self.b.load.exe, "maildir", "--dir", box + "/cur", "--messages", str(messages), "--size", str(size), "--first-user", str(user))
        must("chown", "-R", "%d:%d" % (OWNER, OWNER), box)
        for f in glob.glob(box + "/cur/*.bench"):
            os.rename(f, f + ":2,")


class Postfix(System):
    """One instance. local: domains with mailboxes; routes: lines of the transport table."""

    def __init__(self, peers, name, domain, addr, local, relay, routes):
        self.peers, self.instance, self.addr = peers, name, addr
        self.name = "Postfix"
        self.etc = os.path.join(peers.dir, "etc", name)
        self.spool = os.path.join(peers.dir, "spool", name)
        self.ports = {"smtp": 3525, "submissions": 3465}
        for d in (self.etc, self.spool, os.path.join(peers.dir, "lib", name)):
            os.makedirs(d)
        shutil.chown(os.path.join(peers.dir, "lib", name), "postfix")
        peers.write("postfix-main.cf", self.etc + "/main.cf", NAME=name, DOMAIN=domain, LOCAL=" ".join(local), RELAY=" ".join(relay))
        peers.write("postfix-master.cf", self.etc + "/master.cf", ADDR=addr, SMTP=3525, SMTPS=3465)
        for f in ("/etc/postfix/postfix-files", "/usr/share/postfix/postfix-files"):
            if os.path.exists(f) and not os.path.exists(self.etc + "/postfix-files"):
                shutil.copy(f, self.etc)
        with open(self.etc + "/dynamicmaps.cf", "w"):
            pass
        with open(self.etc + "/transport", "w") as f:
            f.write("\n".join(routes) + "\n")
        with open(self.etc + "/vmailbox", "w") as f:
            for d in local:
                for i in range(USERS):
                    f.write("user%d@%s %s/user%d/\n" % (i, d, d.split(".")[0], i))
        for m in ("transport", "vmailbox"):
            must("postmap", "-c", self.etc, "hash:%s/%s" % (self.etc, m))
        self.environment = must("postconf", "-d", "-h", "import_environment").strip()

    def host(self, service):
        return "%s:%d" % (self.addr, self.ports[service])

    def roots(self):
        return [int(measure.read(self.spool + "/pid/master.pid"))]

    def start(self):
        slow = " LD_PRELOAD=" + self.peers.b.slow_library if self.peers.b.slow else ""
        must("postconf", "-c", self.etc, "import_environment = " + self.environment + slow)
        self.running = True
        must("postfix", "-c", self.etc, "start")
        measure.wait_until("Postfix to listen", lambda: listening(self.addr, 3525))

    def ask_to_stop(self):
        os.kill(self.roots()[0], 15)

    def active(self):
        return any(files for q in ("maildrop", "incoming", "active") for _, _, files in os.walk(os.path.join(self.spool, q)))

    def settle(self):
        measure.wait_until("Postfix's queue to be empty", lambda: not self.active(), 60)
        time.sleep(0.2)

    def forget(self):
        for q in ("maildrop", "incoming", "active", "deferred", "defer"):
            for d, _, files in os.walk(os.path.join(self.spool, q)):
                for f in files:
                    os.unlink(os.path.join(d, f))

    def deferred(self):
        return sum(len(files) for _, _, files in os.walk(self.spool + "/deferred"))

    def queue_list(self):
        return must("postqueue", "-c", self.etc, "-p")


class Dovecot(System):
    def __init__(self, peers, addr):
        self.peers, self.addr, self.name = peers, addr, "Dovecot"
        self.conf = peers.dir + "/etc/dovecot/dovecot.conf"
        self.ports = {"imap": 3143, "imaps": 3193, "pop3": 3110, "pop3s": 3195}
        with open(peers.dir + "/etc/dovecot/users", "w") as f:
            for i in range(USERS):
                f.write("user%d:{PLAIN}%s::::::\n" % (i, PASSWORD))
        # Dovecot's documentation asks for it when many clients sit in IDLE.
        self.inotify = int(measure.read(INOTIFY))

    def host(self, service):
        return "%s:%d" % (self.addr, self.ports[service])

    def roots(self):
        return [int(measure.read(self.peers.dir + "/run/dovecot/master.pid"))]

    def start(self):
        slow = "import_environment = $import_environment LD_PRELOAD=" + self.peers.b.slow_library if self.peers.b.slow else ""
        self.peers.write("dovecot.conf", self.conf, ADDR=self.addr, SLOW=slow, **{k.upper(): v for k, v in self.ports.items()})
        if self.inotify < 16384:
            with open(INOTIFY, "w") as f:
                f.write("16384")
        self.running = True
        must("dovecot", "-c", self.conf)
        measure.wait_until("Dovecot to listen", lambda: listening(self.addr, self.ports["imap"]))

    def ask_to_stop(self):
        os.kill(self.roots()[0], 15)

    def stop(self):
        super().stop()
        if int(measure.read(INOTIFY)) != self.inotify:
            with open(INOTIFY, "w") as f:
                f.write(str(self.inotify))

    def forget_index(self, user):
        for f in glob.glob("%s/mail/daum/user%d/dovecot*" % (self.peers.dir, user)):
            os.unlink(f)
