#!/usr/bin/env python3
"""bench/run leaves its results where they were asked for, also those of a run in which one work fails."""
import os
import re
import subprocess
import sys
import types

SRC = os.environ.get("abs_top_srcdir", os.getcwd())
sys.path[:0] = [os.path.join(SRC, "tests/e2e"), os.path.join(SRC, "bench")]
import main
import measure
from harness import BUILD, ok, run, same, tempdir


def bench(*args):
    return subprocess.run([sys.executable, "-B", os.path.join(SRC, "bench/main.py"), *args], capture_output=True, text=True, timeout=1200)


def read(path):
    with open(path) as f:
        return f.read()


def smallest():
    """Pabal alone, one connection, no loop device: the smallest run there is, into folders that do not exist yet."""
    d = tempdir()
    out = d + "/results/of/this/run"
    p = bench("--quick", "--binaries", BUILD, "--dir", d + "/cache", "--out", out, "--work", "a,b", "--conns", "1", "--seconds", "0.1",
              "--users", "3", "--peers", "none", "--no-slow", "--no-loop")
    same(p.returncode, 0, "bench/run ends well")
    text = read(out + "/RESULTS.md") if os.path.exists(out + "/RESULTS.md") else p.stderr
    ok(re.search(r"^\| 4 KiB \| 1 \| Pabal \| [\d.]+ \|", text, re.M), "the results are where they were asked for", text)
    ok("`bench/run --quick --work a,b --conns 1 --seconds 0.1 --users 3 --peers none --no-slow --no-loop`" in text,
       "with the command, which names no folder", text)
    ok("throughput.svg" in text and os.path.exists(out + "/throughput.svg") and "Pabal" in read(out + "/throughput.svg"), "and the plot")
    ok("## Failed" not in text, "nothing failed", text)
    ok(text in p.stdout, "what is printed is what is written")


def one_fails():
    """A work that fails does not take the others' results with it, and the exit status tells."""
    d = tempdir()

    def good(b, suffix):
        b.results.add("i", (len(b.results.data),), "Pabal", ready=1)
        ok(os.path.exists(d + "/RESULTS.md") == (len(b.results.data) > 1), "results are written as they come")

    def wrong(b, suffix):
        raise measure.Failed("the dog ate it")

    def broken(b, suffix):
        return {}["no such key"]

    sys.argv = ["bench/run", "--dir", d, "--quick"]
    b = main.Bench(main.options())
    b.end, b.ground = float("inf"), types.SimpleNamespace(path=d)
    b.end = main.time.monotonic() + 1000
    main.WORKS = {"f": good, "g": wrong, "i": broken, "j": good}
    sys.stderr = open(os.devnull, "w")
    main.play(b, main.shares(list(main.WORKS), False))
    sys.stderr = sys.__stderr__
    text = read(d + "/RESULTS.md")
    ok("- **g: the dog ate it**" in text and "- **i: KeyError" in text, "both failures are told", text)
    same(len(b.results.data), 2, "the works before and behind are there")


def command():
    rows = [
        (["--quick"], "bench/run --quick"), ([], "bench/run"),
        (["--dir", "/x", "--quick", "--out=/y"], "bench/run --quick"),
        (["--out", "--quick", "--work", "a"], "bench/run --work a"),
        (["--binaries", "/b", "--minutes", "3"], "bench/run --minutes 3"),
    ]
    for argv, want in rows:
        same(main.shown_command(argv), want, "%r as it is shown" % argv)


def test():
    command()
    one_fails()
    smallest()


run(test)
