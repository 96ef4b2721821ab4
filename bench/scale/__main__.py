"""Computes from measured costs what is full first as tenants grow, at which load, and what a month costs; simulates it.

python -m bench.scale                                   both scenarios, as docs/scaling.md has them
python -m bench.scale --set postgres.vcpus=64 --set many.searches_a_day=500
python -m bench.scale --list                            all numbers, with their sources

The numbers are in bench/scale/costs.toml. The scenarios are `many` tenants, and `one` large one.
"""

import argparse
import re
import sys
from pathlib import Path

from bench.scale import inputs
from bench.scale.demand import TAKES_OVER, Scenario, fill_days, month_usd, resources, scenario
from bench.scale.demand import embedding_usd as embedded_usd
from bench.scale.inputs import BadNumber, Costs
from bench.scale.simulation import Outcome, arrivals, simulate, stations_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
BEGIN, END = "<!-- python -m bench.scale --write -->", "<!-- end of the computation -->"
SCENARIOS = ("many", "one")
SECONDS, SEED, FLOOD = 120, 7, 500
FACTORS = (0.8, 1.25)


def report(costs: Costs, *, seconds: int = SECONDS, seed: int = SEED, flood: int = FLOOD) -> str:
    """Return the computation in Markdown."""
    parts = []
    for name in SCENARIOS:
        load = scenario(name, costs)
        parts += [
            _title(load),
            _table(load, costs),
            _month(load, costs),
            _simulated(load, costs, seconds, seed, flood),
        ]
    return "\n\n".join(parts)


def _title(load: Scenario) -> str:
    who = f"{load.tenants:,} tenants" if load.tenants > 1 else "One tenant"
    return (
        f"## {who} of {load.chunks:,.0f} chunks\n\n"
        f"At the peak: {load.files:.1f} files, {load.searches:.1f} searches and {load.requests:.1f} other requests a"
        " second."
    )


def _table(load: Scenario, costs: Costs) -> str:
    rows = [
        "| resource | asked at the peak | there | used | full at | what takes over there |",
        "|---|---|---|---|---|---|",
    ]
    for each in resources(load, costs):
        full = f"{1 / each.used:.3g} x {'this load' if each.grows else 'these chunks'}"
        rows.append(
            f"| {each.name} | {each.asked:,.3g} | {each.there:,.4g} {each.unit} | {each.used:.0%} | {full} |"
            f" {TAKES_OVER[each.name]} |"
        )
    return "\n".join(rows)


def _month(load: Scenario, costs: Costs) -> str:
    usd = month_usd(load, costs)
    parts = ", ".join(
        f"{name} {sum_:,.0f}" for name, sum_ in sorted(usd.items(), key=lambda item: -item[1]) if sum_ >= 1
    )
    days = fill_days(load, costs)
    slowest = max(days, key=lambda name: days[name])
    once = embedded_usd(load.tenants * load.chunks * costs["chunk.tokens"])
    return (
        f"A month: {sum(usd.values()):,.0f} USD ({parts}). To fill the index once: {once:,.0f} USD for the embedder,"
        f" and {days[slowest]:,.0f} days, because of: {slowest} ("
        + ", ".join(f"{name} alone {count:,.0f}" for name, count in days.items() if name != slowest)
        + ")."
    )


def _simulated(load: Scenario, costs: Costs, seconds: int, seed: int, flood: int) -> str:
    """Return what the simulation finds below and above the load at which something is full, and with a flood."""
    queued = ("Postgres CPU", "Lambda concurrency", "workers", "embedder")
    first = next(each for each in resources(load, costs) if each.name in queued)
    rows = [
        f"Simulated for {seconds} s; {first.name} is the first that queues:",
        "",
        "| load | arrived | served | file, median and p95 | search | request | waiting at the end |",
        "|---|---|---|---|---|---|---|",
    ]
    for factor in FACTORS:
        ran = run(load, costs, factor=factor / first.used, seconds=seconds, seed=seed)
        rows.append(f"| {factor:.2f} of what fills it | {_outcome(ran)}")
    flooded = run(load, costs, factor=FACTORS[0] / first.used, seconds=seconds, seed=seed, flood=flood)
    rows.append(f"| {FACTORS[0]:.2f}, and {flood} files of one tenant at once | {_outcome(flooded)}")
    if load.tenants > 1:
        others = flooded.took_s("file", range(1, load.tenants))
        rows += ["", f"The others' files took {_two(others)} beside the flood."]
    return "\n".join(rows)


def run(load: Scenario, costs: Costs, *, factor: float, seconds: float, seed: int, flood: int = 0) -> Outcome:
    jobs = arrivals(load, costs, factor=factor, seconds=seconds, flood=flood, seed=seed)
    return simulate(jobs, stations_of(costs), seconds=seconds)


def _outcome(ran: Outcome) -> str:
    served = sum(job.ended is not None for job in ran.jobs)
    times = " | ".join(_two(ran.took_s(kind)) for kind in ("file", "search", "request"))
    queues = ", ".join(f"{name} {len(station)}" for name, station in ran.stations.items() if len(station))
    return f"{len(ran.jobs):,} | {served:,} | {times} | {queues or 'nobody'} |"


def _two(times: list[float]) -> str:
    if not times:
        return "none"
    return f"{times[len(times) // 2]:.2f} and {times[int(len(times) * 0.95)]:.2f} s"


def document() -> str:
    """Return docs/scaling.md with the computation as it is now."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    text = f"{BEGIN}\n{report(inputs.read_costs())}\n{END}"
    return pattern.sub(lambda _: text, DOCS.read_text(encoding="utf-8"))


def listing() -> str:
    rows = ["| name | value | unit | source |", "|---|---|---|---|"]
    for name, entry in inputs.table().items():
        rows.append(f"| {name} | {entry['value']:,} | {entry['unit']} | {entry['source']} |")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another number; repeatable"
    )
    parser.add_argument("--seconds", type=int, default=SECONDS, help="simulated seconds")
    parser.add_argument("--seed", type=int, default=SEED, help="of the arrivals")
    parser.add_argument("--flood", type=int, default=FLOOD, help="files that one tenant sends at once")
    parser.add_argument("--list", action="store_true", help="print all numbers with their sources")
    parser.add_argument("--write", action="store_true", help="write the computation to docs/scaling.md")
    asked = parser.parse_args()
    for name, least in (("seconds", 1), ("flood", 0)):
        if getattr(asked, name) < least:
            parser.error(f"--{name}: at least {least} is needed, not {getattr(asked, name)}.")
    try:
        costs = inputs.read_costs(asked.set)
    except BadNumber as error:
        parser.error(str(error))
    if asked.write:
        DOCS.write_text(document(), encoding="utf-8")
    elif asked.list:
        print(listing())
    else:
        print(report(costs, seconds=asked.seconds, seed=asked.seed, flood=asked.flood))
    return 0


if __name__ == "__main__":
    sys.exit(main())
