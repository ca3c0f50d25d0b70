"""IMAP over the real store: mailboxes, several sessions, large messages, a store that is killed under them."""
import os
import re
import signal
import harness as h
from harness import ok, same


def untagged(c, name):
    return c.untagged_responses.pop(name, [])


def expect(c, cmd, *args, typ="OK"):
    got, data = getattr(c, cmd)(*args)
    same(got, typ, "%s %s -> %s" % (cmd, " ".join(str(a)[:40] for a in args), typ))
    return data


def raw(c, line, typ="OK"):
    """One command as it is: the untagged lines and the tagged one."""
    tag = c._new_tag()
    c.send(tag + b" " + line.encode() + b"\r\n")
    lines = []
    while True:
        s = c.readline().rstrip(b"\r\n").decode("latin-1")
        lines.append(s)
        if s.startswith(tag.decode() + " "):
            ok(s.split(" ")[1] == typ, "%s -> %s" % (line[:60], typ), "\n".join(lines))
            return lines[:-1], s


def mailboxes(s):
    c = s.imap("def", select=None)
    expect(c, "create", "Work/2026")
    expect(c, "create", "&MLo-")
    raw(c, "CREATE Out (USE (\\Sent))")
    expect(c, "create", "work/2026/x")
    raw(c, "CREATE Work/2026", "NO")
    same(sorted(raw(c, 'LIST "" "*"')[0]), sorted([
        '* LIST (\\HasNoChildren) "/" INBOX', '* LIST (\\HasChildren) "/" Work', '* LIST (\\HasNoChildren) "/" Work/2026',
        '* LIST (\\HasNoChildren) "/" &MLo-', '* LIST (\\HasNoChildren \\Sent) "/" Out', '* LIST (\\HasNoChildren \\Sent) "/" Sent',
        '* LIST (\\HasNoChildren \\Archive) "/" Archive', '* LIST (\\HasNoChildren \\Drafts) "/" Drafts',
        '* LIST (\\HasNoChildren \\Junk) "/" Junk', '* LIST (\\HasNoChildren \\Trash) "/" Trash', '* LIST (\\HasChildren) "/" work',
        '* LIST (\\HasChildren) "/" work/2026', '* LIST (\\HasNoChildren) "/" work/2026/x']), "LIST tells all")
    expect(c, "rename", "work", "Old/deep")
    same(raw(c, 'LIST "" "Old/%"')[0], ['* LIST (\\HasChildren) "/" Old/deep'], "RENAME takes the children along")
    expect(c, "delete", "Old/deep")
    same(raw(c, 'LIST "" "Old*"')[0], ['* LIST (\\HasChildren) "/" Old', '* LIST (\\Noselect \\HasChildren) "/" Old/deep',
         '* LIST (\\HasChildren) "/" Old/deep/2026', '* LIST (\\HasNoChildren) "/" Old/deep/2026/x'], "DELETE keeps what is below")
    raw(c, "SELECT Old/deep", "NO")
    raw(c, "DELETE INBOX", "NO")
    expect(c, "subscribe", "Work/2026")
    same(raw(c, 'LSUB "" "W%"')[0], ['* LSUB (\\Noselect) "/" Work'], "LSUB shows the level above")
    first = raw(c, "STATUS Sent (UIDVALIDITY)")[0]
    expect(c, "delete", "Sent")
    expect(c, "create", "Sent")
    ok(raw(c, "STATUS Sent (UIDVALIDITY)")[0] != first, "a mailbox made anew has another UIDVALIDITY")
    c.logout()


def append_and_copy(s):
    c = s.imap("def", select=None)
    text = b"Subject: one\nFrom: a@b.test\n\nbody\n"
    data = expect(c, "append", "Work", "(\\Seen $Label)", '"01-Feb-2026 10:00:00 +0900"', text)
    ok(re.search(rb"APPENDUID \d+ 1\]", data[0]), "APPENDUID", data)
    same(c.append("nowhere", None, None, text)[0], "NO", "APPEND to nowhere")
    big = b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 4 * 20000 + b"\r\n"
    expect(c, "append", "Work", None, None, big)
    expect(c, "select", "Work")
    d = expect(c, "fetch", "1", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
    same(d[0][1], b"Subject: one\r\nFrom: a@b.test\r\n\r\nbody\r\n", "line ends are CRLF")
    ok(b"$Label" in d[0][0] and b" 1-Feb-2026 01:00:00 +0000" in d[0][0] and b"RFC822.SIZE 38" in d[0][0], "what APPEND said", d[0][0])
    same(expect(c, "fetch", "2", "(BODY.PEEK[])")[0][1], big, "a message with a file of its own")
    same(expect(c, "fetch", "2", "(BODY.PEEK[]<1000000.10>)")[0][1], big[1000000:1000010], "a part of it")
    data = expect(c, "copy", "1:2", "Sent")
    ok(re.match(rb"\[COPYUID \d+ 1:2 1:2\]", data[0]), "COPYUID", data)
    raw(c, "COPY 1 nowhere", "NO")
    lines, _ = raw(c, "MOVE 1 Sent")
    ok(re.match(r"\* OK \[COPYUID \d+ 1 3\]", lines[0]), "MOVE tells COPYUID first", lines)
    same(lines[1:], ["* 1 EXPUNGE"], "then EXPUNGE")
    same(raw(c, "STATUS Sent (MESSAGES UIDNEXT UNSEEN)")[0], ["* STATUS Sent (MESSAGES 3 UIDNEXT 4 UNSEEN 1)"], "STATUS")
    c.logout()


def sessions(s):
    a, b = s.imap("def"), s.imap("def")
    same(untagged(b, "RECENT")[-1:], [b"0"], "recent messages are the first session's")
    for i in range(3):
        a.append("INBOX", None, None, b"Subject: m%d\r\n\r\nbody %d\r\n" % (i, i))
    expect(b, "noop")
    same(untagged(b, "EXISTS")[-1:], [b"3"], "the other session hears of new messages")
    a.noop()
    expect(a, "store", "1", "+FLAGS.SILENT", "(\\Deleted)")
    same(raw(b, "NOOP")[0], ["* 1 FETCH (FLAGS (\\Deleted))"], "and of flags")
    expect(a, "expunge")
    lines, _ = raw(b, "FETCH 1:3 (UID BODY.PEEK[TEXT])")
    ok(not [x for x in lines if "EXPUNGE" in x], "FETCH tells no EXPUNGE", lines)
    same([x for x in lines if x.startswith("body")], ["body 0", "body 1", "body 2"], "what was expunged can still be read")
    raw(b, "STORE 1 +FLAGS (\\Flagged)", "NO")
    same(raw(b, "NOOP")[0], ["* 1 EXPUNGE"], "NOOP tells it")
    same(raw(b, "FETCH 1:2 (UID FLAGS)")[0], ["* 1 FETCH (UID 2 FLAGS ())", "* 2 FETCH (UID 3 FLAGS ())"], "no neighbour was hit")
    # IDLE hears of a delivery
    b.send(b"i IDLE\r\n")
    same(b.readline(), b"+ idling\r\n", "IDLE")
    s.send("def@daum.test", ["def@daum.test"], h.letter("def@daum.test", "def@daum.test", "wake up"))
    same(b.readline(), b"* 3 EXISTS\r\n", "a delivery is told in IDLE")
    b.readline()
    b.send(b"done\r\n")
    same(b.readline()[:4], b"i OK", "done in any case of letters")
    same(raw(b, "SEARCH SUBJECT \"WAKE\" UNSEEN SINCE 1-Jan-2020")[0], ["* SEARCH 3"], "SEARCH")
    same(raw(b, "SEARCH BODY hello")[0], ["* SEARCH 3"], "SEARCH BODY")
    a.logout()
    return b


def store_dies(s, b):
    pid = s.pids("spoold")[0]
    os.kill(pid, signal.SIGKILL)
    h.wait_for("a new spoold", lambda: s.pids("spoold") not in ([], [pid]))
    lines, last = raw(b, "FETCH 1:* UID")
    same(lines, ["* 1 FETCH (UID 2)", "* 2 FETCH (UID 3)", "* 3 FETCH (UID 4)"], "the session lives on")
    raw(b, "STORE 1 +FLAGS (\\Seen)")
    s.send("def@daum.test", ["def@daum.test"], h.letter("def@daum.test", "def@daum.test", "again"))
    h.wait_for("news after the restart", lambda: "* 4 EXISTS" in raw(b, "NOOP")[0])
    b.logout()
    c = s.imap("def", select=None)
    same(raw(c, "STATUS Work (MESSAGES)")[0], ["* STATUS Work (MESSAGES 1)"], "all mailboxes are there")
    c.logout()


def test():
    s = h.System("daum", "daum.test", h.address(0)).start().setup("def")
    mailboxes(s)
    append_and_copy(s)
    store_dies(s, sessions(s))
    same(s.stop(), 0, "it stops in order")


h.run(test)
