"""What these tests share: messages that were sent, and replies as the gateway tells of them."""

import json
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.web import Services
from webapp.inbox import intake
from webapp.inbox.models import Conversation, Inbound, RawInbound
from webapp.messages import outbox
from webapp.messages.models import Message, Run
from webapp.messages.reference import encode


def sent(
    services: Services, number: int, text: str = "Oferta da semana!", *, type: int = 2, name: str = "Oferta"
) -> str:
    """A campaign's message that the gateway took; returns its reference."""
    with services.db.writing() as session:
        run = outbox.open_run(
            session, kind="campaign", name=name, type=type, text=text, total=1, not_before=clock.now()
        )
        outbox.write_chunk(session, run, [outbox.NewMessage(number)], 100)
        outbox.finish_launch(session, run)
        message = session.get_one(Message, run.first_key)
        message.state, message.status = "accepted", "1"
        return encode(run.token, message.id)


def waiting(services: Services, number: int, text: str = "Ainda não saiu") -> int:
    """A campaign's message that has not left; returns its key."""
    with services.db.writing() as session:
        later = clock.now() + timedelta(days=1)
        run = outbox.open_run(session, kind="campaign", name="Amanhã", type=0, text=text, total=1, not_before=later)
        outbox.write_chunk(session, run, [outbox.NewMessage(number)], 100)
        outbox.finish_launch(session, run)
        return run.first_key


def local(moment: datetime) -> str:
    """A naive UTC moment as the gateway writes it: Brasília, no zone."""
    return clock.aware(moment).astimezone(clock.GATEWAY_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def query(number: int | str = "5511987654321", content: str = "Quero saber mais", **more: str) -> bytes:
    """A reply callback's query string."""
    given = {"number": str(number), "content": content, "id": "150", "status": "4", "carrier": "Vivo - Celular"}
    given["date"] = local(clock.now())
    given |= more
    return urlencode({name: value for name, value in given.items() if value is not None}).encode()


def body(*rows: dict[str, object]) -> bytes:
    """An answer of mo_new or mo."""
    answer = {"success": True, "responseCode": "200", "responseDescription": "Successful search"}
    return json.dumps(answer | {"messageCount": len(rows), "messages": list(rows)}).encode()


def row(number: int | str = "5511987654321", content: str = "Quero saber mais", **more: object) -> dict[str, object]:
    """One reply of mo_new or mo."""
    given = {"id": "150", "number": str(number), "content": content, "status": "4", "date": local(clock.now())}
    return {name: value for name, value in (given | more).items() if value is not None}


def callback(
    services: Services, number: int | str = "5511987654321", content: str = "Quero saber mais", **more: str
) -> None:
    """A reply by callback."""
    intake.keep_callback(services, query(number, content, **more))


def inbound(session: Session) -> list[Inbound]:
    """Every reply, the first heard first."""
    return list(session.scalars(select(Inbound).order_by(Inbound.id)))


def all_inbound(services: Services) -> list[Inbound]:
    """Every reply, the first heard first."""
    with services.db.reading() as session:
        return inbound(session)


def conversation(services: Services, number: int) -> Conversation:
    """The conversation with a person."""
    with services.db.reading() as session:
        return session.get_one(Conversation, number)


def raw_rows(services: Services) -> list[RawInbound]:
    """What is kept byte for byte."""
    with services.db.reading() as session:
        return list(session.scalars(select(RawInbound).order_by(RawInbound.id)))


def replies_sent(services: Services) -> list[tuple[Message, Run]]:
    """Our answers, as the outbox has them."""
    with services.db.reading() as session:
        found = session.execute(select(Message, Run).join(Run).where(Run.kind == "reply").order_by(Message.id))
        return [(message, run) for message, run in found]


def count(services: Services, model: type) -> int:
    """Rows of a table."""
    with services.db.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0
