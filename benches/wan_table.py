"""The Markdown table and the plots of `benches/wan`: medians over the rounds, latencies over all rounds together."""

from statistics import median

from picture import axis

HEADINGS = ["loss", "way", "download Mbit/s", "of it steady", "queue ms", "CPU ms/MB", "pages p50 ms", "p90", "p99", "failed",
            "urgent p50 ms", "p99", "failed", "download beside, Mbit/s", "many users: CPU µs/request", "p50 ms", "p99"]
# Of each part of a run.
CELLS_PER_PART = 4
# The share of a download that is left out of `steady`: handshake and slow start.
START_SHARE = 0.25


def table(runs):
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---" + "|---:" * (len(HEADINGS) - 2) + "|"]
    lines += [row(loss, way, own) for loss, way, own in grouped(runs)]
    late = max(run["late_us"]["p99"] for run in runs)
    cores = max(run[part]["busy_cores"] for run in runs for part in parts_of(runs))
    lines.append(f"\nThe emulators handed packets out {late} us late at most (p99, worst run); up to {cores:.1f} cores were busy.")
    return "\n".join(lines) + "\n"


def parts_of(runs):
    """The parts that were measured."""
    return [part for part in ("bulk", "pages", "urgent") if part in runs[0]]


def grouped(runs):
    """The runs of each path and way, in the order in which they came."""
    groups = {}
    for run in runs:
        groups.setdefault((run["loss"], run["way"]), []).append(run)
    return [(loss, way, own) for (loss, way), own in groups.items()]


def row(loss, way, runs):
    cells = [loss, way]
    for part, make in (("bulk", bulk_cells), ("pages", page_cells), ("urgent", urgent_cells)):
        cells += make(runs) if part in parts_of(runs) else [""] * CELLS_PER_PART
    cells += [of_busy(runs, figure) for figure in ("us_per_request", "p50_ms", "p99_ms")]
    return "| " + " | ".join(cells) + " |"


def bulk_cells(runs):
    megabytes = median(sum(run["bulk"]["bins"]) / 1e6 for run in runs)
    cpu_ms = median(run["bulk"]["cpu_s"] for run in runs) * 1e3
    return [
        f"{median(rate(run['bulk']) for run in runs):.1f}",
        f"{median(rate(run['bulk'], START_SHARE) for run in runs):.1f}",
        f"{median(run['bulk']['queue_ms'] for run in runs):.1f}",
        f"{cpu_ms / max(0.001, megabytes):.1f}" if cpu_ms else "",
    ]


def page_cells(runs):
    pages = latencies(runs, "pages")
    return [quantile(pages, 0.5), quantile(pages, 0.9), quantile(pages, 0.99), str(failures(runs, "pages"))]


def urgent_cells(runs):
    urgent = latencies(runs, "urgent")
    beside = median(rate(run["urgent"]["bulk"], START_SHARE) for run in runs)
    return [quantile(urgent, 0.5), quantile(urgent, 0.99), str(failures(runs, "urgent")), f"{beside:.1f}"]


def of_busy(runs, figure):
    found = [run["busy"][figure] for run in runs if "busy" in run]
    return f"{median(found):.0f}" if found else ""


def rate(download, without=0.0):
    """Mbit/s of a download, without the first share of it."""
    bins = download["bins"][int(len(download["bins"]) * without):]
    return sum(bins) * 8 / 1e6 / (len(bins) * download["bin_s"])


def latencies(runs, part):
    return sorted(ms for run in runs for ms in run[part]["ms"])


def failures(runs, part):
    return sum(count for run in runs for count in run[part]["failures"].values())


def quantile(ascending, share):
    return f"{ascending[round((len(ascending) - 1) * share)]:.0f}" if ascending else ""


def plots(runs):
    """For each loss: the downloads over time, and how many pages were there after how long."""
    drawn = []
    for loss in dict.fromkeys(run["loss"] for run in runs):
        own = [(way, group) for at, way, group in grouped(runs) if at == loss]
        if "bulk" in parts_of(runs):
            series = [{"label": way, "shape": "line", "points": course(group)} for way, group in own]
            drawn.append({"title": f"One download, loss {loss}", "x": axis("time, s"), "y": axis("Mbit/s"), "series": series})
        titles = {"pages": "Pages of 20 KiB", "urgent": "Urgent requests beside a download"}
        for part, what in titles.items():
            if part not in parts_of(runs):
                continue
            series = [{"label": way, "shape": "steps", "points": shares(group, part)} for way, group in own]
            drawn.append({"title": f"{what}, loss {loss}", "x": axis("time to the last byte, ms", "log"),
                          "y": axis("share of requests, %"), "series": series})
    return drawn


def course(runs):
    """The median of each second over the rounds."""
    per_second = round(1 / runs[0]["bulk"]["bin_s"])
    seconds = len(runs[0]["bulk"]["bins"]) // per_second
    sums = [[sum(run["bulk"]["bins"][at * per_second:(at + 1) * per_second]) for run in runs] for at in range(seconds)]
    return [(at + 0.5, median(of_all) * 8 / 1e6) for at, of_all in enumerate(sums)]


def shares(runs, part):
    ascending = latencies(runs, part)
    count = len(ascending) + failures(runs, part)
    return [(ms, (at + 1) / count * 100) for at, ms in enumerate(ascending)]
