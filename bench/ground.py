"""Where all systems keep their files: a journaled ext4 of its own in a preallocated loop file, if that can be had."""
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time


def quiet(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Ground:
    def __init__(self, cache, gib, plain=False):
        self.image = os.path.join(cache, "ground.img")
        self.gib = gib
        self.loop = None
        self.path = tempfile.mkdtemp(prefix="pabal-bench-", dir="/var/tmp")
        os.chmod(self.path, 0o755)
        self.mounted = False
        why = "asked for" if plain else self.make()
        if self.mounted:
            self.text = "ext4 with a journal in a preallocated file of %d GiB, loop device with direct I/O" % gib
        else:
            fs = quiet("stat", "-f", "-c", "%T", self.path).stdout.strip()
            self.text = "the file system of /var/tmp, %s (no loop device: %s)" % (fs, why)

    def make(self):
        """Returns why not, or None."""
        if os.geteuid() != 0:
            return "not root"
        want = self.gib << 30
        if not os.path.exists(self.image) or os.path.getsize(self.image) != want:
            free = shutil.disk_usage(os.path.dirname(self.image)).free
            if free < want + (2 << 30):
                return "only %d GiB free" % (free >> 30)
            # Zeros, not fallocate(): a write below must not allocate anything above.
            if quiet("dd", "if=/dev/zero", "of=" + self.image, "bs=4M", "count=%d" % (want >> 22), "oflag=direct", "conv=fsync").returncode != 0:
                return "the file could not be written"
        r = quiet("losetup", "--direct-io=on", "--find", "--show", self.image)
        if r.returncode != 0:
            return r.stderr.strip()
        self.loop = r.stdout.strip()
        r = quiet("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", self.loop)
        if r.returncode == 0:
            r = quiet("mount", "-t", "ext4", self.loop, self.path)
        if r.returncode != 0:
            self.drop()
            return r.stderr.strip()
        os.chmod(self.path, 0o755)
        self.mounted = True
        return None

    def flush_times(self, seconds):
        """(median ms of append 4 KiB + fdatasync, its rate from 16 threads, rate of create + fsync from 50 threads)"""
        d = os.path.join(self.path, "flush")
        os.mkdir(d)
        block, end, one, counts = b"x" * 4096, [0.0], [], {}

        def append(name):
            fd = os.open(os.path.join(d, name), os.O_CREAT | os.O_WRONLY, 0o600)
            os.write(fd, block * 1024)
            os.fsync(fd)
            os.lseek(fd, 0, 0)
            n = 0
            while time.monotonic() < end[0] and n < 1024:
                t = time.monotonic()
                os.write(fd, block)
                os.fdatasync(fd)
                one.append(time.monotonic() - t)
                n += 1
            os.close(fd)
            counts[name] = n

        def create(name):
            n = 0
            while time.monotonic() < end[0]:
                fd = os.open(os.path.join(d, "%s.%d" % (name, n)), os.O_CREAT | os.O_WRONLY, 0o600)
                os.write(fd, block)
                os.fsync(fd)
                os.close(fd)
                n += 1
            counts[name] = n

        def rate(fn, threads):
            counts.clear()
            ts = [threading.Thread(target=fn, args=("%s%d" % (fn.__name__, i),)) for i in range(threads)]
            t = time.monotonic()
            end[0] = t + seconds
            for x in ts:
                x.start()
            for x in ts:
                x.join()
            return sum(counts.values()) / (time.monotonic() - t)

        rate(append, 1)
        median = statistics.median(one) * 1000
        out = median, rate(append, 16), rate(create, 50)
        shutil.rmtree(d)
        return out

    def drop(self):
        if self.mounted:
            for _ in range(50):
                if quiet("umount", self.path).returncode == 0:
                    self.mounted = False
                    break
                time.sleep(0.2)
        if self.mounted:
            print("bench: %s is still in use and stays mounted" % self.path)
            return
        if self.loop:
            quiet("losetup", "-d", self.loop)
            self.loop = None
        shutil.rmtree(self.path, ignore_errors=True)
