"""One limit, sixteen threads in two processes: exact, whoever is first."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from chalicelib.model.accounts.limits import MICROSECONDS, Limit
from tests.support.counted_limits import TABLE, Counted, impatient, row
from tests.support.emulated import Emulated


@dataclass(frozen=True)
class Tally:
    """Responses that the threads of one process got, and the times of the first and the last admission."""

    admitted: int
    requests: int
    writes: int
    first_us: int
    last_us: int


SHARED = Limit(name="user-burst", quota=40, window_s=2)
SHARED_FOR_LONG = Limit(name="user-sustained", quota=50_000, window_s=3600)
_barriers: list[Any] = []


def start_together(barrier: Any) -> None:
    _barriers.append(barrier)


def now() -> int:
    return time.time_ns() // 1000


class OnTime(Counted):
    """Its clock is the machine's."""

    @property
    def now_us(self) -> int:
        return now()

    @now_us.setter
    def now_us(self, _: int) -> None: ...


def ask_for(port: int, seconds: float, key: str) -> Tally:
    """Eight threads ask as often as they are told they may, in a process of their own."""
    counted = OnTime(impatient(port))
    _barriers[0].wait(60)
    until_us = now() + int(seconds * MICROSECONDS)

    def ask(_: int) -> tuple[int, list[int]]:
        requests, times = 0, []
        while (since_us := now()) < until_us:
            answer = counted.store.take(key, [SHARED, SHARED_FOR_LONG])
            requests += 1
            if answer.admitted:
                times += [since_us, now()]
            else:
                time.sleep(answer.retry_after_us / MICROSECONDS)
        return requests, times

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(ask, range(8)))
    times = sorted(time_us for _, times in told for time_us in times)
    return Tally(
        len(times) // 2, sum(requests for requests, _ in told), counted.writes, min(times), max(times)
    )


def test_sixteen_threads_in_two_processes_share_one_limit_exactly(aws: Emulated, key: str) -> None:
    processes = get_context("spawn")
    with processes.Pool(2, initializer=start_together, initargs=(processes.Barrier(2),)) as pool:
        tallies = pool.starmap(ask_for, [(aws.emulator.port, 6.0, key)] * 2)
    admitted = sum(tally.admitted for tally in tallies)
    elapsed_us = max(tally.last_us for tally in tallies) - min(tally.first_us for tally in tallies)
    entitled = SHARED.quota + elapsed_us / SHARED.interval_us
    requests, writes = sum(tally.requests for tally in tallies), sum(tally.writes for tally in tallies)
    print(f"{admitted=} {entitled=:.1f} {requests=} {writes=} {tallies}")
    assert SHARED.quota < admitted <= entitled
    assert writes <= (1 + 2) * requests, (
        "on a machine too slow to use the limits up, each may turn busy once a request"
    )
    assert all(tally.admitted for tally in tallies)


def test_the_emulated_table_judges_and_writes_as_one_step(aws: Emulated, key: str) -> None:
    """As DynamoDB does: of writes with the same condition one succeeds, and no addition gets lost."""
    dynamodb = aws.client("dynamodb")

    def write(condition: str, change: str, values: dict[str, str]) -> bool:
        try:
            dynamodb.update_item(
                TableName=TABLE,
                Key={"id": {"S": key}},
                ConditionExpression=condition,
                UpdateExpression=change,
                ExpressionAttributeValues={name: {"N": value} for name, value in values.items()},
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def step(number: int) -> tuple[bool, bool]:
        seen, one = str(number // 4), {":one": "1"}
        won = write(
            "attribute_not_exists(n) OR n = :seen",
            "SET n = :next",
            {":seen": seen, ":next": str(number // 4 + 1)},
        )
        return won, write("attribute_exists(n)", "ADD added :one", one)

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads alternate inside each write, and not once in a thousand
    try:
        with ThreadPoolExecutor(4) as pool:
            rounds = [list(pool.map(step, range(4 * n, 4 * n + 4))) for n in range(40)]
    finally:
        sys.setswitchinterval(interval_s)
    assert [sum(won for won, _ in each) for each in rounds] == [1] * 40
    assert (row(aws, key)["n"], row(aws, key)["added"]) == ("40", "160")
