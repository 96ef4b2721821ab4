"""Monthly cost of a stage in AWS, without models: prices of us-east-1, on demand, without free tiers.

docs/costs.md has tables made of this; `./collections costs` computes any other month.
"""

from collections.abc import Mapping

from msgspec import Struct

PRICES_OF = "2026-06"
HOURS = 730  # of a month, as AWS counts it
# USD by unit. Source: the public price pages, aws.amazon.com/<service>/pricing, for us-east-1.
PRICES: Mapping[str, float] = {
    "lambda.million_requests": 0.20,
    "lambda.gb_second": 0.0000166667,
    "api-gateway.million_rest_requests": 3.50,
    "dynamodb.million_reads": 0.125,
    "dynamodb.million_writes": 0.625,
    "s3.gb_month": 0.023,
    "cloudwatch.gb_of_logs": 0.50,
    "cloudwatch.alarm": 0.10,
    "sqs.million_requests": 0.40,
    "eventbridge.million_events": 1.00,
    "rds.gb_month": 0.115,
    "vpc.nat_hour": 0.045,
    "aurora.acu_hour": 0.12,
    "aurora.gb_month": 0.10,
}
# PostgreSQL, one zone, by the hour.
INSTANCES: Mapping[str, float] = {
    "db.t4g.micro": 0.016,
    "db.t4g.small": 0.032,
    "db.t4g.medium": 0.065,
    "db.t3.micro": 0.018,
    "db.t3.medium": 0.072,
}
# An item that is processed: messages and their polls, events, and seconds of the workers at 2 and 0.5 GB.
ITEM_MESSAGES, ITEM_EVENTS, ITEM_GB_S = 12, 4, 8.0
# The relay each minute, the sweeper every five; Lambda polls each of five queues 15 times a minute.
IDLE_CALLS, IDLE_GB_S, IDLE_POLLS = 52_560, 5_400, 3_240_000


class Month(Struct, frozen=True, kw_only=True):
    """The use of a month. `request_ms` is the mean time of a request, `memory_mb` that of the API's function.

    `acu_hours` is Aurora's use in capacity units times hours; a stage that sleeps most of the day uses few.
    """

    requests: int = 0
    request_ms: int = 100
    memory_mb: int = 512
    items: int = 0
    stored_gb: float = 0
    logs_gb: float = 0
    reads: int = 0
    writes: int = 0
    alarms: int = 0
    instance: str | None = None
    zones: int = 1
    database_gb: float = 0
    acu_hours: float = 0
    nat: bool = False
    is_idle_counted: bool = True


def costs(month: Month) -> dict[str, float]:
    """Return the cost in USD by service, those of nothing left out."""
    gb_s = month.requests * month.request_ms / 1000 * month.memory_mb / 1024 + month.items * ITEM_GB_S
    calls = month.requests + month.items * 4
    polls = month.items * ITEM_MESSAGES
    if month.is_idle_counted:
        gb_s, calls, polls = gb_s + IDLE_GB_S, calls + IDLE_CALLS, polls + IDLE_POLLS
    found = {
        "Lambda": calls / 1e6 * PRICES["lambda.million_requests"] + gb_s * PRICES["lambda.gb_second"],
        "API Gateway": month.requests / 1e6 * PRICES["api-gateway.million_rest_requests"],
        "DynamoDB": month.reads / 1e6 * PRICES["dynamodb.million_reads"]
        + month.writes / 1e6 * PRICES["dynamodb.million_writes"],
        "S3": month.stored_gb * PRICES["s3.gb_month"],
        "CloudWatch": month.logs_gb * PRICES["cloudwatch.gb_of_logs"]
        + month.alarms * PRICES["cloudwatch.alarm"],
        "SQS": polls / 1e6 * PRICES["sqs.million_requests"],
        "EventBridge": month.items * ITEM_EVENTS / 1e6 * PRICES["eventbridge.million_events"],
        "NAT gateway": HOURS * PRICES["vpc.nat_hour"] if month.nat else 0.0,
        "Database": _database(month),
    }
    return {service: usd for service, usd in found.items() if usd}


def _database(month: Month) -> float:
    if month.instance:
        hour = INSTANCES[month.instance] * month.zones
        return HOURS * hour + month.database_gb * PRICES["rds.gb_month"] * month.zones
    return month.acu_hours * PRICES["aurora.acu_hour"] + month.database_gb * PRICES["aurora.gb_month"]


# The guides' months: (guide, what it is, its own sum, what is used).
GUIDES: Mapping[str, tuple[str, float, Month]] = {
    "4": (
        "gateway: a million requests of 100 ms at 512 MB",
        4.00,
        Month(requests=1_000_000, reads=1_000_000, writes=100_000, logs_gb=1, is_idle_counted=False),
    ),
    "3": (
        "knowledge base: 10,000 requests of 30 s at 3 GB",
        15.00,
        Month(requests=10_000, request_ms=30_000, memory_mb=3072, is_idle_counted=False),
    ),
    "2-dev": (
        "jobs, development: 1,000 requests of 1 s at 128 MB, db.t3.micro",
        19.00,
        Month(
            requests=1_000,
            request_ms=1_000,
            memory_mb=128,
            stored_gb=20,
            instance="db.t3.micro",
            database_gb=20,
            is_idle_counted=False,
        ),
    ),
    "2-production": (
        "jobs, production: 100,000 requests of 1 s at 3 GB, db.t3.medium",
        435.00,
        Month(
            requests=100_000,
            request_ms=1_000,
            memory_mb=3072,
            stored_gb=200,
            instance="db.t3.medium",
            database_gb=20,
            is_idle_counted=False,
        ),
    ),
}
# Ours, as docs/costs.md shows them.
STAGES: Mapping[str, tuple[str, Month]] = {
    "dev, asleep": (
        "nobody is there; the database is elsewhere",
        Month(),
    ),
    "dev, in use": (
        "10,000 requests, 500 files, Aurora for 40 hours at 0.5 units, new network with NAT",
        Month(
            requests=10_000,
            items=500,
            stored_gb=5,
            logs_gb=0.5,
            reads=20_000,
            writes=20_000,
            acu_hours=20,
            database_gb=1,
            nat=True,
        ),
    ),
    "production, small": (
        "a million requests, 20,000 files, db.t4g.medium in two zones, 13 alarms, NAT",
        Month(
            requests=1_000_000,
            request_ms=150,
            items=20_000,
            stored_gb=200,
            logs_gb=10,
            reads=2_000_000,
            writes=2_000_000,
            alarms=13,
            instance="db.t4g.medium",
            zones=2,
            database_gb=50,
            nat=True,
        ),
    ),
}
