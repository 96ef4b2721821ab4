"""Schedules: cron lines, in UTC. cronsim reads them as Debian's cron does."""

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from chalicelib.errors import InvalidInput


def next_time(line: str, *, after: datetime) -> datetime:
    """Return the first moment after `after` that the cron line names. Raise InvalidInput."""
    try:
        if len(line.split()) != 5:
            raise CronSimError("it has not five fields")
        return next(CronSim(line, after.astimezone(UTC)))
    except (CronSimError, StopIteration) as error:
        raise InvalidInput(
            "schedule must be a cron line of five fields (minute, hour, day, month, weekday) that names a moment,"
            f' for example "30 6 * * 1": {error or "it never comes"}.',
            field="schedule",
        ) from error
