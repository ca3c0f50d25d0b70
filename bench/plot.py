"""A plot without any library: throughput and latency over concurrency, as SVG."""
import math
import statistics

COLOURS = {"Pabal": "#c0392b", "Postfix (discards)": "#7f8c8d", "Postfix virtual(8)": "#2471a3", "Postfix + Dovecot LMTP": "#1e8449",
           "OpenSMTPD": "#b7950b"}
W, LEFT, TOP, WIDE, HIGH, GAP = 1000, 70, 90, 380, 250, 95


def escape(s):
    return s.replace("&", "&amp;").replace("<", "&lt;")


class Panel:
    """One diagram; both axes are logarithmic. series: {name: [(x, y)]}."""

    def __init__(self, column, row, title, series):
        self.x0, self.y0 = LEFT + column * (WIDE + 100), TOP + row * (HIGH + GAP)
        self.title = title
        self.series = {k: [(x, y) for x, y in v if y and y > 0] for k, v in series.items()}
        self.series = {k: v for k, v in self.series.items() if v}
        points = [p for v in self.series.values() for p in v] or [(1, 1)]
        self.xs = sorted({x for x, _ in points})
        low, high = min(y for _, y in points), max(y for _, y in points)
        steps = [k * 10.0 ** e for e in range(-6, 9) for k in (1, 2, 5)]
        first = max(i for i, v in enumerate(steps) if v <= low or i == 0)
        last = min(i for i, v in enumerate(steps) if (v >= high and i > first) or v == steps[-1])
        self.ticks = steps[first:last + 1]
        self.low, self.high = self.ticks[0], self.ticks[-1]

    def x(self, v):
        a, b = math.log(self.xs[0]), math.log(self.xs[-1])
        return self.x0 + (WIDE * (math.log(v) - a) / (b - a) if b > a else WIDE / 2)

    def y(self, v):
        return self.y0 + HIGH * (1 - math.log(v / self.low) / math.log(self.high / self.low))

    def svg(self):
        out = ['<text x="%d" y="%d" class="t">%s</text>' % (self.x0, self.y0 - 14, escape(self.title))]
        for v in self.ticks:
            out.append('<path d="M%d %.1fh%d" class="g"/><text x="%d" y="%.1f" class="a">%g</text>' % (
                self.x0, self.y(v), WIDE, self.x0 - 8, self.y(v) + 4, v))
        for x in self.xs:
            out.append('<path d="M%.1f %dv%d" class="g"/><text x="%.1f" y="%d" class="m">%g</text>' % (
                self.x(x), self.y0, HIGH, self.x(x), self.y0 + HIGH + 18, x))
        out.append('<text x="%d" y="%d" class="m">connections</text>' % (self.x0 + WIDE / 2, self.y0 + HIGH + 36))
        for name, points in self.series.items():
            colour = COLOURS.get(name, "#333")
            path = " ".join("%s%.1f %.1f" % ("L" if i else "M", self.x(x), self.y(y)) for i, (x, y) in enumerate(sorted(points)))
            out.append('<path d="%s" fill="none" stroke="%s" stroke-width="2"/>' % (path, colour))
            out += ['<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>' % (self.x(x), self.y(y), colour) for x, y in points]
        return out


def plot(results, sizes, path):
    """Throughput, and what 99 of 100 final replies took at most, of works a and b; False: there is nothing to show."""
    def series(work, size, metric):
        out = {}
        for (w, case, system), d in results.data.items():
            if w == work and case[0] == size and d.get(metric):
                out.setdefault(system, []).append((case[1], statistics.median(d[metric])))
        return out

    panels = []
    for work, what in (("a", "accepted by SMTP"), ("b", "end to end, into the mailbox")):
        for size in sizes:
            if series(work, size, "rate"):
                row = len(panels) // 2
                panels += [Panel(0, row, "%s, %s: messages a second" % (what, size), series(work, size, "rate")),
                           Panel(1, row, "%s, %s: p99 of the reply, ms" % (what, size), series(work, size, "p99"))]
    if not panels:
        return False
    names = list(dict.fromkeys(n for p in panels for n in p.series))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">' % (
               W, TOP + len(panels) // 2 * (HIGH + GAP)),
           "<style>.t{font-weight:bold}.a{text-anchor:end;fill:#555}.m{text-anchor:middle;fill:#555}.g{stroke:#ddd;fill:none}</style>", '<rect width="100%" height="100%" fill="#fff"/>']
    for i, n in enumerate(names):
        x = LEFT + i * 185
        out.append('<rect x="%d" y="22" width="14" height="14" fill="%s"/><text x="%d" y="34">%s</text>' % (x, COLOURS.get(n, "#333"), x + 20, escape(n)))
    for p in panels:
        if p.series:
            out += p.svg()
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n</svg>\n")
    return True
