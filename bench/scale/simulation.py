"""Simulates arrivals, queues and fairness: discrete events, repeatable by its seed.

Jobs of three kinds (files, searches, other requests) arrive at random, each of a tenant. A job goes from station to
station; a station has so many places, and who waits there is taken by turns of the tenants, as SQS' fair queues do. A
tenant has at most `cap` places of a station. Like the app, a worker waits outside a transaction: it holds no place of
Postgres meanwhile.
"""

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from random import Random

from bench.scale.demand import Scenario, file_postgres_s, search_s
from bench.scale.inputs import Costs

STAGES = ("process", "analyze", "embed")


class Job:
    """A file, search or request of a tenant, with the stations it goes to and how long it takes there."""

    def __init__(self, kind: str, tenant: int, arrived: float, steps: Sequence[tuple[str, float]]) -> None:
        self.kind, self.tenant, self.arrived, self.steps = kind, tenant, arrived, steps
        self.at = -1
        self.joined = arrived
        self.ended: float | None = None


class Station:
    """A resource with `places`.

    `waits` has the wait of each job that came when its tenant had nothing waiting and was below its cap, and how many
    tenants waited before it.
    """

    def __init__(self, places: int, cap: int | None = None) -> None:
        self.places, self.cap = places, cap or places
        self.busy_s = 0.0
        self.waits: list[tuple[float, int]] = []
        self._running: Counter[int] = Counter()
        self._queues: OrderedDict[int, deque[tuple[Job, int | None]]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._queues.values()))

    @property
    def busy(self) -> int:
        return self._running.total()

    def join(self, job: Job) -> None:
        is_first = job.tenant not in self._queues and self._running[job.tenant] < self.cap
        before = len(self._queues) if is_first else None
        self._queues.setdefault(job.tenant, deque()).append((job, before))

    def leave(self, job: Job) -> None:
        self._running[job.tenant] -= 1

    def begin(self, now: float) -> Job | None:
        """Give the next job a place, by turns of the tenants below their cap; return None if nobody can begin."""
        if self.busy >= self.places:
            return None
        tenant = next((each for each in self._queues if self._running[each] < self.cap), None)
        if tenant is None:
            return None
        job, before = self._queues[tenant].popleft()
        if self._queues[tenant]:
            self._queues.move_to_end(tenant)
        else:
            del self._queues[tenant]
        self._running[tenant] += 1
        self.busy_s += job.steps[job.at][1]
        if before is not None:
            self.waits.append((now - job.joined, before))
        return job


class Outcome:
    """The end of a simulation: the jobs that arrived, and the stations."""

    def __init__(self, jobs: Sequence[Job], stations: Mapping[str, Station], seconds: float) -> None:
        self.jobs, self.stations, self.seconds = jobs, stations, seconds

    def took_s(self, kind: str, tenants: Iterable[int] | None = None) -> list[float]:
        """Return the sorted seconds that the served jobs of a kind took, of these tenants or of all."""
        among = None if tenants is None else set(tenants)
        return sorted(
            job.ended - job.arrived
            for job in self.jobs
            if job.kind == kind and job.ended is not None and (among is None or job.tenant in among)
        )

    def unserved(self, kind: str) -> int:
        return sum(job.kind == kind and job.ended is None for job in self.jobs)


def stations_of(costs: Costs) -> dict[str, Station]:
    workers = int(costs["worker.concurrency"]), int(costs["worker.of_one_tenant"])
    return {
        "API": Station(int(costs["lambda.concurrency"])),
        "Postgres": Station(int(costs["postgres.vcpus"])),
        "embedder": Station(1),
        **{stage: Station(*workers) for stage in STAGES},
    }


def steps_of(kind: str, load: Scenario, costs: Costs) -> list[tuple[str, float]]:
    """Return the way of a job: stations, and the seconds at each."""
    token_s = 60 / costs["embedder.tokens_a_minute"]
    if kind == "request":
        return [("API", costs["request.lambda_s"]), ("Postgres", costs["request.postgres_ms"] / 1000)]
    if kind == "search":
        asked = ("embedder", costs["search.tokens"] * token_s)
        return [("API", costs["request.lambda_s"]), asked, ("Postgres", search_s(load, costs))]
    embedded = ("embedder", costs["file.chunks"] * costs["chunk.tokens"] * token_s)
    ways = [[(stage, costs["file.stage_s"]), ("Postgres", file_postgres_s(costs) / 3)] for stage in STAGES]
    ways[-1].insert(1, embedded)
    return [step for way in ways for step in way]


def arrivals(
    load: Scenario, costs: Costs, *, factor: float, seconds: float, flood: int, seed: int
) -> list[Job]:
    """Return the jobs that arrive, in order. The flood are files of tenant 0 at the beginning."""
    draw = Random(seed)  # noqa: S311  repeatable, not secret
    jobs = []
    for kind, rate in (("file", load.files), ("search", load.searches), ("request", load.requests)):
        steps, at = steps_of(kind, load, costs), 0.0
        while (at := at + draw.expovariate(rate * factor)) < seconds:
            jobs.append(Job(kind, draw.randrange(load.tenants), at, steps))
    steps = steps_of("file", load, costs)
    jobs += [Job("file", 0, 0.0, steps) for _ in range(flood)]
    return sorted(jobs, key=lambda job: job.arrived)


def simulate(jobs: Sequence[Job], stations: Mapping[str, Station], *, seconds: float) -> Outcome:
    """Run the jobs through the stations until so many seconds have passed."""
    events = [(job.arrived, number, job) for number, job in enumerate(jobs)]
    heapq.heapify(events)
    number = len(events)
    while events and events[0][0] <= seconds:
        now, _, job = heapq.heappop(events)
        if job.at >= 0:
            stations[job.steps[job.at][0]].leave(job)
        touched = {job.steps[job.at][0]} if job.at >= 0 else set()
        job.at += 1
        if job.at == len(job.steps):
            job.ended = now
        else:
            job.joined = now
            stations[job.steps[job.at][0]].join(job)
            touched.add(job.steps[job.at][0])
        for name in sorted(touched):
            while begun := stations[name].begin(now):
                number += 1
                heapq.heappush(events, (now + begun.steps[begun.at][1], number, begun))
    return Outcome(jobs, stations, seconds)
