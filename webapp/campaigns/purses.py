"""Whether the credits suffice: what a purse held last, less what running campaigns have still to take from it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.errors import UserError
from webapp.credits.queries import latest
from webapp.gateway.codes import Dialect, Purse, ServiceType
from webapp.messages.models import Run, RunCount
from webapp.messages.states import RunState

_TAKING = (RunState.LAUNCHING, RunState.RUNNING, RunState.PAUSED)


@dataclass(frozen=True, slots=True)
class PurseState:
    """One purse. `balance` None = never heard of; `reserved` credits belong to campaigns that have not left yet."""

    purse: Purse
    balance: int | None
    reserved: int
    read_at: datetime | None

    @property
    def free(self) -> int | None:
        """Credits for a new campaign."""
        return None if self.balance is None else max(self.balance - self.reserved, 0)

    def after(self, credits: int) -> int | None:
        """What is left when so many credits are taken; negative where they do not suffice."""
        return None if self.balance is None else self.balance - self.reserved - credits


def purse_of(session: Session, dialect: Dialect, service: ServiceType) -> PurseState:
    """The purse that a service type is paid from."""
    reading = latest(session)
    types = [row.type for row in dialect.types.values() if row.purse == service.purse]
    debited = select(func.coalesce(func.sum(RunCount.credits), 0)).where(RunCount.run_id == Run.id).scalar_subquery()
    runs = session.execute(
        select(Run.forecast, debited).where(Run.state.in_(_TAKING), Run.type.in_(types), Run.kind == "campaign")
    )
    return PurseState(
        dialect.purses[service.purse],
        reading.purse(service.purse) if reading else None,
        sum(max(int(forecast) - int(taken), 0) for forecast, taken in runs),
        reading.at if reading else None,
    )


def check_credits(purse: PurseState, credits: int) -> None:
    """UserError with the numbers where the purse is known not to suffice; an unknown one is the gateway's to judge."""
    free = purse.free
    if free is not None and credits > free:
        raise UserError(
            "The campaign needs %(credits)s credits and the purse has %(free)s free: %(short)s are missing. "
            "Buy credits or write to fewer people.",
            credits=credits,
            free=free,
            short=credits - free,
        )
