"""What goes wrong for a user gives one clear sentence and a status that is not 0."""
import os
import subprocess
import harness as h
from harness import ok, same


def master(s, *args):
    p = subprocess.run([os.path.join(h.BUILD, "master/pabal-master"), "-F", "-c", s.conf] + list(args), env=s.env,
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=h.DEADLINE)
    return p.returncode, p.stdout + p.stderr + s.log_text()


def fails(name, rc_text, *words):
    rc, text = rc_text
    ok(rc != 0 and all(w in text for w in words), name, "status %d\n%s" % (rc, text))


def test():
    s = h.System("ok", "daum.test", h.address(0)).start().setup("def")
    other = h.System("taken", "daum.test", h.address(0))
    fails("port taken: service and address are named", master(other), "smtp", h.address(0))
    fails("a second start: it is said that one runs already", master(s), str(s.proc.pid))
    for what, conf, words in (
            ("unknown option: file, line and the nearest name", "smtpd_worker = 2\n", ["pabal.conf:", "smtpd_workers"]),
            ("wrong values: every one is reported", "smtpd_workers = 0\nlog_level = loud\nqueue_lifetime = never\n",
             ["smtpd_workers", "log_level", "queue_lifetime"]),
            ("wrong address", "listen = smtp 300.1.1.1:25\n", ["pabal.conf:", "listen"])):
        bad = h.System("bad", "daum.test", h.address(2), conf)
        fails(what, master(bad), *words)
        p = bad.pabal("check", check=False)
        fails(what + " (pabal check)", (p.returncode, p.stdout + p.stderr), *words)
    missing = h.System("missing", "daum.test", h.address(3))
    os.unlink(missing.conf)
    fails("no configuration", master(missing), missing.conf)
    blocked = h.System("blocked", "daum.test", h.address(3), spool_dir="/proc/pabal-spool")
    fails("spool not writable: the directory is named", master(blocked), "/proc/pabal-spool")
    if h.ROOT:
        foreign = h.System("foreign", "daum.test", h.address(3))
        os.mkdir(foreign.spool)
        os.chown(foreign.spool, 12345, 12345)
        os.chmod(foreign.spool, 0o777)
        fails("spool of another owner: the directory is named", master(foreign), foreign.spool)
        users = h.System("users", "daum.test", h.address(3), uid_base=0)
        fails("missing system users: it is said how to make them", master(users), "create-users")
    for what, args, words in (
            ("user in an unknown domain", ["user", "add", "--password-file=-", "x@nowhere.test"], ["nowhere.test"]),
            ("user that exists", ["user", "add", "--password-file=-", "def@daum.test"], ["def@daum.test"]),
            ("user that does not exist", ["user", "delete", "nobody@daum.test"], ["nobody@daum.test"]),
            ("domain that is not empty", ["domain", "delete", "daum.test"], ["daum.test"]),
            ("message that does not exist", ["queue", "show", "BBBBBBBBBBB"], ["BBBBBBBBBBB"]),
            ("not an id", ["trace", "!!"], ["!!"]),
            ("unknown command", ["frobnicate"], ["frobnicate"])):
        p = s.pabal(*args, input="secret\n", check=False)
        fails("pabal: " + what, (p.returncode, p.stdout + p.stderr), *words)
    same(s.stop(), 0, "the good one stops in order")
    p = s.pabal("status", check=False)
    fails("pabal status without a system", (p.returncode, p.stdout + p.stderr), "not running")


h.run(test)
