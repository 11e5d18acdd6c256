"""The Markdown table of one case: medians over the rounds, and ratios taken within each round.

The speed of a machine drifts by more than the pairs differ, so a ratio is the median of the ratios of runs that
stood next to each other, never the ratio of two medians.
"""

from statistics import median

HEADINGS = ["pair", "req per CPU-s", "µs per req", "best", "req/s", "p50 ms", "p99 ms", "× better peer", "× our epoll",
            "front syscalls/req", "errors", "foreign"]
OURS, OUR_EPOLL = "longhaul", "longhaul-epoll"


def print_table(title, pairs, runs, foreign_share_max):
    peers = [pair.name for pair in pairs if not pair.is_ours]
    better = max(peers, key=lambda name: median(efficiencies(runs[name])), default=None)
    print(f"**{title}**\n")
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" + "|---:" * (len(HEADINGS) - 1) + "|")
    for pair in pairs:
        print("| " + " | ".join(row(pair.name, runs, better)) + " |")
    foreign = max(run["foreign_share"] for of_pair in runs.values() for run in of_pair)
    if foreign > foreign_share_max:
        print(f"\nOther programs took up to {foreign:.2f} of a core: measure again on a quiet machine.")
    print(flush=True)


def row(name, runs, better):
    own = runs[name]
    syscalls = [run["front_syscalls_per_request"] for run in own if "front_syscalls_per_request" in run]
    return [
        name,
        f"{median(efficiencies(own)):.0f}",
        f"{median(costs_us(own)):.1f}",
        f"{min(costs_us(own)):.1f}",
        f"{median(run['rate_per_second'] for run in own):.0f}",
        f"{median(run['latency']['p50_us'] for run in own) / 1000:.2f}",
        f"{median(run['latency']['p99_us'] for run in own) / 1000:.2f}",
        ratio(own, runs.get(better)),
        ratio(own, runs.get(OUR_EPOLL)) if name == OURS else "",
        f"{median(syscalls):.2f}" if syscalls else "",
        f"{sum(failed(run) for run in own)}",
        f"{max(run['foreign_share'] for run in own):.2f}",
    ]


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
