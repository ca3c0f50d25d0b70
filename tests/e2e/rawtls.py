"""TLS of Python's ssl with the records in the test's hands: they can be cut, held back, changed, and written in any order."""
import hashlib
import hmac
import os
import socket
import ssl
import struct
import tempfile
import time
import harness as h

ALERT, HANDSHAKE, DATA = 21, 22, 23


class Raw:
    """A client: the socket, and a TLS engine between two buffers."""

    def __init__(self, s, port, ctx, session=None, timeout=h.DEADLINE):
        self.sock = socket.create_connection((s.addr, port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.inc, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = ctx.wrap_bio(self.inc, self.out, server_hostname="mx." + s.domain, session=session)

    def plain_line(self):
        """A line in the clear."""
        b = b""
        while not b.endswith(b"\n"):
            c = self.sock.recv(1)
            if not c:
                return b
            b += c
        return b

    def hear(self):
        """One read of the socket into the engine; False at the end."""
        d = self.sock.recv(65536)
        if d:
            self.inc.write(d)
        else:
            self.inc.write_eof()
        return bool(d)

    def hello(self):
        """The ClientHello, not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.out.read()

    def handshake(self, send=None):
        """The rest of it, or all; send(flight) writes each flight."""
        send = send or self.sock.sendall
        while True:
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            f = self.out.read()
            if f:
                send(f)
            if done:
                return self
            if not self.hear():
                raise EOFError("closed in the handshake")

    def seal(self, data):
        """Plaintext as records, not sent."""
        self.tls.write(data)
        return self.out.read()

    def say(self, data):
        self.sock.sendall(self.seal(data))

    def read(self, n=65536):
        while True:
            try:
                return self.tls.read(n)
            except ssl.SSLWantReadError:
                self.hear()
            except ssl.SSLZeroReturnError:
                return b""

    def line(self):
        b = b""
        while not b.endswith(b"\n"):
            c = self.read(1)
            if not c:
                return b
            b += c
        return b

    def until(self, start):
        while True:
            line = self.line()
            if not line or line.startswith(start):
                return line

    def close(self, reset=False):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def ended(self):
        """True when the server ends the connection. Closes it."""
        try:
            while self.sock.recv(65536):
                pass
        except socket.timeout:
            return False
        except OSError:
            pass
        finally:
            self.sock.close()
        return True


def record(kind, body, version=b"\x03\x03"):
    return bytes([kind]) + version + struct.pack(">H", len(body)) + body


def records(data):
    """Splits a flight into records (type, version, body)."""
    out = []
    while len(data) >= 5:
        n = struct.unpack(">H", data[3:5])[0]
        out.append((data[0], data[1:3], data[5:5 + n]))
        data = data[5 + n:]
    return out


def refragment(flight, size):
    """The same handshake messages in records of at most size bytes; other records stay."""
    out = b""
    for kind, version, body in records(flight):
        step = size if kind == HANDSHAKE else len(body)
        for i in range(0, len(body), step):
            out += record(kind, body[i:i + step], version)
    return out


# ---- records under TLS 1.3 that no library would send -------------------------------------------------------

def crafting():
    """Is there what it takes?"""
    try:
        import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401
    except ImportError:
        return False
    return True


def expand(secret, label, n, digest):
    """HKDF-Expand-Label without a context, RFC 8446 7.1."""
    info = struct.pack(">H", n) + bytes([6 + len(label)]) + b"tls13 " + label + b"\0"
    out, block, i = b"", b"", 1
    while len(out) < n:
        block = hmac.new(secret, block + info + bytes([i]), getattr(hashlib, digest)).digest()
        out += block
        i += 1
    return out[:n]


class Crafted(Raw):
    """A client with a good handshake that then encrypts its records itself."""

    def __init__(self, s, port, ca, timeout=h.DEADLINE):
        fd, log = tempfile.mkstemp()
        os.close(fd)
        ctx = ca.context()
        ctx.minimum_version = ssl.TLSVersion.TLSv1_3
        ctx.keylog_filename = log
        super().__init__(s, port, ctx, timeout=timeout)
        self.handshake()
        self.greeting = self.line()
        with open(log) as f:
            keys = {line.split()[0]: line.split()[2] for line in f if not line.startswith("#")}
        os.unlink(log)
        self.cipher = self.tls.cipher()[0]
        self.digest = "sha384" if "384" in self.cipher else "sha256"
        self.take(bytes.fromhex(keys["CLIENT_TRAFFIC_SECRET_0"]))

    def take(self, secret):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
        chacha = "CHACHA" in self.cipher
        key = expand(secret, b"key", 32 if chacha or "256_GCM" in self.cipher else 16, self.digest)
        self.iv = expand(secret, b"iv", 12, self.digest)
        self.aead = ChaCha20Poly1305(key) if chacha else AESGCM(key)
        self.secret, self.seq = secret, 0

    def put(self, kind, body, pad=0):
        """One record, not sent."""
        inner = body + bytes([kind]) + bytes(pad)
        head = b"\x17\x03\x03" + struct.pack(">H", len(inner) + 16)
        nonce = bytes(a ^ b for a, b in zip(self.iv, bytes(4) + struct.pack(">Q", self.seq)))
        self.seq += 1
        return head + self.aead.encrypt(nonce, inner, head)

    def key_update(self, wanted):
        out = self.put(HANDSHAKE, b"\x18\0\0\x01" + bytes([wanted]))
        self.take(expand(self.secret, b"traffic upd", len(self.secret), self.digest))
        return out


# ---- what the processes have ---------------------------------------------------------------------------------

def opened(s, pid):
    """How many descriptors the process has; without those of the log, of which a thread opens the next segment when it comes to it."""
    n = 0
    if not h.ROOT:
        return n        # only root may look
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            n += not os.readlink("/proc/%d/fd/%s" % (pid, fd)).startswith(s.spool + "/log/")
        except FileNotFoundError:
            pass        # closed meanwhile
    return n


def descriptors(s):
    """Process id and number of descriptors of each process."""
    return {r: [(p, opened(s, p)) for p in s.pids(r)] for r in h.PROGRAMS}


def wait_as_before(s, before, what):
    """The same processes, and no descriptor more."""
    def same():
        now = descriptors(s)
        return all(len(now[r]) == len(before[r]) and all(a[0] == b[0] and a[1] <= b[1] for a, b in zip(now[r], before[r])) for r in before)
    try:
        h.wait_for("the descriptors to be closed after " + what, same)
    except AssertionError:
        print("# before %r\n# now    %r" % (before, descriptors(s)))
        raise
    h.ok(True, what + ": the same processes, and no descriptor more")


def busy(s, seconds=1):
    """Processes that use a tenth of the time though nothing is to be done."""
    def used():
        out = {}
        for r in h.PROGRAMS:
            for p in s.pids(r):
                with open("/proc/%d/stat" % p) as f:
                    w = f.read().rsplit(")", 1)[1].split()
                out[r, p] = (int(w[11]) + int(w[12])) / os.sysconf("SC_CLK_TCK")
        return out
    before = used()
    time.sleep(seconds)
    return [k for k, v in used().items() if v - before.get(k, v) > seconds / 10]
