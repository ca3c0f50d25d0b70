"""The disk is full: 452, nothing lost, deliveries and deletions still work, and it recovers by itself."""
import os
import subprocess
import smtplib
import sys
sys.path.insert(0, os.path.join(os.environ.get("abs_top_srcdir", "."), "tests/e2e"))
import harness as h
from harness import ok, same


def test():
    d = h.tempdir()
    disk = os.path.join(d, "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk], check=True)
    h._cleanups.append(lambda: subprocess.run(["umount", "-l", disk]))
    os.chmod(disk, 0o755)
    s = h.System("full", "daum.test", h.address(0), "spool_cache = 4m\n", spool_dir=disk + "/spool").start().setup("def")
    taken, refused = 0, None
    c = s.smtp()
    for n in range(200):
        big = n % 2 == 0
        text = h.letter(subject="number %d." % n, body=("z" * 76 + "\r\n") * (12000 if big else 10))
        try:
            c.sendmail("abc@daum.test", ["def@daum.test"], text)
            taken += 1
        except smtplib.SMTPResponseException as e:
            refused = e
            break
        except smtplib.SMTPRecipientsRefused as e:
            refused = smtplib.SMTPResponseException(*list(e.recipients.values())[0])
            break
    ok(refused is not None and refused.smtp_code == 452, "a full disk is answered 452", refused)
    ok(taken > 5, "until then mail was taken", taken)
    st = os.statvfs(disk)
    ok(st.f_bavail * st.f_frsize > 12 << 20, "the reserve is kept for deliveries and deletions", st.f_bavail * st.f_frsize)
    same(len(s.wait_messages("def", taken)), taken, "everything that was taken is delivered while the disk is full")
    # somebody else takes the last byte: still nothing is lost
    try:
        with open(disk + "/ballast", "wb", buffering=0) as f:
            while f.write(b"\0" * 65536) > 0:
                pass
    except OSError:
        pass
    # spoold looks at the free space once a second and tells smtpd
    h.wait_for("452 to MAIL with no byte left", lambda: c.mail("abc@daum.test")[0] == 452 or not c.rset())
    same(s.count("def"), taken, "mail can still be read")
    os.unlink(disk + "/ballast")
    p = s.pop3("def")
    for i in range(taken):
        p.dele(i + 1)
    p.quit()
    same(s.count("def"), 0, "deletion works on a full disk")

    def again():
        s.pabal("spool", "compact", check=False)
        try:
            s.send("abc@daum.test", ["def@daum.test"], h.letter(subject="number 999."))
            return True
        except smtplib.SMTPException:
            return False

    h.wait_for("mail to be taken again after space came back", again)
    got = s.wait_messages("def", 1)
    ok(b"number 999." in got[0], "it recovers by itself", got)
    same(s.stop(), 0, "it stops in order")


if not h.ROOT:
    h.skip_all("mounting a small file system needs root")
h.run(test)
