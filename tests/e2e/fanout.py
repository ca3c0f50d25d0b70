"""One body for many, and one flush for many: counted, not timed."""
import re
import threading
import harness as h
from harness import ok, same


def stats(s):
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", s.pabal("spool", "stats").stdout)}


def test():
    s = h.System("many", "daum.test", h.address(0)).start()
    users = ["u%02d" % i for i in range(50)]
    s.setup(*users)
    s.send("abc@daum.test", ["u00@daum.test"], h.letter())
    s.wait_messages("u00", 1)
    before = stats(s)
    marker = "q" * 70 + "\r\n"
    s.send("abc@daum.test", ["%s@daum.test" % u for u in users], h.letter(body=marker * 300))
    for u in users:
        s.wait_messages(u, 2 if u == "u00" else 1)
    after = stats(s)
    same(after["bodies"] - before["bodies"], 1, "a message to 50 local users adds one body")
    same(after["rows"] - before["rows"], 50, "and 50 index rows")
    ok(after["bytes"] - before["bytes"] < 2 * 72 * 300, "the log grew by less than two bodies", (before, after))
    # 50 connections at a time, 10 messages each
    errors = []

    def client(i):
        try:
            with s.smtp() as c:
                for n in range(10):
                    c.sendmail("abc@daum.test", [users[i] + "@daum.test"], h.letter(subject="n%d" % n))
        except Exception as e:
            errors.append(e)

    before = stats(s)
    threads = [threading.Thread(target=client, args=(i,)) for i in range(50)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    accepted = stats(s)
    same(errors, [], "50 connections deliver 10 messages each")
    for i, u in enumerate(users):
        s.wait_messages(u, 11 + (i == 0))
    after = stats(s)
    f = (after["flushes"] - before["flushes"]) / 500.0
    print("# flushes per message from 250 to mailbox: %.3f (while accepting: %.3f)" %
          (f, (accepted["flushes"] - before["flushes"]) / 500.0))
    ok(f < 0.3, "under 0.3 flushes a message at 50 connections", f)
    same(s.stop(), 0, "it stops in order")


h.run(test)
