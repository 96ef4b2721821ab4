"""`./collections costs`: what a month costs in AWS."""

import json

import click

from deploy.costs import GUIDES, INSTANCES, PRICES_OF, STAGES, Month, costs


@click.command("costs")
@click.option("--requests", type=click.IntRange(0), default=0, help="Requests to the API in a month.")
@click.option("--ms", type=click.IntRange(1), default=100, show_default=True, help="Mean time of a request.")
@click.option(
    "--memory-mb",
    type=click.IntRange(128, 10_240),
    default=512,
    show_default=True,
    help="Of the API's function.",
)
@click.option("--items", type=click.IntRange(0), default=0, help="Files that are processed in a month.")
@click.option("--stored-gb", type=click.FloatRange(0), default=0.0, help="Files in S3.")
@click.option("--logs-gb", type=click.FloatRange(0), default=0.0, help="Lines of the log.")
@click.option("--alarms", type=click.IntRange(0), default=0)
@click.option("--instance", type=click.Choice(list(INSTANCES)), help="Of RDS.")
@click.option("--zones", type=click.IntRange(1, 2), default=1, show_default=True, help="Of RDS.")
@click.option(
    "--acu-hours", type=click.FloatRange(0), default=0.0, help="Of Aurora: capacity units times hours awake."
)
@click.option("--database-gb", type=click.FloatRange(0), default=0.0)
@click.option("--nat", is_flag=True, help="The new network has a NAT gateway.")
@click.option("--examples", is_flag=True, help="Show the months of docs/costs.md, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show_costs(
    requests: int,
    ms: int,
    memory_mb: int,
    items: int,
    stored_gb: float,
    logs_gb: float,
    alarms: int,
    instance: str | None,
    zones: int,
    acu_hours: float,
    database_gb: float,
    nat: bool,
    examples: bool,
    as_json: bool,
) -> None:
    """Compute what a stage costs a month in AWS: us-east-1, on demand, without free tiers.

    The models that you ask are not in it: their calls and costs are in GET /api/v1/usage.
    """
    if examples:
        for name, (what, claimed, month) in GUIDES.items():
            click.echo(
                f"guide {name}, {what}: ${sum(costs(month).values()):.2f}; the guide says ${claimed:.2f}"
            )
        for name, (what, month) in STAGES.items():
            click.echo(f"{name}, {what}: ${sum(costs(month).values()):.2f}")
        return
    month = Month(
        requests=requests,
        request_ms=ms,
        memory_mb=memory_mb,
        items=items,
        stored_gb=stored_gb,
        logs_gb=logs_gb,
        reads=2 * requests,  # the session and the limits of each
        writes=2 * requests,
        alarms=alarms,
        instance=instance,
        zones=zones,
        database_gb=database_gb,
        acu_hours=acu_hours,
        nat=nat,
    )
    found = costs(month)
    if as_json:
        told = {"prices_of": PRICES_OF, "usd": found, "total_usd": sum(found.values())}
        return click.echo(json.dumps(told))
    for service, usd in found.items():
        click.echo(f"{service:<12} ${usd:>9.2f}")
    click.echo(f"{'a month':<12} ${sum(found.values()):>9.2f}    prices of {PRICES_OF}, us-east-1")
