import socket
import harness as h


class Line:
    """A connection on which lines are said and heard."""

    def __init__(self, s, port, ctx=None):
        self.sock = socket.create_connection((s.addr, port), h.DEADLINE)
        if ctx:
            self.tls(ctx)
        self.f = self.sock.makefile("rb")

    def tls(self, ctx):
        self.sock = ctx.wrap_socket(self.sock, server_hostname="mx.daum.test")
        self.f = self.sock.makefile("rb")

    def say(self, text):
        self.sock.sendall(text.encode())

    def hear(self):
        return self.f.readline().decode().rstrip("\r\n")

    def tagged(self, tag):
        while True:
            line = self.hear()
            if not line or line.startswith(tag + " "):
                return line
