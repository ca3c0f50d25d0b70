#!/usr/bin/env python3
"""dnsd in its cell against a real name server (nsd) on loopback, with a signed zone and a broken one."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", os.getcwd()), "tests/e2e"))
import harness as h
from harness import ok, same

ASK = os.path.join(h.BUILD, "tests/dnsd/ask")
PORT = 5300
OK, NXDOMAIN, NODATA, NULLMX, TEMPFAIL, BOGUS = range(6)

HEAD = """$ORIGIN %s.
$TTL 300
@ IN SOA ns.%s. root.%s. 1 3600 600 86400 60
@ IN NS ns.%s.
ns IN A 192.0.2.53
"""
ZONES = {
    "plain.test": """
@ IN MX 20 mx2
@ IN MX 10 mx1
mx1 IN A 192.0.2.1
mx1 IN AAAA 2001:db8::1
mx2 IN A 192.0.2.2
implicit IN A 192.0.2.3
null IN MX 0 .
nothing IN TXT "no mail"
dangling IN MX 10 nowhere
alias IN CNAME real
real IN MX 10 mx1
mxalias IN MX 10 cname
cname IN CNAME mx2
loop IN MX 10 mx.here.test.
local IN MX 10 lo
lo IN A 127.0.0.1
partly IN MX 10 nowhere
partly IN MX 20 mx2
far IN MX 10 mx.dead.test.
""",
    "signed.test": "@ IN MX 10 mx\nmx IN A 192.0.2.4\n",
    "broken.test": "@ IN MX 10 mx\nmx IN A 192.0.2.5\n",
}


def tool(*args, cwd):
    p = subprocess.run(args, cwd=cwd, capture_output=True, text=True, timeout=h.DEADLINE)
    if p.returncode != 0:
        raise AssertionError("%s: %s" % (args, p.stderr))
    return p.stdout.strip()


def sign(d, zone):
    """Signs the zone file; the DNSKEY to trust."""
    key = tool("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone, cwd=d)
    tool("ldns-signzone", zone, key, cwd=d)
    os.replace(os.path.join(d, zone + ".signed"), os.path.join(d, zone))
    with open(os.path.join(d, key + ".key")) as f:
        return f.read().split(";")[0].replace("\t", " ").strip()


def start_nsd(d, addr, zones):
    with open(os.path.join(d, "nsd.conf"), "w") as f:
        f.write('server:\n ip-address: %s@%d\n zonesdir: "%s"\n pidfile: ""\n database: ""\n zonelistfile: "%s/zl"\n'
                ' xfrdfile: "%s/xfrd"\n xfrdir: "%s"\n username: ""\n verbosity: 1\n server-count: 1\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\n'
                % (addr, PORT, d, d, d, d))
        for zone in zones:
            f.write('zone:\n name: "%s"\n zonefile: "%s"\n' % (zone, zone))
    nsd = shutil.which("nsd") or "/usr/sbin/nsd"
    p = subprocess.Popen([nsd, "-d", "-c", os.path.join(d, "nsd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    h._cleanups.append(lambda: (p.terminate(), p.wait()))
    said = []
    for line in p.stderr:
        said.append(line)
        if "nsd started" in line:
            return
    raise AssertionError("nsd did not start: " + "".join(said))


def ask(d, conf, *domains):
    path = os.path.join(d, "pabal.conf")
    with open(path, "w") as f:
        f.write(conf)
    p = subprocess.run([ASK, path] + list(domains), capture_output=True, text=True, timeout=h.DEADLINE)
    if p.returncode != 0:
        raise AssertionError("ask: %d\n%s\n%s" % (p.returncode, p.stdout, p.stderr))
    return [line.split("\t", 1)[1] for line in p.stdout.splitlines() if "\t" in line]


def outcome(line):
    """(status, secure, hosts)"""
    head, _, hosts = line.partition(":")
    words = head.split(" ")
    return int(words[0].split("=")[1]), int(words[1].split("=")[1]), hosts.strip()


def plain(d, stub):
    names = {
        "plain.test": (OK, "mx1.plain.test/10 2001:db8::1 192.0.2.1; mx2.plain.test/20 192.0.2.2"),
        "PLAIN.Test": (OK, "mx1.plain.test/10 2001:db8::1 192.0.2.1; mx2.plain.test/20 192.0.2.2"),
        "implicit.plain.test": (OK, "implicit.plain.test/0 192.0.2.3"),
        "null.plain.test": (NULLMX, ""), "nothing.plain.test": (NODATA, ""), "absent.plain.test": (NXDOMAIN, ""),
        "dangling.plain.test": (NODATA, ""), "alias.plain.test": (OK, "mx1.plain.test/10 2001:db8::1 192.0.2.1"),
        "mxalias.plain.test": (OK, "cname.plain.test/10 192.0.2.2"), "loop.plain.test": (NODATA, ""),
        "local.plain.test": (NODATA, ""), "partly.plain.test": (OK, "mx2.plain.test/20 192.0.2.2"),
        "[192.0.2.9]": (OK, "[192.0.2.9]/0 192.0.2.9"), "not a name": (NXDOMAIN, ""),
        "static.test": (OK, "mx.static.test/5 192.0.2.77"), "far.plain.test": (TEMPFAIL, ""),
    }
    # nsd does not have dead.test and refuses.
    conf = stub + ('dns_stub = dead.test %s@%d\n' % (h.address(0), PORT) +
                   'dns_record = "static.test. 60 IN MX 5 mx.static.test."\ndns_record = "mx.static.test. 60 IN A 192.0.2.77"\n')
    got = ask(d, conf, *names)
    for (name, want), line in zip(names.items(), got):
        status, secure, hosts = outcome(line)
        same((status, hosts, secure), (want[0], want[1], 0), name)


def dnssec(d, stub, keys):
    conf = stub + "".join('dns_trust_anchor = "%s"\n' % k for k in keys)
    signed, broken, plain_, absent = ask(d, conf, "signed.test", "broken.test", "plain.test", "absent.signed.test")
    same(outcome(signed), (OK, 1, "mx.signed.test/10[secure] 192.0.2.4"), "a signed zone is secure")
    same(outcome(broken)[0], BOGUS, "a zone whose key is another is bogus")
    same(outcome(plain_)[:2], (OK, 0), "a zone without signatures is not secure")
    same(outcome(absent)[0], NXDOMAIN, "a signed zone's absent name is absent")


def many(d, stub):
    got = ask(d, stub, *(["plain.test"] * 300 + ["n%d.plain.test" % i for i in range(300)]))
    same(len(got), 600, "every question of many at once is answered")
    ok(all(outcome(x)[0] == OK for x in got[:300]), "the same question from many gets the same answer")
    ok(all(outcome(x)[0] == NXDOMAIN for x in got[300:]), "and each of many its own")


def reload(d, stub):
    # No question leaves this host: a name server that has no such zone refuses what is not in the stubs.
    nowhere = "dns_forwarder = %s@%d\n" % (h.address(0), PORT)
    second = os.path.join(d, "second.conf")
    with open(second, "w") as f:
        f.write(nowhere.replace("dns_forwarder = ", "dns_stub = test ") + 'dns_record = "static.test. 60 IN MX 5 mx.static.test."\ndns_record = "mx.static.test. 60 IN A 192.0.2.77"\n')
    first = nowhere + 'dns_record = "static.test. 60 IN MX 5 mx.signed.test."\n'
    got = ask(d, first, "twice=" + second, "plain.test", "static.test")
    same([outcome(x)[2].split(" ")[0] for x in got], ["mx1.plain.test/10", "mx.signed.test/5", "mx1.plain.test/10", "mx.static.test/5"],
         "a reload takes up other records")
    same(outcome(ask(d, nowhere, "static.test")[0])[0], TEMPFAIL, "and without them there are none")


def test():
    if not (shutil.which("nsd") or os.path.exists("/usr/sbin/nsd")) or not shutil.which("ldns-signzone"):
        h.skip_all("nsd or ldnsutils is not installed")
    d, addr = h.tempdir(), h.address(0)
    for zone, text in ZONES.items():
        with open(os.path.join(d, zone), "w") as f:
            f.write(HEAD % (zone, zone, zone, zone) + text)
    keys = [sign(d, "signed.test")]
    sign(d, "broken.test")
    # The anchor of broken.test is a key that signed nothing there.
    keys.append(keys[0].replace("signed.test", "broken.test"))
    start_nsd(d, addr, ZONES)
    stub = "".join("dns_stub = %s %s@%d\n" % (zone, addr, PORT) for zone in ZONES)
    plain(d, stub)
    dnssec(d, stub, keys)
    many(d, stub)
    reload(d, stub)


h.run(test)
