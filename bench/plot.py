"""A plot without any library: throughput and latency over concurrency, as SVG."""
import math
import statistics

COLOURS = {"Pabal": "#c0392b", "Postfix (discards)": "#7f8c8d", "Postfix virtual(8)": "#2471a3", "Postfix + Dovecot LMTP": "#1e8449",
           "OpenSMTPD": "#b7950b"}
W, H, LEFT, TOP, WIDE, HIGH = 1000, 820, 70, 50, 380, 290


def escape(s):
    return s.replace("&", "&amp;").replace("<", "&lt;")


class Panel:
    """One diagram; both axes are logarithmic. series: {name: [(x, y)]}."""

    def __init__(self, column, row, title, unit, series):
        self.x0, self.y0 = LEFT + column * (WIDE + 100), TOP + row * (HIGH + 100)
        self.title, self.unit = title, unit
        self.series = {k: [(x, y) for x, y in v if y and y > 0] for k, v in series.items()}
        self.series = {k: v for k, v in self.series.items() if v}
        points = [p for v in self.series.values() for p in v] or [(1, 1)]
        self.xs = sorted({x for x, _ in points})
        low, high = min(y for _, y in points), max(y for _, y in points)
        self.low, self.high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
        if self.low == self.high:
            self.high *= 10

    def x(self, v):
        a, b = math.log(self.xs[0]), math.log(self.xs[-1])
        return self.x0 + (WIDE * (math.log(v) - a) / (b - a) if b > a else WIDE / 2)

    def y(self, v):
        return self.y0 + HIGH * (1 - math.log(v / self.low) / math.log(self.high / self.low))

    def svg(self):
        out = ['<text x="%d" y="%d" class="t">%s</text>' % (self.x0, self.y0 - 14, escape(self.title))]
        v = self.low
        while v <= self.high * 1.001:
            out.append('<path d="M%d %.1fh%d" class="g"/><text x="%d" y="%.1f" class="a">%g</text>' % (
                self.x0, self.y(v), WIDE, self.x0 - 8, self.y(v) + 4, v))
            v *= 10
        for x in self.xs:
            out.append('<path d="M%.1f %dv%d" class="g"/><text x="%.1f" y="%d" class="m">%g</text>' % (
                self.x(x), self.y0, HIGH, self.x(x), self.y0 + HIGH + 18, x))
        out.append('<text x="%d" y="%d" class="m">connections</text>' % (self.x0 + WIDE / 2, self.y0 + HIGH + 36))
        out.append('<text x="%d" y="%d" class="a">%s</text>' % (self.x0 - 8, self.y0 - 14, self.unit))
        for name, points in self.series.items():
            colour = COLOURS.get(name, "#333")
            path = " ".join("%s%.1f %.1f" % ("L" if i else "M", self.x(x), self.y(y)) for i, (x, y) in enumerate(sorted(points)))
            out.append('<path d="%s" fill="none" stroke="%s" stroke-width="2"/>' % (path, colour))
            out += ['<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>' % (self.x(x), self.y(y), colour) for x, y in points]
        return out


def plot(results, size, path):
    def series(work, metric):
        out = {}
        for (w, case, system), d in results.data.items():
            if w == work and case[0] == size and d.get(metric):
                out.setdefault(system, []).append((case[1], statistics.median(d[metric])))
        return out
    panels = [Panel(0, 0, "accepted by SMTP, " + size, "msg/s", series("a", "rate")),
              Panel(1, 0, "median of the final reply, " + size, "ms", series("a", "p50")),
              Panel(0, 1, "end to end into the mailbox, " + size, "msg/s", series("b", "rate")),
              Panel(1, 1, "p99 of the final reply, end to end", "ms", series("b", "p99"))]
    if not any(p.series for p in panels):
        return False
    names = list(dict.fromkeys(n for p in panels for n in p.series))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">' % (W, H),
           "<style>.t{font-weight:bold}.a{text-anchor:end;fill:#555}.m{text-anchor:middle;fill:#555}.g{stroke:#ddd;fill:none}</style>",
           '<rect width="%d" height="%d" fill="#fff"/>' % (W, H)]
    for p in panels:
        if p.series:
            out += p.svg()
    for i, n in enumerate(names):
        x = LEFT + i * 190
        out.append('<rect x="%d" y="%d" width="14" height="14" fill="%s"/><text x="%d" y="%d">%s</text>' % (
            x, H - 28, COLOURS.get(n, "#333"), x + 20, H - 16, escape(n)))
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n</svg>\n")
    return True
