"""A queue that is away or refuses holds up its own tasks, and nothing else."""

from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import Misconfigured, Unavailable
from chalicelib.events import handlers
from chalicelib.model.work.tasks import POLICIES
from chalicelib.ops.work.wake import USERS_AT_ONCE, wake
from chalicelib.stores.aws.queues import Queues
from chalicelib.wiring import clients
from tests.support.talking import Talk
from tests.support.world import World, jpeg

AT_ONCE = POLICIES["answer"].at_once


def delete_queue(world: World, name: str = "run") -> None:
    sqs = world.aws.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=f"collections-local-{name}")["QueueUrl"])


def make_queue(world: World, name: str = "run") -> None:
    world.aws.client("sqs").create_queue(QueueName=f"collections-local-{name}")


def make_runs(world: World, user: str, count: int, *, kind: str = "answer", state: str = "ready") -> None:
    lease = "now() + interval '1 hour', now()" if state == "running" else "NULL, NULL"
    world.sql(
        f"INSERT INTO users (id) VALUES ('{user}') ON CONFLICT DO NOTHING;"
        "INSERT INTO tasks (user_id, run_id, stage, input, state, lease_until, woken_at)"
        f" SELECT '{user}', gen_random_uuid(), '{kind}', '{{}}', '{state}', {lease} FROM generate_series(1, {count})"
    )


def unwoken(world: World) -> list[tuple[str, str, int]]:
    return world.sql(  # type: ignore[return-value]
        "SELECT user_id, stage, count(*) FROM tasks WHERE woken_at IS NULL AND state = 'ready'"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    )


def test_a_deleted_queue_has_no_other_queues_messages_sent_again_and_again(world: World) -> None:
    for user in ("alice", "zoe"):
        make_runs(world, user, 1)
        make_runs(world, user, 2, kind="embed")
    delete_queue(world)
    for _ in range(2):
        with pytest.raises(Misconfigured):
            handlers.minute_passed()
    make_queue(world)
    assert unwoken(world) == [("alice", "answer", 1), ("zoe", "answer", 1)]
    assert len(world.messages()) == 4
    handlers.minute_passed()
    assert (unwoken(world), len(world.messages())) == ([], 2)


def test_a_worker_whose_next_queue_is_gone_has_its_message_delivered_again(world: World) -> None:
    make_runs(world, "alice", 1)
    make_runs(world, "alice", 1, kind="embed")
    delete_queue(world)
    with pytest.raises(Misconfigured):
        wake("alice", db=world.db, queues=wiring.queues())
    assert unwoken(world) == [("alice", "answer", 1)]


def test_what_a_queue_refuses_of_a_batch_is_sent_later(world: World) -> None:
    make_runs(world, "alice", 3, kind="embed")

    class Refusing:
        """SQS, which takes all of a batch but one message."""

        def __getattr__(self, name: str) -> Any:
            return getattr(clients.sqs(), name)

        def send_message_batch(self, **given: Any) -> Any:
            first, second, *others = given["Entries"]
            sent = clients.sqs().send_message_batch(**given | {"Entries": [first, *others]})
            refused = {"Id": second["Id"], "SenderFault": False, "Code": "InternalError"}
            return sent | {"Failed": [refused]}

    with pytest.raises(Unavailable):
        wake("alice", db=world.db, queues=Queues(Refusing, prefix="collections-local"))
    ids = [number for (number,) in world.sql("SELECT id FROM tasks ORDER BY id")]
    assert world.sql("SELECT id FROM tasks WHERE woken_at IS NULL") == [(ids[1],)]
    assert len(world.messages()) == 2
    handlers.minute_passed()
    assert len(world.messages()) == 1


def test_the_relay_comes_to_every_user_however_many_have_no_free_place(world: World) -> None:
    for number in range(USERS_AT_ONCE + 5):
        make_runs(world, f"a{number:03}", AT_ONCE, state="running")
        make_runs(world, f"a{number:03}", 1)
    make_runs(world, "bob", 1)
    handlers.minute_passed()
    assert "bob" not in [user for user, _, _ in unwoken(world)]


def test_the_bus_has_its_events_without_the_queue(world: World) -> None:
    world.ingest("alice/a.jpg", jpeg())
    world.sql("UPDATE outbox SET published_at = NULL, locked_until = NULL")
    make_runs(world, "alice", 1)
    delete_queue(world)
    with pytest.raises(Misconfigured):
        handlers.minute_passed()
    assert len(world.published()) == 3


def test_the_sweep_does_its_other_steps_without_the_queue(world: World) -> None:
    world.deliver(world.put("alice/a.jpg", jpeg()))
    world.messages()
    world.put("alice/b.jpg", jpeg("blue"))
    world.sql("UPDATE tasks SET woken_at = now() - interval '1 hour', run_after = now() - interval '1 hour'")
    delete_queue(world, "analyze")
    world.sql("INSERT INTO object_deletions (user_id, key) VALUES ('alice', 'alice/c.jpg')")
    with pytest.raises(Misconfigured):
        world.sweep()
    assert unwoken(world) == [("alice", "process", 2)], "the lost one, and the one whose event was lost"
    assert world.sql("SELECT count(*) FROM object_deletions") == [(0,)]


def test_a_question_is_answered_without_the_queue(talk: Talk) -> None:
    conversation = talk.begin()
    make_runs(talk.world, "alice", 1)
    delete_queue(talk.world)
    assert talk.ask(conversation, "Is anything here?").status == 201
