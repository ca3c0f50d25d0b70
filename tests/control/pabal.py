#!/usr/bin/env python3
"""Every command of pabal against a running system: what it says, its JSON and its exit status."""
import imaplib
import json
import os
import pty
import re
import select
import subprocess
import sys
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", os.getcwd()), "tests/e2e"))
import harness as h
from harness import ok, same

PABAL = os.path.join(h.BUILD, "control/pabal")


def on_terminal(s, args, answers):
    """Runs pabal on a terminal of its own and answers each prompt: exit status and what was seen."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(PABAL, [PABAL, "-c", s.conf] + args, s.env)
    seen, left = b"", list(answers)
    while select.select([fd], [], [], h.DEADLINE)[0]:
        try:
            got = os.read(fd, 4096)
        except OSError:
            break
        if not got:
            break
        seen += got
        if left and seen.rstrip(b" ").endswith(b":"):
            os.write(fd, left.pop(0).encode())
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def login(s, user, password):
    try:
        s.imap(user, password).logout()
        return True
    except Exception as e:
        if "AUTHENTICATIONFAILED" not in str(e) and "denied" not in str(e).lower() and "wrong" not in str(e).lower():
            print("# login: %r" % e)
        return False


def j(s, *args, **kw):
    return json.loads(s.pabal("--json", *args, **kw).stdout)


def autoconfig(s):
    p = s.pabal("autoconfig", "daum.test", check=False)
    same(p.returncode, 1, "without submission there are no client settings")
    other = s.conf + ".ports"
    with open(other, "w") as f:
        f.write(open(s.conf).read() + "listen = imaps %s:993\nlisten = submission %s:587\nlisten = submissions %s:465\n" % ((s.addr,) * 3))
    p = subprocess.run([PABAL, "-c", other, "autoconfig", "daum.test"], capture_output=True, text=True)
    x = xml.etree.ElementTree.fromstring(p.stdout)
    same([(e.get("type"), e.find("port").text, e.find("socketType").text) for e in x.iter() if e.tag.endswith("Server")],
         [("imap", "993", "SSL"), ("imap", str(h.IMAP), "STARTTLS"), ("pop3", str(h.POP3), "STARTTLS"), ("smtp", "465", "SSL"),
          ("smtp", "587", "STARTTLS")], "the settings of mail clients, TLS first")
    p = subprocess.run([PABAL, "-c", other, "--json", "autoconfig", "daum.test"], capture_output=True, text=True)
    same(json.loads(p.stdout)["servers"][0], {"type": "imap", "host": "mx.daum.test", "port": 993, "security": "tls"}, "and as JSON")
    same(s.pabal("autoconfig", "a<b", check=False).returncode, 1, "what is no domain is refused")


def accounts(s):
    s.pabal("domain", "add", "naver.test")
    same([d["domain"] for d in j(s, "domain", "list")], ["daum.test", "naver.test"], "domains are listed")
    same(j(s, "user", "add", "--password-file=-", "Kim@naver.test", input="pw one\n")["name"], "Kim@naver.test", "a user by JSON")
    same([u["user"] for u in j(s, "user", "list", "naver.test")], ["kim@naver.test"], "users of a domain")
    for target in ("kim@naver.test", "Out@far.test"):
        s.pabal("alias", "add", "all@naver.test", target)
    same([a["target"] for a in j(s, "alias", "list")], ["Out@far.test", "kim@naver.test"], "targets of an alias")
    s.pabal("alias", "delete", "all@naver.test", "Out@far.test")
    same(len(j(s, "alias", "list", "naver.test")), 1, "one target is taken away")
    ok(re.search(r"^kim@naver\.test +\d+ +2\d\d\d-", s.pabal("user", "list").stdout, re.M), "a list as text")
    for i in range(3):
        s.pabal("user", "add", "--password-file=-", "n%d@naver.test" % i, input="x\n")
    numbers = [u["account"] for u in j(s, "user", "list")]
    s.pabal("user", "delete", "n2@naver.test")
    again = j(s, "user", "add", "--password-file=-", "n2@naver.test", input="x\n")["account"]
    ok(again > max(numbers), "no account number is used twice", (again, numbers))


def passwords(s):
    path = os.path.join(s.dir, "password")
    with open(path, "w") as f:
        f.write("from a file\nsecond line\n")
    s.pabal("user", "password", "--password-file", path, "def@daum.test")
    ok(login(s, "def", "from a file"), "a password from a file")
    code, seen = on_terminal(s, ["user", "password", "def@daum.test"], ["typed in\n", "typed in\n"])
    same(code, 0, "a password typed in")
    ok("typed in" not in seen, "is not shown", seen)
    ok(login(s, "def", "typed in"), "and holds")
    ok(not login(s, "def", "from a file"), "the old one does not")
    code, seen = on_terminal(s, ["user", "password", "def@daum.test"], ["one\n", "other\n"])
    ok(code == 1 and "differ" in seen, "two that differ change nothing", seen)
    code, seen = on_terminal(s, ["user", "password", "def@daum.test"], ["half\x03\n"])
    ok(code == 1 and "nothing was changed" in seen, "Ctrl-C changes nothing", seen)
    ok(login(s, "def", "typed in"), "the password is the same")
    p = s.pabal("user", "password", "--password=x", "def@daum.test", check=False)
    same(p.returncode, 2, "no password on the command line")
    ps = subprocess.run([PABAL, "-c", s.conf, "user", "password", "def@daum.test"], stdin=subprocess.DEVNULL, env=s.env,
                        capture_output=True, text=True, timeout=h.DEADLINE, start_new_session=True)
    ok(ps.returncode == 1 and "--password-file" in ps.stderr, "without a terminal it says how", ps.stderr)


def logins(s):
    here = "127.0.0.1"
    u = j(s, "user", "show", "def@daum.test")
    same((u["user"], u["hash"], u["scram"], u["app_passwords"]), ("def@daum.test", "yescrypt", True, []), "a user is shown")
    ok("SCRAM-SHA-256" in s.pabal("user", "show", "def@daum.test").stdout, "as text, too")
    same(s.pabal("user", "show", "nobody@daum.test", check=False).returncode, 1, "one that is not there")
    a = j(s, "app-password", "add", "--label", "the phone", "--service=imap", "def@daum.test")
    ok(re.fullmatch(r"([a-km-np-z2-9]{4}-){5}[a-km-np-z2-9]{4}", a["password"]), "an app password", a)
    ok(login(s, "def", a["password"]) and login(s, "def", a["password"].upper().replace("-", " ")), "is good for a login")
    b = s.pabal("app-password", "add", "--service", "smtp,pop3", "def@daum.test").stdout.split("\n")
    ok("not shown again" in b[1], "as text", b)
    ok(not login(s, "def", b[0]), "not of another service")
    listed = j(s, "app-password", "list", "def@daum.test")
    same([(x["id"], x["label"], x["services"]) for x in listed], [(1, "the phone", ["imap"]), (2, "", ["smtp", "pop3"])], "they are listed")
    ok(listed[0]["used_from"] == here and listed[1]["used"] is None, "with the last use", listed)
    ok("the phone" in s.pabal("app-password", "list", "def@daum.test").stdout, "as text")
    s.pabal("app-password", "delete", "def@daum.test", "1")
    ok(not login(s, "def", a["password"]), "and deleted")
    for wrong in (["delete", "def@daum.test", "1"], ["delete", "def@daum.test", "x"], ["list", "nobody@daum.test"]):
        same(s.pabal("app-password", *wrong, check=False).returncode, 1, "app-password %s" % " ".join(wrong))
    same(s.pabal("app-password", "add", "--service=http", "def@daum.test", check=False).returncode, 2, "a service that is none")
    # Hashes from elsewhere.
    good = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
    s.pabal("user", "add", "--hash", "--password-file=-", "moved@daum.test", input=good + "\n")
    ok(login(s, "moved", "Hello world!"), "a hash from elsewhere")
    same(j(s, "user", "show", "moved@daum.test")["hash"], "yescrypt", "becomes one of today's")
    p = s.pabal("user", "passwd", "--hash", "--password-file=-", "moved@daum.test", input="$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/\n", check=False)
    ok(p.returncode == 1 and "guessed too easily" in p.stderr, "a weak one is refused", p.stderr)
    # What failed.
    failed = {x["of"]: x["failures"] for x in j(s, "login-failures")}
    ok(failed.get(here, 0) >= 2, "failed logins are counted", failed)
    ok("address" in s.pabal("login-failures", "list").stdout, "as text")
    s.pabal("login-failures", "clear", here)
    ok(here not in {x["of"] for x in j(s, "login-failures", "list")}, "and forgiven")
    same(s.pabal("login-failures", "clear", here, check=False).returncode, 1, "once")


def by_token(s, user, token):
    """A login with XOAUTH2: what the server said last."""
    c = imaplib.IMAP4(s.addr, h.IMAP, timeout=h.DEADLINE)
    try:
        typ, data = c.authenticate("XOAUTH2", lambda _: ("user=%s\x01auth=Bearer %s\x01\x01" % (user, token)).encode())
        c.logout()
        return typ
    except imaplib.IMAP4.error as e:
        return str(e)


def validator(s):
    program = os.path.join(s.dir, "validator")
    seen = os.path.join(s.dir, "seen")
    with open(program, "w") as f:
        f.write("""#!/bin/sh
read -r token
env | sort > '%s'
echo "args $*" >> '%s'
case $token in
good) echo def@daum.test;;
temporary) exit 75;;
*) exit 1;;
esac
""" % (seen, seen))
    os.chmod(program, 0o755)
    ok("UNAVAILABLE" in by_token(s, "def@daum.test", "good"), "without a validator a client is told to come again")
    v = subprocess.Popen([PABAL, "-c", s.conf, "oauth-validator", "--", program, "-x", "a b"], env=s.env, stderr=subprocess.PIPE, text=True)
    h.wait_for("the validator", lambda: "the validator of OAuth tokens is connected" in s.log_text())
    p = s.pabal("oauth-validator", "/bin/false", check=False)
    ok(p.returncode == 1 and "Another validator" in p.stderr, "there is one validator", p.stderr)
    same(by_token(s, "def@daum.test", "good"), "OK", "a token is judged")
    lines = open(seen).read().split("\n")
    ok("USER=def@daum.test" in lines and "SERVICE=imap" in lines and "ADDR=127.0.0.1" in lines and "args -x a b" in lines,
       "by the program, that is told whose and where", lines)
    ok(not any(x.startswith("HOME=") for x in lines) and "good" not in "\n".join(lines), "and nothing more", lines)
    ok("AUTHENTICATIONFAILED" in by_token(s, "def@daum.test", "bad"), "one that is refused")
    ok("AUTHENTICATIONFAILED" in by_token(s, "kim@naver.test", "good"), "one of somebody else")
    ok("UNAVAILABLE" in by_token(s, "def@daum.test", "temporary"), "one that cannot be judged now")
    ok("good" not in re.findall(r"login user=.*how=bearer.*", s.log_text())[0], "no token is in the log")
    # accountd is started anew: the validator finds it.
    pid = [p["pid"] for p in j(s, "status", "-v")["processes"] if p["name"] == "accountd"][0]
    os.kill(pid, 9)
    h.wait_for("the validator again", lambda: s.log_text().count("the validator of OAuth tokens is connected") == 2)
    h.wait_for("a login", lambda: by_token(s, "def@daum.test", "good") == "OK")
    ok(True, "it connects again when accountd was killed")
    v.terminate()
    same(v.wait(h.DEADLINE), 0, "it ends when it is told to")
    h.wait_for("its end", lambda: "the validator of OAuth tokens is gone" in s.log_text())


def queue(s):
    # daum.test's mail for gone.test waits: nobody listens there.
    for i in range(3):
        s.send("def@daum.test", ["a%d@gone.test" % i], h.letter("def@daum.test", "a%d@gone.test" % i))
    h.wait_for("three deferred messages", lambda: sum(r["attempts"] > 0 for m in j(s, "queue", "list") for r in m["recipients"]) == 3)
    ids = [m["id"] for m in j(s, "queue", "list")]
    out = s.pabal("queue", "list").stdout
    ok(re.search(r"^%s .*<def@daum\.test>\n    a0@gone\.test  try \d+ (now|in \d+s): 4\.\d+\.\d+ " % ids[0], out, re.M), "the queue as text", out)
    ok(out.endswith("3 messages\n"), "with the count", out)
    same([m["id"] for m in j(s, "queue", "list", "A1@gone")], [ids[1]], "a part of an address finds it")
    ok("a2@gone.test" in s.pabal("queue", "show", ids[2].lower()).stdout, "one message, its id in any case")
    same(j(s, "queue", "hold", ids[0])["messages"], 1, "hold one")
    ok(j(s, "queue", "show", ids[0])["held"], "it is held")
    same(j(s, "queue", "release", "--all")["messages"] >= 1, True, "release all")
    ok(not j(s, "queue", "show", ids[0])["held"], "it is not held")
    same(j(s, "queue", "delete", "a0@gone.test")["messages"], 1, "delete one")
    same(s.pabal("queue", "show", ids[0], check=False).returncode, 1, "it is gone")
    same(s.pabal("queue", "delete", "nobody@gone.test", check=False).returncode, 1, "nothing to delete is status 1")
    same(s.pabal("queue", "delete", check=False).returncode, 2, "not saying which is status 2")
    before = j(s, "queue", "show", ids[1])["recipients"][0]["attempts"]
    s.pabal("queue", "flush")
    h.wait_for("another try", lambda: j(s, "queue", "show", ids[1])["recipients"][0]["attempts"] > before)
    ok(True, "flush makes it try now")
    trace = j(s, "trace", ids[1])
    ok(len(trace) >= 2 and all(t["time_us"] > 0 for t in trace), "a trace", trace)
    ok(isinstance(j(s, "queue", "destinations"), list), "destinations")
    same(j(s, "queue", "delete", "--all")["messages"], 2, "delete all")
    same(s.pabal("queue", "list").stdout, "The queue is empty.\n", "the queue is empty")


def system(s):
    st = j(s, "status", "-v")
    same((st["state"], st["hostname"]), ("running", "mx.daum.test"), "status")
    same({p["name"] for p in st["processes"]}, set(h.PROGRAMS), "with every process")
    ok(st["spool"]["flushes"] > 0, "and the numbers of the spool", st["spool"])
    same(s.pabal("status").returncode, 0, "status as text")
    same(s.pabal("spool", "purge", "x", check=False).returncode, 1, "purge wants a number")
    same(s.pabal("spool", "purge", "999").returncode, 0, "purge")
    same(s.pabal("check").stdout, "%s is good.\n" % s.conf, "check")
    ok("\nhop_limit = 50\n" in s.pabal("check", "-v").stdout, "check -v tells the defaults")
    bad = os.path.join(s.dir, "bad.conf")
    with open(s.conf) as f, open(bad, "w") as g:
        g.write(f.read() + "nonsense = 1\nhop_limit = 3\nspool_dir = /dev/null/x\n")
    p = subprocess.run([PABAL, "-c", bad, "--json", "check"], env=s.env, capture_output=True, text=True, timeout=h.DEADLINE)
    same((p.returncode, len(json.loads(p.stdout)["errors"]) >= 2), (2, True), "check reports every error")
    for lines, wrong in (("tls_client_ca = /nonexistent/ca\n", ["tls_client_ca /nonexistent/ca: No such file or directory"]),
                         ("tls_client_ca = %s\n" % bad, ["tls_client_ca %s: there is no certificate in PEM in it" % bad]),
                         ("tls_ca_file = /nonexistent/ca\n", []),
                         ("tls_ca_file = /nonexistent/ca\ntls_policy = far.test verify\n", ["tls_ca_file /nonexistent/ca: No such file or directory"])):
        with open(s.conf) as f, open(bad, "w") as g:
            g.write(f.read() + lines)
        p = subprocess.run([PABAL, "-c", bad, "--json", "check"], env=s.env, capture_output=True, text=True, timeout=h.DEADLINE)
        same((p.returncode, json.loads(p.stdout)["errors"]), (2 if wrong else 0, wrong), "check looks into files of authorities")
    same(s.pabal("reload").returncode, 0, "reload")
    ok("already" in s.pabal("start", check=False).stderr, "it does not start twice")
    same(s.pabal("stop").stdout, "Pabal has stopped.\n", "stop")
    p = s.pabal("stop", check=False)
    ok(p.returncode == 1 and "not running" in p.stderr, "it does not stop twice", p.stderr)
    same(s.pabal("start").returncode, 0, "start")
    same(j(s, "status")["state"], "running", "it runs")
    ok(login(s, "def", "typed in"), "with its users")
    same(s.pabal("stop").returncode, 0, "stop again")


def test():
    s = h.System("daum", "daum.test", h.address(0), "login_failures = 100\noauth_login = yes\n", [
        "gone.test. 60 IN MX 10 mx.gone.test.", "mx.gone.test. 60 IN A " + h.address(2)]).start().setup("def")
    accounts(s)
    autoconfig(s)
    passwords(s)
    logins(s)
    validator(s)
    queue(s)
    system(s)


h.run(test)
