"""What was measured, as tables; ratios beside their targets."""
import statistics

from targets import TARGETS, WORKS


def short(v):
    """A figure with three digits that mean something."""
    if v is None:
        return "–"
    if v == 0:
        return "0"
    if abs(v) >= 100:
        return "%d" % round(v)
    return "%.1f" % v if abs(v) >= 10 else "%.2f" % v if abs(v) >= 1 else "%.3f" % v


class Results:
    def __init__(self):
        self.data = {}                  # (work, case, system) -> {metric: [values]}
        self.failed = []                # what was asked for and is not here
        self.notes = []
        self.noise = {}                 # work -> runs that were disturbed

    def add(self, work, case, system, **metrics):
        d = self.data.setdefault((work, case, system), {})
        for k, v in metrics.items():
            if v is not None:
                d.setdefault(k, []).append(v)

    def noisy(self, work):
        self.noise[work] = self.noise.get(work, 0) + 1

    def values(self, work, case, system, metric):
        return self.data.get((work, case, system), {}).get(metric, [])

    def median(self, work, case, system, metric):
        v = self.values(work, case, system, metric)
        return statistics.median(v) if v else None

    def cell(self, work, case, system, metric, spread):
        v = self.values(work, case, system, metric)
        if not v:
            return "–"
        text = short(statistics.median(v))
        return "%s (%s–%s)" % (text, short(min(v)), short(max(v))) if spread and len(v) > 1 else text

    def table(self, work):
        """The table of one work, or nothing."""
        title, cases, metrics = WORKS[work.rstrip("*")]
        rows = [(c, s) for w, c, s in self.data if w == work]
        metrics = [m for m in metrics if any(self.values(work, c, s, m[0]) for c, s in rows)]
        if not rows:
            return ""
        out = ["### %s. %s%s" % (work.rstrip("*"), title, ", every flush 2 ms" if work.endswith("*") else ""), "",
               "| " + " | ".join(list(cases) + ["system"] + [m[1] for m in metrics] + ["runs"]) + " |",
               "|" + "---|" * (len(cases) + 2 + len(metrics))]
        for c, s in rows:
            cells = [self.cell(work, c, s, m[0], i == 0) for i, m in enumerate(metrics)]
            runs = max(len(v) for v in self.data[work, c, s].values())
            out.append("| " + " | ".join([str(x) for x in c] + [s] + cells + [str(runs)]) + " |")
        return "\n".join(out) + "\n"

    def ratio(self, t, work, case):
        """Ours by theirs: the median of the pairs of runs that came one after the other, or, if one of them is lost, of the medians."""
        ours = self.values(work, case, "Pabal", t.metric)
        theirs = self.values(work, case, t.peer, t.metric) if t.peer else [1] * len(ours)
        if not ours or not theirs or not all(theirs):
            return None
        if len(ours) == len(theirs):
            return statistics.median(o / p for o, p in zip(ours, theirs))
        return statistics.median(ours) / statistics.median(theirs)

    def against(self, t, suffix):
        """(worst figure over the cases of a target, in which case)"""
        worst = None
        for (w, case, system) in self.data:
            if w != t.work + suffix or system != "Pabal" or not t.fits(case):
                continue
            v = self.ratio(t, w, case)
            if v is not None and (worst is None or (v < worst[0] if t.at_least else v > worst[0])):
                worst = v, case
        return worst

    def targets(self):
        suffixes = [s for s in ("", "*") if any(w.endswith("*") == bool(s) for w, _, _ in self.data)]
        head = {"": "measured (worst case)", "*": "with 2 ms flushes"}
        out = ["| work | figure | beside | target | " + " | ".join(head[s] for s in suffixes) + " | |",
               "|---|---|---|---|" + "---|" * (len(suffixes) + 1)]
        for t in TARGETS:
            got = [self.against(t, s) for s in suffixes]
            if not any(w.rstrip("*") == t.work for w, _, _ in self.data):
                continue
            verdict = "not measured" if got[0] is None else "met" if t.met(got[0][0]) else "missed"
            cells = ["–" if g is None else t.show(g[0]) + (" (%s)" % ", ".join(str(x) for x in g[1]) if g[1] else "") for g in got]
            out.append("| %s | %s | %s | %s | %s | %s |" % (t.work, t.text, t.peer or "", t.wanted(), " | ".join(cells), verdict))
        return "\n".join(out) + "\n"

    def markdown(self, head):
        works = list(dict.fromkeys(w for w, _, _ in self.data))
        out = [head, "", "## Ratios and targets", "", self.targets(), "## Figures", ""]
        out += [self.table(w) for w in works]
        noise = ["work %s: other work used more than 0.2 of a core in %d runs, also when done again" % n for n in self.noise.items()]
        if self.failed:
            out += ["## Failed", ""] + ["- **%s**" % s for s in dict.fromkeys(self.failed)] + [""]
        if self.notes or noise:
            out += ["## Remarks", ""] + ["- " + s for s in dict.fromkeys(self.notes + noise)] + [""]
        return "\n".join(out)
