"""Puts what is marked as behind others at a lower priority, and nothing else."""

import os
import sys

import pytest

from local.priority import BEHIND, NICENESS, Turns

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only there a thread has a priority of its own")


def niceness(event: dict[str, object], context: object) -> int:
    """Return that of the calling thread."""
    assert BEHIND not in event
    return os.getpriority(os.PRIO_PROCESS, 0)


@on_linux
def test_an_event_that_is_behind_others_lowers_the_priority_for_itself_only() -> None:
    turns, usual = Turns(niceness), os.getpriority(os.PRIO_PROCESS, 0)
    events = [{}, {BEHIND: True}, {}, {BEHIND: True}]
    lower = min(usual + NICENESS, 19)
    assert [turns.call(event, None) for event in events] == [usual, lower, usual, lower]


@on_linux
def test_the_first_event_keeps_the_priority_for_the_processes_that_it_starts() -> None:
    assert Turns(niceness).call({BEHIND: True}, None) == os.getpriority(os.PRIO_PROCESS, 0)


def test_an_error_of_the_handler_is_raised() -> None:
    def fail(event: object, context: object) -> None:
        raise LookupError("no")

    turns = Turns(fail)
    for event in ({}, {BEHIND: True}):
        with pytest.raises(LookupError):
            turns.call(event, None)
