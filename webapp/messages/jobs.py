"""Periodic work of the outbox."""

from functools import partial

from webapp.core.web import Services
from webapp.messages import counters, polling, retention, rounds


def register(services: Services) -> None:
    """Name the sweeps; some worker runs each when it is due."""
    counters.set_zone(services.settings.timezone)
    every, poll_seconds = services.jobs.every, services.settings.poll_seconds
    every("statuses", poll_seconds, partial(polling.poll, services), lease=polling.LEASE)
    every("receipts.forget", retention.SECONDS, partial(retention.forget_old, services.db), lease=1800.0)
    every("gateway.probe", min(poll_seconds, 60), partial(polling.probe, services))
    for name, seconds in rounds.TICK_SECONDS.items():
        every(f"counters.{name}", seconds, partial(rounds.go_on, services.db, name), lease=1800.0)
