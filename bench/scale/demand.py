"""Computes what the peak of a scenario asks of each resource, how much of it there is, and what a month costs."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from msgspec import Struct

from bench.scale.inputs import Costs
from chalicelib.model.usage.costs import cost_of, find_price
from chalicelib.model.usage.usage import Usage
from deploy.costs import HOURS, PRICES, Month
from deploy.costs import costs as month_costs

DAY_S, DAYS = 86_400, 30
BYTES_OF_A_CONNECTION = 9_531_392  # RDS: max_connections is the memory divided by this, at most 5,000
MOST_CONNECTIONS = 5_000
PRICES_OF = date(2026, 11, 26)
# What takes over when a resource is full, by its name.
TAKES_OVER: Mapping[str, str] = {
    "Postgres CPU": "read replicas for searches; then tenants over several servers, Citus or Aurora Limitless",
    "Postgres commits": "provisioned IOPS or Aurora; then Citus or Aurora Limitless",
    "Postgres log": "provisioned throughput or Aurora; then Citus or Aurora Limitless",
    "connections": "RDS Proxy",
    "index memory": "a larger instance; then partitions by tenant over several servers, Citus or Aurora Limitless",
    "one search": "an approximate index of its own for that tenant, in a partition of its own",
    "Lambda concurrency": "a higher quota of the account",
    "workers": "more places of the queues; for one run of over 10,000 files Step Functions Distributed Map",
    "embedder": "a larger contract, or a model of one's own behind EMBEDDINGS_URL",
}


class Scenario(Struct, frozen=True, kw_only=True):
    """A load: tenants with so many chunks each, and what comes a second at the peak of a day, of all of them."""

    name: str
    tenants: int
    chunks: float
    awake: float
    peak: float
    files: float
    searches: float
    requests: float


class Resource(Struct, frozen=True, kw_only=True):
    """A resource, and what the peak asks of it. `grows` is False if it depends on chunks, not on load."""

    name: str
    asked: float
    there: float
    unit: str
    grows: bool = True

    @property
    def used(self) -> float:
        return self.asked / self.there


def scenario(name: str, costs: Costs) -> Scenario:
    def peak_s(what: str) -> float:
        return costs[f"{name}.{what}_a_day"] * costs[f"{name}.tenants"] * costs[f"{name}.peak"] / DAY_S

    return Scenario(
        name=name,
        tenants=int(costs[f"{name}.tenants"]),
        chunks=costs[f"{name}.chunks"],
        awake=costs[f"{name}.awake"],
        peak=costs[f"{name}.peak"],
        files=peak_s("files"),
        searches=peak_s("searches"),
        requests=peak_s("requests"),
    )


def search_s(load: Scenario, costs: Costs) -> float:
    """Return the CPU seconds of Postgres for a search of one tenant."""
    return (costs["search.postgres_ms"] + load.chunks / 1e6 * costs["search.million_chunks_ms"]) / 1000


def file_postgres_s(costs: Costs) -> float:
    return (costs["file.postgres_ms"] + costs["file.chunks"] * costs["chunk.postgres_ms"]) / 1000


def resources(load: Scenario, costs: Costs) -> list[Resource]:
    """Return all resources, the fullest first."""
    searching_s = search_s(load, costs)
    api = (load.requests + load.searches) * costs["request.lambda_s"] + load.searches * searching_s
    workers = load.files * costs["file.stage_s"]
    memory_gb = costs["postgres.vcpus"] * costs["postgres.vcpu_gb"]
    read_gb = load.tenants * load.awake * load.chunks * costs["search.read_bytes"] / 1e9
    cpu = (
        load.requests * costs["request.postgres_ms"] / 1000
        + load.searches * searching_s
        + load.files * file_postgres_s(costs)
    )
    log_mb = load.files * (costs["file.log_kb"] + costs["file.chunks"] * costs["chunk.log_kb"]) / 1000
    tokens = (
        load.files * costs["file.chunks"] * costs["chunk.tokens"] + load.searches * costs["search.tokens"]
    )
    connections = min(memory_gb * 2**30 / BYTES_OF_A_CONNECTION, MOST_CONNECTIONS)
    functions = api + 3 * workers
    places = min(costs["worker.concurrency"], load.tenants * costs["worker.of_one_tenant"])
    found = [
        Resource(name="Postgres CPU", asked=cpu, there=costs["postgres.vcpus"], unit="vCPUs"),
        Resource(
            name="Postgres commits",
            asked=load.files * costs["file.transactions"],
            there=costs["postgres.commits"],
            unit="a second",
        ),
        Resource(name="Postgres log", asked=log_mb, there=costs["postgres.log_mb_s"], unit="MB/s"),
        Resource(
            name="connections", asked=functions * costs["lambda.kept"], there=connections, unit="at once"
        ),
        Resource(
            name="index memory",
            asked=read_gb,
            there=memory_gb * costs["postgres.cached"],
            unit="GB",
            grows=False,
        ),
        Resource(name="one search", asked=searching_s, there=costs["search.most_s"], unit="s", grows=False),
        Resource(
            name="Lambda concurrency", asked=functions, there=costs["lambda.concurrency"], unit="functions"
        ),
        Resource(name="workers", asked=workers, there=places, unit="of a stage"),
        Resource(
            name="embedder", asked=tokens, there=costs["embedder.tokens_a_minute"] / 60, unit="tokens/s"
        ),
    ]
    return sorted(found, key=lambda resource: -resource.used)


def month_usd(load: Scenario, costs: Costs) -> dict[str, float]:
    """Return the dollars of a month by service, on the server that the costs name; the embedder's are of new files."""
    files, searches, requests = (
        rate / load.peak * DAY_S * DAYS for rate in (load.files, load.searches, load.requests)
    )
    of_a_search_ms = (costs["request.lambda_s"] + search_s(load, costs)) * 1000
    of_all_ms = (requests * costs["request.lambda_s"] * 1000 + searches * of_a_search_ms) / (
        requests + searches
    )
    chunks = load.tenants * load.chunks
    found = month_costs(
        Month(
            requests=int(requests + searches),
            request_ms=round(of_all_ms),
            items=int(files),
            stored_gb=chunks / costs["file.chunks"] * costs["file.stored_mb"] / 1000,
            reads=int(requests + searches),
            writes=int(requests + searches),
            nat=True,
        )
    )
    disk_gb = chunks * costs["chunk.disk_kb"] / 1e6
    server = HOURS * costs["postgres.vcpus"] * costs["price.vcpu_hour"] * costs["price.zones"]
    found["Database"] = server + disk_gb * PRICES["rds.gb_month"] * costs["price.zones"]
    found["Embedder"] = embedding_usd(
        files * costs["file.chunks"] * costs["chunk.tokens"] + searches * costs["search.tokens"]
    )
    return found


def embedding_usd(tokens: float) -> float:
    usage = Usage(provider="openai", model="text-embedding-3-small", input_tokens=int(tokens))
    cost = cost_of(usage, find_price(usage, PRICES_OF)) or Decimal(0)
    return float(cost)


def fill_days(load: Scenario, costs: Costs) -> dict[str, float]:
    """Return how many days it takes to fill the index once, by what limits it, each alone."""
    chunks = load.tenants * load.chunks
    postgres_s = chunks / costs["file.chunks"] * file_postgres_s(costs)
    files = chunks / costs["file.chunks"]
    places = min(costs["worker.concurrency"], load.tenants * costs["worker.of_one_tenant"])
    return {
        "embedder": chunks * costs["chunk.tokens"] / (costs["embedder.tokens_a_minute"] / 60) / DAY_S,
        "Postgres CPU": postgres_s / costs["postgres.vcpus"] / DAY_S,
        "workers": files * costs["file.stage_s"] / places / DAY_S,
    }
