"""The space of deleted mail comes back; a stopped spool is checked, printed and given a new index."""
import hashlib
import json
import os
import re
import shutil
import harness as h
from harness import ok, same

N, KEEP, SIZE, SEGMENT = 400, 10, 60000, 8 << 20      # several segments


def du(s, *below):
    """Without the segment that is made ahead by a thread of its own: it is there at one time and not at another."""
    total = 0
    for where, _, files in os.walk(os.path.join(s.spool, *below)):
        for f in files:
            try:
                total += os.stat(os.path.join(where, f)).st_blocks * 512 if f != "next" else 0
            except FileNotFoundError:
                pass        # removed meanwhile
    return total


def fill(s, first, n, size):
    with s.smtp() as c:
        for i in range(first, first + n):
            c.sendmail("abc@naver.test", ["u@daum.test"], h.letter(subject="marker-%06d-marker" % i, body=("%06d" % i) * 10 + "\r\n"
                       + ("x" * 70 + "\r\n") * (size // 72)))


def mailboxes(s):
    """UIDVALIDITY, UIDNEXT, and of each message UID, flags and content, of every mailbox."""
    c = s.imap("u", select=None)
    out = {}
    for line in c.list()[1]:
        name = line.split(b' "/" ')[1].decode().strip('"')
        st = c.status('"%s"' % name, "(UIDVALIDITY UIDNEXT MESSAGES)")[1]
        n = int(c.select('"%s"' % name, readonly=True)[1][0])
        data = c.fetch("1:*", "(UID FLAGS BODY.PEEK[])")[1] if n else []
        rows = {}
        for d in data:
            if isinstance(d, tuple):
                uid = int(re.search(rb"UID (\d+)", d[0]).group(1))
                flags = re.search(rb"FLAGS \(([^)]*)\)", d[0]).group(1).split()
                rows[uid] = (sorted(f for f in flags if f != rb"\Recent"), hashlib.sha256(d[1]).hexdigest())
        out[name] = (re.sub(rb'^"?[^ ]* ', b"", st[0]), rows)
        c.close()
    c.logout()
    return out


def holding(s, folder, text):
    """The files below the folder of the spool that hold the text, each with where it stands there."""
    out = []
    for where, _, files in os.walk(os.path.join(s.spool, folder)):
        for f in sorted(files):
            try:
                with open(os.path.join(where, f), "rb") as fd:
                    at = fd.read().find(text)
            except FileNotFoundError:
                continue        # removed meanwhile
            if at >= 0:
                out.append((os.path.join(where, f), at))
    return out


def in_log(s, text):
    return bool(holding(s, "log", text))


def drop_most(s):
    c = s.imap("u")
    uids = c.uid("search", None, "ALL")[1][0].split()
    gone = [u for i, u in enumerate(uids) if i % KEEP != 0]
    c.uid("store", b",".join(gone).decode(), "+FLAGS.SILENT", r"(\Deleted)")
    c.expunge()
    c.logout()
    return len(uids) - len(gone)


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        b = f.read(1)[0]
        f.seek(at)
        f.write(bytes([b ^ 0x10]))


def space(s):
    fill(s, 1, N, SIZE)
    fill(s, N + 1, 4, 400000)
    h.wait_for("all of them", lambda: s.count("u") >= N + 4)
    before, files = du(s, "log"), du(s, "body")
    ok(before > N * SIZE, "the log has the mail", before)
    ok(files > 4 * 400000, "large bodies have files", files)
    ok(in_log(s, b"marker-000002-marker"), "a message is found in the log")
    kept = drop_most(s)
    same(s.count("u"), kept, "a tenth is kept")
    out = s.pabal("spool", "compact", "--all").stdout
    ok(re.search(r"^[0-9.]+m bytes were given back", out), "pabal spool compact tells what it gave back", out)
    after = du(s, "log")
    ok(after < kept * SIZE + SEGMENT, "du of the log is what is kept, and the rest of one segment", (before, after))
    h.wait_for("body files to go", lambda: du(s, "body") < files - 2 * 400000)
    ok(not in_log(s, b"marker-000002-marker"), "a deleted message is not in the log any more")
    ok(in_log(s, b"marker-000001-marker"), "one that was kept is")
    # by itself
    fill(s, 1000, N, SIZE)
    h.wait_for("all of them", lambda: s.count("u") >= N + kept)
    before = du(s, "log")
    drop_most(s)
    h.wait_for("compaction by itself", lambda: du(s, "log") < before - N * SIZE // 2)
    ok(True, "the space comes back without being asked for")


def state(s):
    c = s.imap("u")
    c.create("box/below")
    c.store("1:5", "+FLAGS", r"(\Seen \Flagged mine)")
    c.store("2", "+FLAGS", r"(\Answered)")
    c.copy("1:7", '"box/below"')
    c.create("gone")
    c.copy("3:4", "gone")
    c.append("gone", None, None, b"Subject: x\r\n\r\nmarker-gone-marker\r\n" + (b"y" * 70 + b"\r\n") * 6000)
    c.delete("gone")
    h.wait_for("what only a deleted mailbox had to go", lambda: not holding(s, "body", b"marker-gone-marker"))
    c.subscribe("box/below")
    c.logout()
    return mailboxes(s)


def check(s):
    p = s.pabal("spool", "check", check=False)
    return p.returncode, p.stdout + p.stderr


def damaged(s):
    """Each kind of damage is told for what it is; then it is undone."""
    # in a record, wherever compaction has put it
    path, at = holding(s, "log", b"marker-000001-marker")[0]
    seg = os.path.basename(path)
    flip(path, at)
    code, out = check(s)
    m = re.search(r"segment %s, offset (\d+): record LSN (\d+) is damaged" % seg, out)
    ok(code == 1 and m, "a turned byte: check tells segment, offset and LSN", out)
    ok(m and int(m.group(1)) <= at and int(m.group(2)) >= int(seg, 16), "and the place is right", (at, out))
    p = s.pabal("spool", "check", "--json", check=False)
    j = json.loads(p.stdout)
    ok(p.returncode == 1 and not j["good"] and any(seg in f for f in j["faults"]), "as JSON too", p.stdout)
    p = s.pabal("spool", "dump", check=False)
    ok(p.returncode == 1 and seg in p.stderr and p.stdout, "dump prints the rest and tells", p.stderr)
    flip(path, at)
    os.rename(path, path + ".away")
    code, out = check(s)
    ok(code == 1 and ("missing" in out), "a segment that is missing", out)
    os.rename(path + ".away", path)
    files = [path for path, _ in holding(s, "body", b"marker-005000-marker")]      # others may be of deleted mail
    os.rename(files[0], s.spool + "/away")
    code, out = check(s)
    ok(code == 1 and "file %s is missing" % os.path.basename(files[0]) in out, "a body file that is missing", out)
    os.rename(s.spool + "/away", files[0])
    flip(files[0], 1000)
    code, out = check(s)
    ok(code == 1 and "content of its file" in out, "a body file with a turned byte", out)
    flip(files[0], 1000)
    snap = sorted(os.listdir(s.spool + "/snapshot"))[-1]
    flip(os.path.join(s.spool, "snapshot", snap), 50)
    code, out = check(s)
    ok(code == 1 and "snapshot %s is damaged" % snap in out, "a damaged snapshot", out)
    flip(os.path.join(s.spool, "snapshot", snap), 50)
    code, out = check(s)
    ok(code == 0 and "in order" in out, "undone, it is in order again", out)


def test():
    s = h.System("tools", "daum.test", h.address(0)).start()
    s.setup("u")
    space(s)
    for verb in ("check", "dump", "rebuild"):
        p = s.pabal("spool", verb, check=False)
        ok(p.returncode == 1 and p.stderr.count("\n") == 1 and "pabal stop" in p.stderr, "spool %s refuses while spoold runs" % verb, p.stderr)
    fill(s, 5000, 1, 400000)
    h.wait_for("a large one", lambda: b"5000" in b"".join(s.messages("u")[-1:]))
    before = state(s)
    ok(len(before["box/below"][1]) == 7 and len(before["INBOX"][1]) > 30, "there is mail to compare", before)
    same(s.stop(), 0, "it stops in order")
    code, out = check(s)
    ok(code == 0 and "The spool is in order." in out, "check: in order", out)
    damaged(s)
    # dump
    lines = s.pabal("spool", "dump").stdout.splitlines()
    lsns = [int(x.split()[0]) for x in lines]
    ok(lsns == sorted(lsns) and all(re.match(r"\d+ op_[a-z_]+ time=\d+ ", x) for x in lines), "dump: one op a line, in order", lines[:3])
    ok(any("op_moved" in x for x in lines) and any("op_store" in x for x in lines), "of many kinds")
    part = json.loads(s.pabal("spool", "dump", "--from", str(lsns[-5]), "--json").stdout)
    same([e["lsn"] for e in part], lsns[-5:], "dump --from LSN as JSON")
    # the index is lost
    shutil.rmtree(s.spool + "/index")
    code, out = check(s)
    ok(code == 0 and "there is no index" in out, "check of a spool without an index", out)
    out = s.pabal("spool", "rebuild").stdout
    ok("made anew" in out, "rebuild", out)
    code, out = check(s)
    ok(code == 0, "check after it", out)
    s.start()
    same(mailboxes(s), before, "the mailboxes are as before: UIDs, flags, UIDVALIDITY, contents")
    s.send("abc@naver.test", ["u@daum.test"], h.letter(subject="new"))
    h.wait_for("new mail", lambda: s.count("u") == len(before["INBOX"][1]) + 1)
    same(s.stop(), 0, "it stops in order")
    s.pabal("spool", "rebuild")
    ok(os.path.isdir(s.spool + "/index.old"), "the index that was there is kept aside")
    s.start()
    after = mailboxes(s)
    same((after["INBOX"][0].split()[1], {u: after["INBOX"][1][u] for u in before["INBOX"][1]}, after["box/below"]),
         (before["INBOX"][0].split()[1], before["INBOX"][1], before["box/below"]), "a rebuild beside a good index changes nothing")
    same(s.stop(), 0, "it stops in order")


h.run(test)
