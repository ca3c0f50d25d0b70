"""Searches the memory of a process; only root may."""

MAPPING_MAX = 1 << 32      # larger are only the shadows of the sanitizers


def memory(pid):
    """All readable memory of a process, mapping by mapping."""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            where, perms = line.split()[:2]
            start, end = (int(x, 16) for x in where.split("-"))
            if "r" not in perms or end - start > MAPPING_MAX or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            tail = b""
            for at in range(start, end, 1 << 24):
                try:
                    mem.seek(at)
                    got = mem.read(min(1 << 24, end - at))
                except (OSError, ValueError, OverflowError):
                    break
                yield tail + got
                tail = got[-4096:]


def found(pid, secrets):
    """Names of the secrets that are in the memory of the process; and how much was searched."""
    hits, size = set(), 0
    for piece in memory(pid):
        size += len(piece)
        hits |= {name for name, s in secrets.items() if s in piece}
    return hits, size
