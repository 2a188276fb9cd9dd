"""What runs by itself: asking for replies, sweeping the past, reading what a crash left, dropping old raw bodies."""

from collections.abc import Callable

import structlog

from webapp.campaigns import queries as campaigns
from webapp.core.web import Services
from webapp.gateway.errors import GatewayError
from webapp.inbox import intake, polling, queries

log = structlog.get_logger(__name__)

FAR_SECONDS = 1800.0
REPLAY_SECONDS = 30.0
FORGET_SECONDS = 3600.0


def register(services: Services) -> None:
    """Register the periodic tasks, each one worker's at a time, and tell campaigns of replies."""
    campaigns.tell_replies(queries.count_to)
    every = services.jobs.every
    every("inbox.poll", services.settings.poll_seconds, lambda: poll(services))
    every("inbox.sweep", FAR_SECONDS, lambda: sweep_far(services), lease=1800.0)
    every("inbox.replay", REPLAY_SECONDS, lambda: intake.replay(services))
    every("inbox.forget", FORGET_SECONDS, lambda: forget(services), lease=1800.0)


def poll(services: Services) -> None:
    """New replies, and the last hours again: the one consumer of `mo_new`. Nothing happens without an account."""
    gateway = polling.gateway_of(services)
    if gateway is None:
        return
    try:
        _try("mo_new", lambda: polling.ask_new(services, gateway))
        _try("mo", lambda: polling.sweep(services, gateway, polling.RECENT))  # also where mo_new's answer was lost
    finally:
        gateway.close()


def sweep_far(services: Services) -> None:
    """The last two days, for whatever callbacks and `mo_new` missed."""
    gateway = polling.gateway_of(services)
    if gateway is None:
        return
    try:
        _try("mo", lambda: polling.sweep(services, gateway, polling.FAR))
    finally:
        gateway.close()


def _try(call: str, ask: Callable[[], polling.Asked]) -> None:
    try:
        found = ask()
    except GatewayError as error:
        log.warning("replies could not be asked for", call=call, error=type(error).__name__, detail=str(error))
        return
    if found.read.new:
        log.info("replies came in", call=call, new=found.read.new)


def forget(services: Services) -> None:
    """Drop raw bodies that are older than 40 days, some thousands a transaction."""
    gone = intake.FORGET_CHUNK
    while gone == intake.FORGET_CHUNK:
        with services.db.writing(durable=False) as session:
            gone = intake.forget_old(session)
