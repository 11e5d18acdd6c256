"""Tables in Markdown and plots of the cases: medians over the rounds, and ratios taken within each round.

The speed of a machine drifts by more than the pairs differ, so a ratio is the median of the ratios of runs that
stood next to each other, never the ratio of two medians.
"""

from statistics import median

from picture import bars

OURS, OUR_EPOLL = "longhaul", "longhaul-epoll"


def table(title, pairs, runs, foreign_share_max):
    """`runs` are those of each pair by its name."""
    better = better_peer(pairs, runs)
    rows = [row(pair.name, runs, better) for pair in pairs if pair.name in runs]
    # A column in which nobody has anything is left out.
    columns = [heading for heading in rows[0] if any(row[heading] for row in rows)]
    lines = [f"**{title}**\n", "| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    lines += ["| " + " | ".join(row[heading] for heading in columns) + " |" for row in rows]
    foreign = max(run["foreign_share"] for of_pair in runs.values() for run in of_pair)
    if foreign > foreign_share_max:
        lines.append(f"\nOther programs took up to {foreign:.2f} of a core: measure again on a quiet machine.")
    return "\n".join(lines) + "\n"


def better_peer(pairs, runs):
    peers = [pair.name for pair in pairs if not (pair.is_ours or pair.is_floor) and pair.name in runs]
    return max(peers, key=lambda name: median(efficiencies(runs[name])), default=None)


def idle_table(count, idle):
    lines = [f"**memory, {count:,} idle keep-alive connections**\n",
             "| pair | B per connection | MiB before | MiB with them |", "|---|---:|---:|---:|"]
    for own in idle:
        before, held = (own[key] / (1 << 20) for key in ("before_bytes", "held_bytes"))
        lines.append(f"| {own['pair']} | {own['each_bytes']:.0f} | {before:.1f} | {held:.1f} |")
    return "\n".join(lines) + "\n"


def plots(measured, idle):
    """`measured`: what was run, each with its `case`, its `group` and its runs by pair."""
    drawn = []
    for group in dict.fromkeys(one["group"] for one in measured):
        own = [one for one in measured if one["group"] == group]
        # µs for requests, ms for whole transfers.
        divisor, unit = (1e3, "ms") if median(costs_us(next(iter(own[0]["runs"].values())))) > 500 else (1, "µs")
        drawn.append(of_pairs(f"CPU time of the pair for each, {group}", f"{unit}, median", own,
                              lambda runs: median(costs_us(runs)) / divisor))
    paced = [one for one in measured if "req/s" in one["short"]]
    if paced:
        paced = [{**one, "short": one["case"]} for one in paced]
        drawn.append(of_pairs("Latency p99 at a fixed rate", "ms, median", paced,
                              lambda runs: median(run["latency"]["p99_us"] for run in runs) / 1e3))
    if idle:
        drawn.append(bars("Memory of an idle connection", "bytes", ["front-end and back-end together"],
                          [(own["pair"], [own["each_bytes"]]) for own in idle]))
    return drawn


def of_pairs(title, label, measured, value):
    names = dict.fromkeys(name for one in measured for name in one["runs"])
    series = [(name, [value(one["runs"][name]) if name in one["runs"] else None for one in measured]) for name in names]
    return bars(title, label, [one["short"] for one in measured], series)


def row(name, runs, better):
    """What stands under each heading."""
    own = runs[name]
    syscalls = [run["front_syscalls_per_request"] for run in own if "front_syscalls_per_request" in run]
    return {
        "pair": name,
        "req per CPU-s": f"{median(efficiencies(own)):.0f}",
        "µs per req": f"{median(costs_us(own)):.1f}",
        "best": f"{min(costs_us(own)):.1f}",
        "req/s": f"{median(run['rate_per_second'] for run in own):.0f}",
        "p50 ms": f"{median(run['latency']['p50_us'] for run in own) / 1000:.2f}",
        "p99 ms": f"{median(run['latency']['p99_us'] for run in own) / 1000:.2f}",
        "× better peer": ratio(own, runs.get(better)),
        "× our epoll": ratio(own, runs.get(OUR_EPOLL)) if name == OURS else "",
        "front syscalls/req": f"{median(syscalls):.2f}" if syscalls else "",
        "errors": f"{sum(failed(run) for run in own)}",
        "foreign": f"{max(run['foreign_share'] for run in own):.2f}",
    }


def efficiencies(runs):
    """Requests per CPU-second of both processes, run by run."""
    return [run["cpu"]["requests_per_cpu_second"] for run in runs]


def costs_us(runs):
    """CPU time of both processes per request, µs, run by run."""
    return [1e6 / max(1e-9, value) for value in efficiencies(runs)]


def ratio(own, other):
    if not other:
        return ""
    pairs = zip(efficiencies(own), efficiencies(other))
    return f"{median(mine / max(1e-9, theirs) for mine, theirs in pairs):.2f}"


def failed(run):
    """Requests that should have been answered rightly and were not."""
    errors = run["errors"]
    kinds = ("connect", "reset", "timeout", "truncated", "wrong_body", "malformed")
    return sum(errors[kind] for kind in kinds) + sum(errors["status"].values()) + run["unsent"]
