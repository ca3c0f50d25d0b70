"""A real Postfix as the other domain, in both directions."""
import glob
import os
import pwd
import shutil
import smtplib
import subprocess
import sys
import harness as h
from harness import ok, same

MASTER = """%(addr)s:2525 inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
MAIN = """compatibility_level = 3.6
queue_directory = %(d)s/queue
data_directory = %(d)s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = %(d)s/log
maillog_file_prefixes = %(d)s
myhostname = mx.postfix.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_tls_security_level = none
smtp_tls_security_level = none
virtual_mailbox_domains = postfix.test
virtual_mailbox_base = %(d)s/mail
virtual_mailbox_maps = inline:{ ghi@postfix.test=ghi/ }
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
virtual_minimum_uid = 1
relay_domains = daum.test
transport_maps = inline:{ daum.test=smtp:[%(peer)s]:2525 }
"""


def start_postfix(addr, peer):
    d = h.tempdir("pabal-postfix-")
    pw = pwd.getpwnam("postfix")
    for sub in ("etc", "queue", "data", "mail"):
        os.mkdir(os.path.join(d, sub))
    for sub in ("data", "mail"):
        os.chown(os.path.join(d, sub), pw.pw_uid, pw.pw_gid)
    v = {"d": d, "addr": addr, "peer": peer, "uid": pw.pw_uid, "gid": pw.pw_gid}
    for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
        with open(os.path.join(d, "etc", name), "w") as f:
            f.write(text % v)
    for f in ("postfix-files", "dynamicmaps.cf"):
        for src in ("/etc/postfix/" + f, "/usr/share/postfix/" + f):
            if os.path.exists(src):
                shutil.copy(src, os.path.join(d, "etc", f))
                break
        else:
            open(os.path.join(d, "etc", f), "w").close()
    etc = os.path.join(d, "etc")
    subprocess.run(["postfix", "-c", etc, "start"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   stdin=subprocess.DEVNULL)
    h._cleanups.append(lambda: subprocess.run(["postfix", "-c", etc, "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def up():
        try:
            smtplib.SMTP(addr, 2525, timeout=5).quit()
            return True
        except (OSError, smtplib.SMTPException):
            return False

    h.wait_for("postfix to be ready", up)
    return d


def test():
    pf, ours = h.address(0), h.address(1)
    d = start_postfix(pf, ours)
    daum = h.System("daum", "daum.test", ours, dns=[
        "postfix.test. 3600 IN MX 10 mx.postfix.test.", "mx.postfix.test. 3600 IN A " + pf]).start().setup("def")
    body = "to postfix\r\n.dot line\r\n" + "l" * 900 + "\r\n"
    daum.send("def@daum.test", ["ghi@postfix.test"], h.letter("def@daum.test", "ghi@postfix.test", body=body))
    new = h.wait_for("the letter in Postfix's mailbox", lambda: glob.glob(d + "/mail/ghi/new/*"))
    with open(new[0], "rb") as f:
        got = f.read()
    ok(got.endswith(body.replace("\r\n", "\n").encode()), "Pabal to Postfix: the body arrives as it was", got)
    ok(b"by mx.postfix.test" in got and b"by mx.daum.test" in got, "with both hops in the trace", got)
    ok(got.count(b"Return-Path:") == 1, "and one Return-Path", got)
    with smtplib.SMTP(pf, 2525) as c:
        c.sendmail("ghi@postfix.test", ["def@daum.test"], h.letter("ghi@postfix.test", body="from postfix\r\n..\r\n"))
    got = daum.wait_messages("def", 1)[0]
    ok(got.endswith(b"from postfix\r\n..\r\n"), "Postfix to Pabal: the body arrives as it was", got)
    # both refuse an unknown user; each sender gets its bounce
    daum.send("def@daum.test", ["nobody@postfix.test"], h.letter("def@daum.test", "nobody@postfix.test"))
    ok(b"5.1.1" in daum.wait_messages("def", 2)[1], "Postfix refuses: Pabal returns a bounce")
    with smtplib.SMTP(pf, 2525) as c:
        c.sendmail("ghi@postfix.test", ["nobody@daum.test"], h.letter("ghi@postfix.test", "nobody@daum.test"))
    h.wait_for("Postfix's bounce", lambda: any(b"5.1.1" in open(p, "rb").read() for p in glob.glob(d + "/mail/ghi/new/*")))
    ok(True, "Pabal refuses: Postfix returns a bounce")
    same(daum.stop(), 0, "it stops in order")


if not h.ROOT or not shutil.which("postfix"):
    h.skip_all("needs Postfix and root")
h.run(test)
