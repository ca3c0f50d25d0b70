"""Strangers with records made by hand: handshakes that are split, cut off at every byte, or mixed up; records after the
handshake that no library sends; tickets that were changed; readers that never read. Others are served meanwhile."""
import random
import socket
import ssl
import struct
import harness as h
import rawtls
from harness import ok, same
from rawtls import ALERT, DATA, HANDSHAKE, Crafted, Raw, record

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
LOGIN = b"a LOGIN def@daum.test secret\r\n"


def context(ca, version):
    c = ca.context()
    c.minimum_version = c.maximum_version = version
    return c


def served(s, ca, what):
    c = Raw(s, h.IMAPS, ca.context()).handshake()
    c.line()
    c.say(LOGIN)
    line = c.until(b"a ")
    c.close()
    ok(line.startswith(b"a OK"), "others are served meanwhile: " + what, line)


def split(s, ca):
    for version in (V12, V13):
        for size in (4, 5, 9, 64):
            c = Raw(s, h.IMAPS, context(ca, version))
            c.sock.sendall(rawtls.refragment(c.hello(), size))
            ok(c.handshake().line().startswith(b"* OK"), "%s: a ClientHello in records of %d bytes" % (version.name, size))
            c.close()
        c = Raw(s, h.IMAPS, context(ca, version))

        def bytewise(flight, c=c):
            for i in range(len(flight)):
                c.sock.sendall(flight[i:i + 1])
        ok(c.handshake(bytewise).line().startswith(b"* OK"), "%s: a handshake byte by byte" % version.name)
        c.close()


class Cut(Exception):
    pass


def start_tls(c, port):
    for say, last in {h.IMAP: [(b"a STARTTLS\r\n", b"a OK")], h.POP3: [(b"STLS\r\n", b"+OK")],
                      h.SUBMISSION: [(b"EHLO x.test\r\n", b"250 "), (b"STARTTLS\r\n", b"220")]}[port]:
        c.sock.sendall(say)
        line = c.plain_line()
        while not line.startswith(last):
            assert line, "closed"
            line = c.plain_line()


def cut_off(s, ca):
    """The connection ends after each byte of what the client sends in a handshake."""
    for port, version in ((h.IMAPS, V13), (h.POP3, V12), (h.SUBMISSION, V13), (h.IMAP, V12)):
        ctx = context(ca, version)
        flights = []
        c = Raw(s, port, ctx)
        if port != h.IMAPS:
            c.plain_line()
            start_tls(c, port)
        c.handshake(lambda f: (flights.append(f), c.sock.sendall(f)))
        c.close()
        silent = 0
        for k, flight in enumerate(flights):
            for at in range(0, len(flight), 1 if len(flight) < 200 else 3):
                c = Raw(s, port, ctx)
                if port != h.IMAPS:
                    c.plain_line()
                    start_tls(c, port)
                seen = [0]

                def send(data, c=c, k=k, at=at, seen=seen):
                    if seen[0] == k:
                        c.sock.sendall(data[:at])
                        raise Cut
                    seen[0] += 1
                    c.sock.sendall(data)
                try:
                    c.handshake(send)
                except Cut:
                    pass
                if at % 3 == 2:
                    c.sock.shutdown(socket.SHUT_WR)
                    silent += not c.ended()
                else:
                    c.close(reset=at % 3 == 1)
        same(silent, 0, "port %d: a handshake that ends at any byte ends the connection" % port)


def with_extensions(hello, extra):
    body = b"".join(r[2] for r in rawtls.records(hello))[4:]
    at = 34
    at += 1 + body[at]
    at += 2 + struct.unpack(">H", body[at:at + 2])[0]
    at += 1 + body[at]
    all_of_them = extra + body[at + 2:]
    body = body[:at] + struct.pack(">H", len(all_of_them)) + all_of_them
    msg = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"".join(record(HANDSHAKE, msg[i:i + 16384], b"\x03\x01") for i in range(0, len(msg), 16384))


def mixed_up(s, ca):
    """Flights that are none: each ends the connection at once."""
    c = Raw(s, h.IMAPS, context(ca, V13))
    hello = c.hello()
    c.close()
    body = rawtls.records(hello)[0][2]
    ext = struct.pack(">HH", 0xff01, 1) + b"\0"
    cases = {
        "an extension twice": with_extensions(hello, ext + ext),
        "an extension of 60 KB": with_extensions(hello, struct.pack(">HH", 0x4a00, 60000) + bytes(60000)),
        "a hello of 16 MiB": record(HANDSHAKE, b"\x01\xff\xff\xff" + bytes(16000)),
        "empty records": record(HANDSHAKE, b"") * 1000, "empty records behind a hello": hello + record(HANDSHAKE, b"") * 1000,
        "ChangeCipherSpecs": record(20, b"\x01") * 1000, "ChangeCipherSpecs behind a hello": hello + record(20, b"\x01") * 1000,
        "alerts": record(ALERT, b"\x01\x5a") * 1000, "alerts behind a hello": hello + record(ALERT, b"\x01\x5a") * 1000,
        "two hellos": hello + hello, "data behind a hello": hello + record(DATA, bytes(300)) * 20,
        "early data": hello + record(DATA, bytes(16000)) * 30, "Finished first": record(HANDSHAKE, b"\x14\0\0\x20" + bytes(32)),
        "Certificate first": record(HANDSHAKE, b"\x0b\0\x40\0" + bytes(16380)), "a heartbeat": hello + record(24, b"\x01\x40\x00" + bytes(100)),
        "a record that is too long": record(HANDSHAKE, b"\x01\0\x50\0" + bytes(16400)), "a KeyUpdate": hello + record(HANDSHAKE, b"\x18\0\0\x01\x01") * 9,
        "close_notify": hello + record(ALERT, b"\x01\x00"), "version 9.9": record(HANDSHAKE, body, b"\x09\x09"),
    }
    for what, data in cases.items():
        for port in (h.IMAPS, h.SUBMISSIONS):
            c = Raw(s, port, ca.context())
            try:
                c.sock.sendall(data)
            except OSError:
                pass
            ok(c.ended(), "%d: %s ends the connection" % (port, what))
    rnd = random.Random(7)
    silent = 0
    for i in range(150):
        changed = bytearray(hello)
        for _ in range(rnd.choice((1, 2, 5, 30))):
            changed[rnd.randrange(5, len(changed))] = rnd.randrange(256)
        c = Raw(s, (h.IMAPS, h.POP3S, h.SUBMISSIONS)[i % 3], ca.context())
        try:
            c.sock.sendall(changed)
            c.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        silent += not c.ended()
    same(silent, 0, "a ClientHello with changed bytes ends with its client")


def tickets(s, ca):
    for version in (V12, V13):
        ctx = context(ca, version)
        c = Raw(s, h.IMAPS, ctx).handshake()
        c.line()
        session = c.tls.session
        c.close()
        rnd = random.Random(3)
        forged = 0
        for _ in range(60):
            c = Raw(s, h.IMAPS, ctx, session=session)
            hello = bytearray(c.hello())
            hello[rnd.randrange(len(hello) - 200, len(hello))] ^= 1 << rnd.randrange(8)
            try:
                c.sock.sendall(hello)
                forged += c.handshake().tls.session_reused
            except (ssl.SSLError, OSError, EOFError):
                pass
            c.close()
        same(forged, 0, "%s: no changed ticket is taken" % version.name)
        for port, want in ((h.POP3S, False), (h.SUBMISSIONS, False), (h.IMAPS, True)):
            c = Raw(s, port, ctx, session=session).handshake()
            same(c.tls.session_reused, want, "%s: the ticket at port %d" % (version.name, port))
            c.close()


def crafted(s, ca):
    """Under TLS 1.3. want: what is answered to a login behind it; None: the connection ends."""
    def updates(c, n, wanted, between=b""):
        return b"".join(c.key_update(wanted) + (c.put(DATA, between) if between else b"") for _ in range(n))
    def updated(c):
        c.take(rawtls.expand(c.secret, b"traffic upd", len(c.secret), c.digest))
        return b""
    half = b"\x18\0\0\x01\0"
    cases = [
        ("a byte in each record", lambda c: b"".join(c.put(DATA, bytes([b])) for b in b"b NOOP\r\n"), True),
        ("twenty KeyUpdates", lambda c: updates(c, 20, 0), True), ("twenty that want another", lambda c: updates(c, 20, 1), True),
        ("a KeyUpdate in two records", lambda c: c.put(HANDSHAKE, half[:2]) + c.put(HANDSHAKE, half[2:]) + updated(c), True),
        ("padding", lambda c: b"".join(c.put(DATA, b"x", 16000) for _ in range(9)) + c.put(DATA, b"\r\n"), True),
        ("a thousand KeyUpdates", lambda c: updates(c, 1000, 1), None), ("KeyUpdates and bytes in turn", lambda c: updates(c, 1000, 1, b" "), None),
        ("empty records", lambda c: b"".join(c.put(DATA, b"") for _ in range(2000)), None),
        ("two KeyUpdates in a record", lambda c: c.put(HANDSHAKE, half + half), None),
        ("half a KeyUpdate, then data", lambda c: c.put(HANDSHAKE, half[:2]) + c.put(DATA, b"b NOOP\r\n"), None),
        ("a KeyUpdate of 16 MiB", lambda c: c.put(HANDSHAKE, b"\x18\xff\xff\xff" + bytes(16000)), None),
        ("a ClientHello", lambda c: c.put(HANDSHAKE, b"\x01\0\0\x40" + bytes(64)), None),
        ("a Certificate nobody asked for", lambda c: c.put(HANDSHAKE, b"\x0b\0\0\x04\0\0\0\0"), None),
        ("a ticket", lambda c: c.put(HANDSHAKE, b"\x04\0\0\x10" + bytes(16)), None),
        ("warnings", lambda c: b"".join(c.put(ALERT, b"\x01\x5a") for _ in range(1000)), None),
        ("close_notify", lambda c: c.put(ALERT, b"\x01\x00"), None), ("a fatal alert", lambda c: c.put(ALERT, b"\x02\x28"), None),
        ("an empty alert", lambda c: c.put(ALERT, b""), None), ("no type", lambda c: c.put(0, bytes(100)), None),
        ("a record that is too long", lambda c: c.put(DATA, bytes(16400)), None), ("a wrong MAC", lambda c: c.put(DATA, b"x")[:-1] + b"x", None),
        ("an alert in the clear", lambda c: record(ALERT, b"\x02\x28"), None), ("data in the clear", lambda c: b"b NOOP\r\n", None)]
    for what, make, want in cases:
        c = Crafted(s, h.IMAPS, ca)
        try:
            c.sock.sendall(make(c) + c.put(DATA, LOGIN))
            got = c.until(b"a ")
        except (OSError, ssl.SSLError):
            got = b""
        c.close()
        ok(got.startswith(b"a OK") == bool(want), "after the handshake, %s: %s" % (what, "is taken" if want else "the end"), got)


def never_read(s, ca):
    for i in range(3):
        s.send("abc@far.test", ["def@daum.test"], h.letter(body=("z" * 70 + "\r\n") * 50000))
    s.wait_messages("def", 3)
    held = []
    for i in range(40):
        c = Raw(s, h.IMAPS, ca.context()).handshake()
        c.line()
        c.say(LOGIN + b"b SELECT INBOX\r\n" + b"c FETCH 1:* BODY[]\r\n" * 20)
        held.append(c)
    served(s, ca, "forty that never read")
    h.wait_for("nobody to turn in circles for them", lambda: not rawtls.busy(s))
    c, n = held.pop(), 0
    while n < 10000000:
        got = c.read()
        if not got:
            break
        n += len(got)
    ok(n >= 10000000, "one that reads at last gets it all", n)
    c.close()
    for i, c in enumerate(held):
        if i % 2:
            c.sock.shutdown(socket.SHUT_WR)
    h.wait_for("nobody to do so when they have closed their side", lambda: not rawtls.busy(s))
    for i, c in enumerate(held):
        c.close(reset=i % 4 < 2)


def test():
    ca = h.Authority()
    # no end of a connection here is the end of the time for its handshake
    s = h.System("daum", "daum.test", h.address(1), "connection_limit = 10000\ntls_handshake_timeout = 1h\n", services=h.ALL_SERVICES).start().setup("def")
    s.pabal("cert", "install", "mx.daum.test", *ca.issue("mx.daum.test"))

    def taken():
        try:
            Raw(s, h.IMAPS, ca.context()).handshake().close()
            return True
        except ssl.SSLError:
            return False
    h.wait_for("the certificate", taken)
    before = rawtls.descriptors(s)
    for attack in (split, cut_off, mixed_up, tickets, crafted, never_read):
        if attack is crafted and not rawtls.crafting():
            print("# no cryptography module: records under TLS are not made")
            continue
        attack(s, ca)
        served(s, ca, attack.__name__)
        rawtls.wait_as_before(s, before, attack.__name__)
    h.wait_for("no process to be busy with nothing", lambda: not rawtls.busy(s))
    same(s.stop(), 0, "it stops in order")


h.run(test)
