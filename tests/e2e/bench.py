#!/usr/bin/env python3
"""The load generator of bench/ against a real system: every mode does what its figures say it did."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", os.getcwd()), "tests/e2e"))
from harness import BUILD, DEADLINE, IMAP, POP3, SMTP, System, address, ok, run, same

USERS = 3


def load(mode, **options):
    argv = [os.path.join(BUILD, "bench/load"), mode]
    for k, v in dict(options, timeout=int(DEADLINE)).items():
        argv += ["--" + k.replace("_", "-"), str(v)]
    p = subprocess.run(argv, input="wake 2\n", capture_output=True, text=True, timeout=2 * DEADLINE)
    lines = p.stdout.strip().splitlines()
    ok(p.returncode == 0 and lines, "%s ends well" % mode, p.stdout + p.stderr)
    return json.loads(lines[-1]) if lines else {}


def test():
    s = System("daum", "daum.test", address(0)).start().setup(*["user%d" % i for i in range(USERS)], password="pass")
    at = {"smtp": "%s:%d" % (s.addr, SMTP), "imap": "%s:%d" % (s.addr, IMAP), "pop3": "%s:%d" % (s.addr, POP3)}
    r = load("smtp", host=at["smtp"], messages=20, conns=4, rcpts=2, users=USERS, drain_imap=at["imap"])
    same((r["accepted"], r["rejected"], r["delivered"], r["ops"]["final_reply"]["n"]), (20, 0, 40, 20), "all is given in and arrives")
    r = load("smtp", host=at["smtp"], messages=6, conns=2, per_conn=2, users=USERS, size=30000, drain_imap=at["imap"])
    same((r["accepted"], r["delivered"]), (6, 6), "in sessions of a few messages, too")
    r = load("append", host=at["imap"], messages=6, conns=3, users=USERS)
    same(r["accepted"], 6, "all is appended")
    r = load("pop3", host=at["pop3"], messages=1000, conns=USERS, users=USERS, window=3)
    same(r["retrieved"], 52, "all is read by POP3")
    ok(r["retrieved_bytes"] > 46 * 4096 + 6 * 30000, "with all its bytes", r)
    steps = "login,select,flags,envelope,body,store,storeone,searchheader,searchunseen,searchtext,searchbody,status,noop,close,logout"
    r = load("imap", host=at["imap"], conns=1, users=USERS, max_body=2, loops=2, script=steps, needle="needle-00000003")
    same({k: v["n"] for k, v in r["ops"].items() if k in ("envelope", "body", "store", "searchtext")},
         {"envelope": 2, "body": 4, "store": 2, "searchtext": 2}, "each step of a script is played")
    p = subprocess.Popen([os.path.join(BUILD, "bench/load"), "idle", "--host", at["imap"], "--smtp", at["smtp"], "--conns", "4", "--users", "2",
                          "--timeout", "%d" % DEADLINE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        same(p.stdout.readline(), "READY 4\n", "sessions come to IDLE")
        p.stdin.write("wake 3\n")
        same(p.stdout.readline(), "WOKEN\n", "and are woken")
        r = json.loads(p.communicate(timeout=DEADLINE)[0].strip().splitlines()[-1])
        same((p.returncode, r["ops"]["wakeup"]["n"], r["idle_failed"]), (0, 6, 0), "each once for each message to its user")
    finally:
        if p.poll() is None:
            p.kill()
            p.wait()
    p = subprocess.run([os.path.join(BUILD, "bench/load"), "smtp", "--host", "192.0.2.1:25"], capture_output=True, text=True)
    ok(p.returncode == 2 and "not a loopback address" in p.stderr, "nobody else is ever spoken to", p.stderr)


run(test)
