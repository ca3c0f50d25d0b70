"""Every process is in its cell: own uid, empty root, no new privileges, a system call filter, no way to
open a file or a socket that is not its own, and no way to reach a sibling. Tried from inside each."""
import os
import re
import harness as h
from harness import ok, same

FILES = {"spoold", "accountd", "keyd"}
NET = {"deliver-remote", "dnsd"}


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test():
    os.environ["PABAL_CELL_PROBE"] = "1"
    s = h.System("cells", "daum.test", h.address(0)).start().setup("def")
    uids, roots = {}, {}
    for role in h.PROGRAMS:
        pids = s.pids(role)
        same(len(pids), 1, "%s runs once" % role)
        st = status(pids[0])
        uids[role] = tuple(st["Uid"].split())
        roots[role] = os.readlink("/proc/%d/root" % pids[0])
        same(st["NoNewPrivs"], "1", "%s: no_new_privs" % role)
        same(st["Seccomp"], "2", "%s: a system call filter is on" % role)
        same(st["CapEff"], "0" * 16, "%s: no capabilities" % role)
        same(set(st["Groups"].split()), set(), "%s: no supplementary groups" % role)
        if role not in FILES:
            same(os.listdir("/proc/%d/root/" % pids[0]), [], "%s: its root directory is empty" % role)
    same(len(set(uids.values())), len(uids), "every process has a uid of its own")
    ok(all(len(set(u)) == 1 and u[0] != "0" for u in uids.values()), "real, effective, saved and file system uid are the same", uids)
    ok(all(r != "/" for r in roots.values()), "no process sees the host's root directory", roots)
    for role in h.PROGRAMS:
        said = r" %s\[\d+\]: \w+: cell-probe: " % role
        h.wait_for("the probe of " + role, lambda p=said: re.search(p + "done", s.log_text()))
        tried = re.findall(said + r"(\w+)=(\w+) want=(\w+)", s.log_text())
        for what, got, want in tried:
            ok((got == "allowed") == (want == "allowed"), "%s: %s is %s" % (role, what, want), got)
        denied = {what for what, _, want in tried if want != "allowed"}
        ok(len(denied) >= 8, "%s: the probe tried enough" % role, tried)
        if role not in FILES:
            ok(not any(w == "allowed" and "open" in n for n, _, w in tried), "%s: no file can be opened" % role, tried)
        if role not in NET:
            ok(not any(w == "allowed" and "inet" in n for n, _, w in tried), "%s: no Internet socket" % role, tried)
    s.send("abc@daum.test", ["def@daum.test"], h.letter())
    same(len(s.wait_messages("def", 1)), 1, "and mail goes through these very processes")
    same(s.stop(), 0, "it stops in order")


with open(os.path.join(h.BUILD, "config.h")) as config:
    if "#define WITH_TEST_HOOKS" not in config.read():
        h.skip_all("the processes try their own cells only when built with --enable-test-hooks")
if not h.ROOT:
    h.skip_all("own uids need root")
h.run(test)
