"""What several tests of contacts do: files, lists, people."""

from io import BytesIO

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from webapp.contacts import service
from webapp.contacts.models import Contact, ContactList, Import
from webapp.core import phone
from webapp.core.web import Services

USUAL = "Nome;Celular;Cidade\nAna;11987654321;Santos\nBruno;21998765432;Niterói\nCarla;123;Itu\n"


def a_list(services: Services, name: str = "Clientes", people: int = 0) -> int:
    """A list with so many people called `Pessoa 0001 Silva` …; its id."""
    with services.db.writing() as session:
        made = service.list_named(session, name)
        service.ensure_field(session, made.id, "Cidade")
        for n in range(1, people + 1):
            number = phone.Parsed(5511900000000 + n, "mobile")
            service.add_person(session, made.id, number, f"Pessoa {n:04} Silva", {"cidade": f"Cidade {n}"})
        return made.id


def upload(client: FlaskClient, content: bytes | str, name: str = "clientes.csv", **query: object) -> TestResponse:
    """Send a file to the import's first page."""
    raw = content.encode() if isinstance(content, str) else content
    return client.post("/contacts/import", data={"file": (BytesIO(raw), name)}, query_string=query)


def roles(**wanted: str) -> dict[str, str]:
    """The form of the columns page: `roles(c0="name", c1="number")`."""
    return {f"role-{key[1:]}": role for key, role in wanted.items()}


CONSENT = {"list_name": "Clientes", "basis": "consent", "source": "loja", "consent_date": "2026-01-02"}


def bring_in(client: FlaskClient, content: bytes | str = USUAL, **consent: str) -> str:
    """Take a file through all pages; the address of its import."""
    where = upload(client, content).location
    client.post(f"{where}/columns")
    client.post(f"{where}/confirm", data={**CONSENT, **consent})
    return where


def the_import(services: Services) -> Import:
    """The latest import."""
    with services.db.reading() as session:
        return session.scalars(select(Import).order_by(Import.id.desc())).first()  # type: ignore[return-value]


def people(services: Services, name: str = "Clientes") -> list[Contact]:
    """Everybody in a list."""
    with services.db.reading() as session:
        wanted = select(Contact).join(ContactList).where(ContactList.name == name).order_by(Contact.id)
        return list(session.scalars(wanted))


def size_of(services: Services, name: str = "Clientes") -> int:
    """The size that a list says it has."""
    with services.db.reading() as session:
        return session.scalars(select(ContactList.size).where(ContactList.name == name)).one()
