"""Lists, people and drafts for the campaign tests, made through the product's own services where they exist."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from webapp.campaigns import counting, service
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactList, ListField
from webapp.core import clock, phone
from webapp.core.db import Database
from webapp.core.text import fold_word
from webapp.core.web import Services
from webapp.credits.models import BalanceReading
from webapp.gateway.codes import CLASSIC

Row = tuple[int, str, dict[str, Any]]
SMS = CLASSIC.types[0]
VOICE = CLASSIC.types[3]


def contact_list(session: Session, name: str, rows: Sequence[Row], fields: Sequence[str] = ()) -> int:
    """A list with these people; `fields` are its columns beyond the name."""
    now = clock.now()
    made = ContactList(name=name, created_at=now, size=len(rows))
    session.add(made)
    session.flush()
    session.add(ListField(list_id=made.id, key="nome", label="Nome", kind="name", position=0))
    for place, key in enumerate(fields, start=1):
        session.add(ListField(list_id=made.id, key=key, label=key.title(), position=place))
    session.add_all(
        Contact(
            list_id=made.id, number=number, name=person, name_key=fold_word(person), fields=values,
            kind="landline" if phone.is_landline(number) else "mobile", created_at=now, updated_at=now,
        )
        for number, person, values in rows
    )  # fmt: skip
    session.flush()
    return made.id


def people(count: int, *, first: int = 5511970000000, step: int = 1) -> list[Row]:
    """So many people with numbers in a row."""
    return [(first + place * step, f"Pessoa {place}", {}) for place in range(count)]


def draft(session: Session, lists: Sequence[int], text: str = "Oi {{nome|tudo bem}}!", **values: Any) -> Campaign:
    """A draft that lacks nothing."""
    made = service.create(
        session, name=values.pop("name", "Volta às aulas"), timezone="America/Sao_Paulo", person_id=None
    )
    made.lists, made.text = list(lists), text
    for name, value in values.items():
        setattr(made, name, value)
    session.flush()
    return made


def balance(session: Session, credits: int = 1_000_000, **purses: int) -> None:
    """A reading of the account: so many credits in every purse but those named."""
    values = {f"balance_{number}": credits for number in (1, 2, 3, 4)} | purses
    session.add(BalanceReading(at=clock.now(), **values))


def counted(services: Services, campaign_id: int) -> Campaign:
    """The campaign with its exact count made."""
    with services.db.writing() as session:
        counting.begin(session, session.get_one(Campaign, campaign_id))
    counting.carry_out(services.db, services.settings, campaign_id)
    return found(services.db, campaign_id)


def found(db: Database, campaign_id: int) -> Campaign:
    """The campaign as it is now, its run with it."""
    with db.reading() as session:
        campaign = session.get_one(Campaign, campaign_id)
        assert campaign.run is None or campaign.run.id
        return campaign
