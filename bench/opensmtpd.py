"""OpenSMTPD, whose package conflicts with Postfix's: unpacked into the cache, run in a mount namespace of its own."""
import glob
import os
import shutil
import subprocess
import time

import measure
from peers import OWNER, must
from systems import USERS, System, listening

CONF = """listen on %(addr)s port 3625
table users file:%(dir)s/users
table boxes file:%(dir)s/boxes
action "local" maildir "%(mail)s/%%{rcpt.user}" virtual <boxes> userbase <users>
match from any for domain "daum.test" action "local"
"""
# Its paths are compiled in; the namespace has a root in which folders of ours lie there, and is gone with the last process.
# Nothing may be seen outside: the mount of the ground is ours and made private first, which "/" of a chroot cannot be.
START = """set -e
mount --make-private %(ground)s 2>/dev/null || mount --make-rprivate /
mount --rbind / %(root)s
mount --make-rprivate %(root)s
mount --bind %(dir)s/spool %(root)s/var/spool
mount --bind %(dir)s/lib %(root)s/var/lib
mount --bind %(dir)s/run %(root)s/run
mount --bind %(x)s/usr/libexec %(root)s/usr/libexec
mount --bind %(dir)s/passwd %(root)s/etc/passwd
mount --bind %(dir)s/group %(root)s/etc/group
exec chroot %(root)s %(preload)s %(x)s/usr/sbin/smtpd -d -f %(dir)s/smtpd.conf
"""


class OpenSMTPD(System):
    def __init__(self, peers, addr):
        self.peers, self.addr, self.name = peers, addr, "OpenSMTPD"
        self.dir = os.path.join(peers.dir, "opensmtpd")
        self.mail = os.path.join(peers.dir, "mail/open")
        self.x = self.unpack(os.path.join(peers.b.cache, "opensmtpd"))
        for d in ("spool/smtpd", "lib/opensmtpd/empty", "run", "root"):
            os.makedirs(os.path.join(self.dir, d))
        os.makedirs(self.mail)
        os.chown(self.mail, OWNER, OWNER)
        self.accounts()
        self.write("smtpd.conf", CONF % {"addr": addr, "dir": self.dir, "mail": self.mail})
        os.chmod(self.dir + "/spool/smtpd", 0o711)
        self.proc = None

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def unpack(self, cache):
        x = os.path.join(cache, "root")
        if not os.path.exists(x + "/usr/sbin/smtpd"):
            shutil.rmtree(cache, ignore_errors=True)
            os.makedirs(cache)
            if subprocess.run(["apt-get", "download", "-q", "opensmtpd"], cwd=cache, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
                raise measure.Failed("the package could not be had")
            must("dpkg", "-x", glob.glob(cache + "/opensmtpd_*.deb")[0], x)
        self.version = os.path.basename(glob.glob(cache + "/opensmtpd_*.deb")[0]).split("_")[1]
        missing = [line.split()[0] for line in must("ldd", x + "/usr/sbin/smtpd").splitlines() if "not found" in line]
        if missing:
            raise measure.Failed("libraries are missing: " + " ".join(missing))
        return x

    def accounts(self):
        """Users of its own, known in its namespace alone."""
        home = "/nonexistent:/usr/sbin/nologin"
        passwd = "opensmtpd:x:5001:5001::%s\nopensmtpq:x:5002:5002::%s\nbenchmail:x:%d:%d::%s\n" % (home, home, OWNER, OWNER, home)
        self.write("passwd", measure.read("/etc/passwd") + passwd)
        self.write("group", measure.read("/etc/group") + "opensmtpd:x:5001:\nopensmtpq:x:5002:\nbenchmail:x:%d:\n" % OWNER)
        self.write("users", "benchmail %d:%d:%s\n" % (OWNER, OWNER, self.mail))
        self.write("boxes", "".join("user%d@daum.test benchmail\n" % i for i in range(USERS)))

    def host(self, _service):
        return self.addr + ":3625"

    def roots(self):
        return [self.proc.pid]

    def start(self):
        preload = "env LD_PRELOAD=" + self.peers.b.slow_library if self.peers.b.slow else ""
        script = START % {"dir": self.dir, "x": self.x, "preload": preload, "root": self.dir + "/root", "ground": self.peers.b.ground.path}
        with open(self.peers.dir + "/log/opensmtpd.log", "a") as log:
            self.proc = subprocess.Popen(["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running = True
        end = time.monotonic() + 10
        while not listening(self.addr, 3625):
            if self.proc.poll() is not None or time.monotonic() > end:
                raise measure.Failed("it does not start: " + measure.read(self.peers.dir + "/log/opensmtpd.log").strip()[-300:])
            time.sleep(0.1)

    def ask_to_stop(self):
        self.proc.terminate()
        try:
            self.proc.wait(20)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()

    def forget(self):
        for q in ("queue", "incoming", "temporary"):
            for d in glob.glob("%s/spool/smtpd/%s/*" % (self.dir, q)):
                shutil.rmtree(d)

    def drain(self):
        return {"drain_dir": [self.mail + "/*/new"]}

