"""Starts a real Postfix of its own, for the tests that speak with one."""
import os
import pwd
import shutil
import smtplib
import subprocess
import harness as h

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
virtual_mailbox_domains = %(domains)s
virtual_mailbox_base = %(d)s/mail
virtual_mailbox_maps = inline:{ %(boxes)s }
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
virtual_minimum_uid = 1
relay_domains = daum.test
transport_maps = inline:{ daum.test=smtp:[%(peer)s]:2525 }
"""


def start_postfix(addr, peer, domains=("postfix.test",), main="smtpd_tls_security_level = none\nsmtp_tls_security_level = none\n", master=""):
    """A Postfix at addr with ghi@ of each domain, which sends mail for daum.test to peer; its folder."""
    d = h.tempdir("pabal-postfix-")
    pw = pwd.getpwnam("postfix")
    for sub in ("etc", "queue", "data", "mail"):
        os.mkdir(os.path.join(d, sub))
    for sub in ("data", "mail"):
        os.chown(os.path.join(d, sub), pw.pw_uid, pw.pw_gid)
    v = {"d": d, "addr": addr, "peer": peer, "uid": pw.pw_uid, "gid": pw.pw_gid,
         "domains": ", ".join(domains), "boxes": ", ".join("ghi@%s=ghi/" % x for x in domains)}
    for name, text in (("main.cf", MAIN % v + main), ("master.cf", MASTER % v + master)):
        with open(os.path.join(d, "etc", name), "w") as f:
            f.write(text)
    for f in ("postfix-files", "dynamicmaps.cf"):
        for src in ("/etc/postfix/" + f, "/usr/share/postfix/" + f):
            if os.path.exists(src):
                shutil.copy(src, os.path.join(d, "etc", f))
                break
        else:
            open(os.path.join(d, "etc", f), "w").close()
    etc = os.path.join(d, "etc")
    h._cleanups.append(lambda: postfix(etc, "stop", check=False))
    postfix(etc, "start")
    wait_up(addr)
    return d


def restart_postfix(d, addr):
    etc = os.path.join(d, "etc")
    postfix(etc, "stop")
    postfix(etc, "start")
    wait_up(addr)


def postfix(etc, what, check=True):
    subprocess.run(["postfix", "-c", etc, what], check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def wait_up(addr):
    def up():
        try:
            smtplib.SMTP(addr, 2525, timeout=30).quit()
            return True
        except (OSError, smtplib.SMTPException):
            return False

    h.wait_for("postfix to be ready", up)
