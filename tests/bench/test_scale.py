"""The computation of docs/scaling.md: nothing is lost, nobody waits too long, the costs decide what is full first."""

from random import Random

import pytest

from bench.scale import __main__ as scale
from bench.scale import inputs
from bench.scale.demand import TAKES_OVER, month_usd, resources, scenario
from bench.scale.inputs import BadNumber, read_costs
from bench.scale.simulation import Job, Outcome, Station, simulate

COSTS = read_costs()
MANY = scenario("many", COSTS)


def test_the_documents_tables_are_the_commands() -> None:
    assert scale.DOCS.read_text(encoding="utf-8") == scale.document(), "run python -m bench.scale --write"


def test_every_number_has_its_source_and_every_resource_what_takes_over() -> None:
    for name, entry in inputs.table().items():
        assert entry.keys() == {"value", "unit", "source"} and entry["source"], name
        assert name in scale.listing()
    assert {each.name for each in resources(MANY, COSTS)} == TAKES_OVER.keys()


def ran(*, factor: float, seed: int = 1, flood: int = 0) -> Outcome:
    return scale.run(MANY, COSTS, factor=factor, seconds=30, seed=seed, flood=flood)


def test_every_arrival_is_served_or_still_there() -> None:
    for factor, flood in ((0.5, 0), (3.0, 0), (0.5, 200)):
        outcome = ran(factor=factor, flood=flood)
        served = sum(job.ended is not None for job in outcome.jobs)
        waiting = sum(map(len, outcome.stations.values()))
        begun = sum(station.busy for station in outcome.stations.values())
        assert served + waiting + begun == len(outcome.jobs) > 500, (factor, flood)
        assert all(0 <= station.busy <= station.places for station in outcome.stations.values())
    assert waiting == 0 or outcome.unserved("file") > 0


def test_the_same_seed_gives_the_same_and_another_one_others() -> None:
    times = [ran(factor=1.0, seed=seed).took_s("file") for seed in (1, 1, 2)]
    assert times[0] == times[1] != times[2]


def test_a_tenant_with_nothing_waiting_begins_after_one_turn_of_each_before_it() -> None:
    draw, most_s = Random(3), 2.0
    for places in (1, 4):
        station = Station(places)
        jobs = [
            Job(
                "file",
                min(draw.randrange(40), draw.randrange(40)),
                draw.uniform(0, 100),
                [("it", draw.uniform(0, most_s))],
            )
            for _ in range(60 * places)
        ] + [Job("file", 0, 0.0, [("it", most_s)]) for _ in range(40 * places)]
        simulate(sorted(jobs, key=lambda job: job.arrived), {"it": station}, seconds=10_000)
        assert max(before for _, before in station.waits) > 5 and all(job.ended for job in jobs)
        for wait, before in station.waits:
            assert wait <= (before // places + 1) * most_s + 1e-9, (places, before)


def test_a_flood_leaves_the_others_their_time_and_has_its_cap() -> None:
    quiet, flooded = ran(factor=1.0), ran(factor=1.0, flood=500)
    others = range(1, MANY.tenants)
    middle = [
        sorted(each.took_s("file", others))[len(each.took_s("file", others)) // 2]
        for each in (quiet, flooded)
    ]
    assert middle[1] <= 1.2 * middle[0]
    assert len(flooded.stations["process"]) > 100  # the flood itself waits
    assert flooded.stations["process"].cap == 10


def test_what_is_full_first_changes_with_the_costs() -> None:
    def first(*given: str) -> str:
        costs = read_costs(given)
        return resources(scenario("many", costs), costs)[0].name

    assert first() == "index memory"
    assert first("search.read_bytes=1", "search.million_chunks_ms=2000") == "Postgres CPU"
    light = ["search.read_bytes=1", "search.million_chunks_ms=1"]
    assert first(*light) == "embedder"
    light.append("embedder.tokens_a_minute=1e9")
    assert first(*light) == "workers"
    assert first(*light, "postgres.commits=10") == "Postgres commits"
    assert first(*light, "postgres.log_mb_s=0.1") == "Postgres log"
    assert first(*light, "lambda.concurrency=5") == "Lambda concurrency"
    assert first(*light, "lambda.kept=5000") == "connections"
    assert first(*light, "search.most_s=0.01") == "one search"


def test_the_queue_is_where_the_costs_say() -> None:
    slow = read_costs(["embedder.tokens_a_minute=10000", "search.million_chunks_ms=1"])
    outcome = scale.run(scenario("many", slow), slow, factor=1.0, seconds=30, seed=1)
    queues = {name: len(station) for name, station in outcome.stations.items()}
    assert max(queues, key=lambda name: queues[name]) == "embedder" and queues["embedder"] > 50


def test_the_sums_by_hand() -> None:
    asked = {each.name: each.asked for each in resources(MANY, COSTS)}
    files, searches = 50 * 1000 * 5 / 86_400, 100 * 1000 * 5 / 86_400
    assert asked["embedder"] == pytest.approx(files * 10 * 128 + searches * 20)
    assert asked["Postgres commits"] == pytest.approx(files * 13)
    assert asked["index memory"] == pytest.approx(0.2 * 1000 * 1e6 * 200 / 1e9)
    month = month_usd(MANY, COSTS)
    assert month["Database"] == pytest.approx(730 * 16 * 0.1195 * 2 + 1e9 * 10 / 1e6 * 0.115 * 2)
    assert month["Embedder"] == pytest.approx(
        (50 * 1000 * 30 * 10 * 128 + 100 * 1000 * 30 * 20) * 0.02 / 1e6, rel=1e-4
    )


def test_bad_numbers_are_refused_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, said in (
        ("postgres.vcpus=-1", "postgres.vcpus: a number above 0"),
        ("postgres.vcpus=2.5", "postgres.vcpus: a whole number"),
        ("many.awake=2", "many.awake: a share is at most 1"),
        ("chunk.tokens=nan", "chunk.tokens: a number above 0"),
        ("chunk.tokens=inf", "chunk.tokens: a number above 0"),
        ("chunk.tokens=many", "chunk.tokens: a number is needed, as chunk.tokens=128, not 'many'"),
        ("chunk.tokens", "chunk.tokens: a number is needed"),
        ("nothing=1", "nothing: there is no such number"),
    ):
        with pytest.raises(BadNumber, match="^" + said.replace(".", r"\.")):
            read_costs([given])
    for arguments, said in (
        (["--set", "file.chunks=0"], "file.chunks: a number above 0"),
        (["--seconds", "0"], "--seconds"),
    ):
        monkeypatch.setattr("sys.argv", ["scale", *arguments])
        with pytest.raises(SystemExit) as stopped:
            scale.main()
        assert stopped.value.code == 2 and said in capsys.readouterr().err
