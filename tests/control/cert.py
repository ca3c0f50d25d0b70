"""pabal cert against a running system, and contrib/acme-hook with what certbot, lego and dehydrated leave behind."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", os.getcwd()), "tests/e2e"))
import harness as h
from harness import ok, same

PABAL = os.path.join(h.BUILD, "control/pabal")
HOOK = os.path.join(h.BUILD, "contrib/acme-hook")


def certs(s):
    return {c["name"]: c for c in json.loads(s.pabal("--json", "cert", "list", check=False).stdout)}


def still(s):
    """What does not change while time passes."""
    return {n: {k: v for k, v in c.items() if k not in ("days", "attention")} for n, c in certs(s).items()}


def refused(s, what, *args, says=""):
    before = still(s)
    p = s.pabal("cert", *args, check=False)
    ok(p.returncode == 1 and says in p.stderr and p.stderr.count("\n") == 1, what, p)
    same(still(s), before, "nothing was changed by it")


def first(s):
    c = certs(s)
    same(list(c), ["self-signed"], "there is a certificate from the first minute")
    c = c["self-signed"]
    ok(c["hosts"] == ["mx.daum.test"] and c["self_signed"] and c["in_use"] and c["default"] and c["days"] > 3000, "for this host", c)
    p = s.pabal("cert", "list")
    ok(re.search(r"^self-signed  mx\.daum\.test  ECDSA P-256  itself .* in use, default$", p.stdout, re.M), "as a table", p.stdout)
    same((s.pabal("cert", "check").stdout, s.pabal("cert", "check").returncode), ("", 0), "check has nothing to say")


def install(s, ca):
    crt, key = ca.issue("mx.daum.test", "mail.daum.test", days=90)
    same(s.pabal("cert", "install", crt, key).stdout, "mx.daum.test is installed.\n", "install names it after its first host")
    c = certs(s)
    ok(c["mx.daum.test"]["in_use"] and c["mx.daum.test"]["default"] and not c["self-signed"]["in_use"], "it serves instead", c)
    same(c["mx.daum.test"]["issuer"], "Test authority", "its issuer")
    same(s.pabal("cert", "export", "mx.daum.test").stdout, open(crt).read(), "export gives the chain back")
    st = os.stat(os.path.join(s.dir, "keys/mx.daum.test.pem"))
    same(st.st_mode & 0o777, 0o600, "the file is for keyd alone")
    other, other_key = ca.issue("other.daum.test", name="other")
    refused(s, "a key of another certificate", "install", crt, other_key, says="does not belong to the first certificate")
    refused(s, "a key in the place of the chain", "install", key, key, says="no certificate in PEM")
    refused(s, "no such file", "install", crt, "/nonexistent/key", says="cannot be opened")
    refused(s, "a directory", "install", crt, s.dir, says="is not a regular file")
    refused(s, "a bad name", "install", "../x", other, other_key, says="cannot be its name")
    refused(s, "keyd's own name", "install", "self-signed", other, other_key, says="is the name of what keyd makes")
    refused(s, "a certificate that is not there", "delete", "nix", says="no certificate nix")
    refused(s, "and its export", "export", "nix", says="no certificate nix")
    pid = s.pids("keyd")
    soon, soon_key = ca.issue("mx.daum.test", name="soon", days=3, key="rsa")
    same(s.pabal("cert", "install", "soon", soon, soon_key).returncode, 0, "a second one of another type, with a name")
    p = s.pabal("cert", "check", check=False)
    ok(p.returncode == 1 and p.stderr.startswith("pabal: certificate soon: ends in ") and p.stdout == "", "check warns of its end", p)
    p = s.pabal("cert", "list", check=False)
    ok(p.returncode == 1 and re.search(r"^soon .* RSA 2048 .* [23]  in use, default: ends in [23] days$", p.stdout, re.M), "and so does list", p.stdout)
    h.wait_for("the log's warning", lambda: s.pabal("reload") and re.search("name=soon ends in [23] days: renew it", s.log_text()))
    same(s.pabal("cert", "delete", "soon").stdout, "soon is deleted.\n", "delete")
    same(s.pabal("cert", "check").returncode, 0, "then all is well")
    same(s.pids("keyd"), pid, "keyd lived through it")


def self_sign(s):
    same(s.pabal("cert", "self-sign", "--type", "rsa", "--days=400", "--name", "mine", "Two.daum.test", "*.two.daum.test").returncode, 0, "self-sign")
    c = certs(s)["mine"]
    ok(c["hosts"] == ["*.two.daum.test", "two.daum.test"] and c["type"] == "RSA 2048" and 398 <= c["days"] <= 400 and c["self_signed"], "as it was told", c)
    refused(s, "no host name", "self-sign", "a b", says="is no host name")
    refused(s, "no type of key", "self-sign", "--type=dsa", "a.test", says="is ecdsa, rsa or ed25519")
    same(s.pabal("cert", "self-sign", "--days", "0", "a.test", check=False).returncode, 2, "no days")
    same(s.pabal("cert", "self-sign", check=False).returncode, 2, "no host")
    s.pabal("cert", "delete", "mine")


def by_hand(s, ca):
    """Files put into key_dir are taken up by themselves; half of one changes nothing."""
    keys = os.path.join(s.dir, "keys")
    uid = os.stat(keys).st_uid

    def put(path, name):
        tmp = os.path.join(keys, "t")
        shutil.copy(path, tmp)
        os.chmod(tmp, 0o640)
        if h.ROOT:
            os.chown(tmp, uid, uid)
        os.rename(tmp, os.path.join(keys, name))

    crt, key = ca.issue("hand.daum.test", days=30, name="hand")
    put(key, "hand.key")
    put(crt, "hand.crt")
    h.wait_for("the pair to be in use", lambda: certs(s).get("hand", {}).get("in_use"))
    same(os.stat(os.path.join(keys, "hand.key")).st_mode & 0o777, 0o600, "its key was closed to others")
    first_print = certs(s)["hand"]["fingerprint"]
    new, new_key = ca.issue("hand.daum.test", days=60, name="hand2")
    put(new, "hand.crt")
    h.wait_for("the error to be told", lambda: "still in use, because" in (certs(s)["hand"]["error"] or ""))
    same((certs(s)["hand"]["in_use"], certs(s)["hand"]["fingerprint"]), (True, first_print), "the old pair serves on")
    put(new_key, "hand.key")
    h.wait_for("the new pair", lambda: certs(s)["hand"]["fingerprint"] != first_print)
    same(certs(s)["hand"]["error"], None, "both new: no error")
    for f in ("hand.crt", "hand.key"):
        os.unlink(os.path.join(keys, f))
    h.wait_for("it to be gone", lambda: "hand" not in certs(s))


def hook(s, ca):
    """The three clients' directories as they leave them."""
    wrapper = os.path.join(s.dir, "pabal-wrapper")
    with open(wrapper, "w") as f:
        f.write('#!/bin/sh\nexec "%s" -c "%s" "$@"\n' % (PABAL, s.conf))
    os.chmod(wrapper, 0o755)

    def run(*args, **env):
        return subprocess.run(["sh", HOOK] + list(args), env=dict({"PATH": os.environ["PATH"], "PABAL": wrapper}, **env),
                              capture_output=True, text=True, timeout=h.DEADLINE)

    top = h.tempdir()

    def copy(pair, *where):
        for src, dst in zip(pair, where):
            os.makedirs(os.path.dirname(os.path.join(top, dst)), exist_ok=True)
            shutil.copy(src, os.path.join(top, dst))

    # certbot: live/NAME with links to archive/NAME
    live = os.path.join(top, "letsencrypt/live/bot.daum.test")
    os.makedirs(live)
    for n in (1, 2):
        copy(ca.issue("bot.daum.test", days=80 + n, name="bot%d" % n), "letsencrypt/archive/bot.daum.test/fullchain%d.pem" % n,
             "letsencrypt/archive/bot.daum.test/privkey%d.pem" % n)
        for f in ("fullchain", "privkey"):
            link = os.path.join(live, f + ".pem")
            if os.path.lexists(link):
                os.unlink(link)
            os.symlink("../../archive/bot.daum.test/%s%d.pem" % (f, n), link)
        p = run(RENEWED_LINEAGE=live, RENEWED_DOMAINS="bot.daum.test")
        ok(p.returncode == 0 and p.stdout == "bot.daum.test is installed.\n", "certbot, time %d" % n, p)
    ok(certs(s)["bot.daum.test"]["days"] >= 81, "the renewed one is in its place")
    copy(ca.issue("*.lego.test", days=80, name="lego"), "lego/_.lego.test.crt", "lego/_.lego.test.key")
    paths = [os.path.join(top, "lego/_.lego.test." + x) for x in ("crt", "key")]
    p = run(LEGO_CERT_DOMAIN="*.lego.test", LEGO_CERT_PATH=paths[0], LEGO_CERT_KEY_PATH=paths[1], LEGO_ACCOUNT_EMAIL="a@b")
    ok(p.returncode == 0 and p.stdout == "wildcard.lego.test is installed.\n", "lego, with a wildcard", p)
    p = run(LEGO_HOOK_CERT_NAME="_.lego.test", LEGO_HOOK_CERT_PATH=paths[0], LEGO_HOOK_CERT_KEY_PATH=paths[1])
    ok(p.returncode == 0 and p.stdout == "wildcard.lego.test is installed.\n", "lego 5", p)
    copy(ca.issue("hyd.test", days=80, name="hyd", key="rsa"), "hyd/fullchain.pem", "hyd/privkey.pem")
    d = os.path.join(top, "hyd/")
    p = run("deploy_cert", "hyd.test", d + "privkey.pem", d + "cert.pem", d + "fullchain.pem", d + "chain.pem", str(int(time.time())))
    ok(p.returncode == 0 and p.stdout == "hyd.test is installed.\n", "dehydrated", p)
    for event in (["startup_hook"], ["deploy_challenge", "hyd.test", "x", "y"], ["unchanged_cert", "hyd.test", "k", "c", "f", "n"], ["exit_hook"],
                  ["this_hookscript_is_broken__dehydrated_is_working_fine__please_ignore_unknown_hooks_in_your_script"]):
        p = run(*event)
        same((p.returncode, p.stdout, p.stderr), (0, "", ""), "dehydrated's %s is passed over" % event[0][:20])
    p = run(d + "fullchain.pem", d + "privkey.pem")
    ok(p.returncode == 0 and "hyd.test is installed" in p.stdout, "by hand", p)
    for what, args, env in (("no certificate", [], {}), ("no key", [], {"LEGO_CERT_PATH": paths[0]}),
                            ("a lineage that is not there", [], {"RENEWED_LINEAGE": "/nonexistent"}), ("half a call", ["deploy_cert", "x"], {}),
                            ("a wrong key", [paths[0], d + "privkey.pem"], {})):
        p = run(*args, **env)
        ok(p.returncode == 1 and p.stderr, "%s fails with a reason" % what, p)
    for name in ("bot.daum.test", "wildcard.lego.test", "hyd.test"):
        ok(certs(s)[name]["in_use"], "%s is in use" % name)


def hostname(s):
    """keyd's own certificate follows the host's name while it is the only one."""
    for name in certs(s):
        s.pabal("cert", "delete", name)
    same(certs(s)["self-signed"]["hosts"], ["mx.daum.test"], "without any other it makes its own again")
    with open(s.conf) as f:
        conf = f.read()
    with open(s.conf, "w") as f:
        f.write(conf.replace("hostname = mx.daum.test", "hostname = mail2.daum.test"))
    s.pabal("reload")
    same(certs(s)["self-signed"]["hosts"], ["mail2.daum.test"], "and anew when the host's name changes")


def test():
    s = h.System("daum", "daum.test", h.address(0)).start()
    ca = h.Authority()
    first(s)
    install(s, ca)
    self_sign(s)
    by_hand(s, ca)
    hook(s, ca)
    hostname(s)
    log = s.log_text()
    ok("PRIVATE" not in log and "BEGIN" not in log, "no key in the log")
    same(s.stop(), 0, "it stops in order")


h.run(test)
