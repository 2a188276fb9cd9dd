"""Roles, access, and the audit trail underneath."""

import threading

import pytest
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from tests import make
from webapp import migrate
from webapp.accounts import audit, service, sessions, tries
from webapp.accounts.models import Audit, Person
from webapp.core import settings as settings_module
from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.factory import make_services


def _admins(session: Session, count: int) -> list[Person]:
    return [make.person(session, "admin", email=f"admin{number}@example.com") for number in range(count)]


def test_a_role_changes_and_ends_the_sessions(services: Services):
    with services.db.writing() as session:
        boss, other = _admins(session, 2)
        sessions.start_session(session, other, "127.0.0.1", "x")
        assert service.change_role(session, other, "support", by=boss.id)
        assert sessions.live_sessions(session, other.id) == []
        assert not service.change_role(session, other, "support", by=boss.id)


def test_nobody_demotes_or_disables_themselves(services: Services):
    with services.db.writing() as session:
        boss, _other = _admins(session, 2)
        with pytest.raises(UserError, match="own role"):
            service.change_role(session, boss, "support", by=boss.id)
        with pytest.raises(UserError, match="disables themselves"):
            service.disable(session, boss, by=boss.id)


def test_the_last_administrator_stays(services: Services):
    with services.db.writing() as session:
        boss, other = _admins(session, 2)
        service.disable(session, other, by=boss.id)
        for deed in (
            lambda: service.change_role(session, boss, "support", by=None),
            lambda: service.disable(session, boss, by=None),
        ):
            with pytest.raises(UserError, match="last administrator"):
                deed()


@pytest.mark.postgres
def test_two_administrators_cannot_remove_each_other_at_once(postgres_url: str, tmp_path: pytest.TempPathFactory):
    services = make_services(settings_module.load({}, instance=tmp_path, database_url=postgres_url))  # type: ignore[arg-type]
    migrate.upgrade(services.db)
    with services.db.writing() as session:
        one, two = (person.id for person in _admins(session, 2))
    together, refused = threading.Barrier(2), []

    def remove(whom: int, by: int) -> None:
        try:
            with services.db.writing() as session:
                somebody = session.get_one(Person, whom)
                together.wait(10)
                service.disable(session, somebody, by=by)
        except UserError:
            refused.append(whom)

    threads = [threading.Thread(target=remove, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with services.db.reading() as session:
        left = session.query(Person).filter(Person.disabled_at.is_(None)).count()
    services.db.dispose()
    assert left == 1
    assert len(refused) == 1


def test_access_comes_back_with_the_old_password(services: Services):
    with services.db.writing() as session:
        somebody = service.create(session, "x@example.com", "support", password=make.PASSWORD)
        link = service.invite(session, somebody)
        assert service.disable(session, somebody, by=None)
        assert not service.disable(session, somebody, by=None)
        assert service.stored_hash(session, somebody.email) is None
        assert service.enable(session, somebody)
        assert service.stored_hash(session, somebody.email)
        assert service.invited(session, link) is None  # the link before stays dead


def test_a_password_changed_while_an_old_one_was_being_checked_wins(services: Services):
    with services.db.writing() as session:
        somebody = service.create(session, "x@example.com", "support", password=make.PASSWORD)
        before = str(somebody.password_hash)
        service.set_password(session, somebody, "a newer password")
        assert service.admit(session, somebody.email, "account", compared=before, renewed=None) is None
        assert service.admit(session, somebody.email, "account", compared=str(somebody.password_hash), renewed=None)


def _tamper(session: Session) -> None:
    session.query(Audit).update({"actor": "nobody"})


def _drop(session: Session) -> None:
    session.query(Audit).delete()


@pytest.mark.parametrize("deed", [_tamper, _drop])
def test_the_database_refuses_to_change_the_audit_trail(services: Services, deed: object):
    with services.db.writing() as session:
        audit.record(session, "login", "person 1", actor="ana@example.com")
    with pytest.raises(DatabaseError, match="append-only"), services.db.writing() as session:
        deed(session)  # type: ignore[operator]


@pytest.mark.postgres
def test_postgresql_refuses_it_too_and_counts_tries_one_by_one(postgres_url: str, tmp_path: pytest.TempPathFactory):
    services = make_services(settings_module.load({}, instance=tmp_path, database_url=postgres_url))  # type: ignore[arg-type]
    migrate.upgrade(services.db)
    with services.db.writing() as session:
        audit.record(session, "login", "person 1", actor="ana@example.com")
    for deed in (_tamper, _drop):
        with pytest.raises(DatabaseError, match="append-only"), services.db.writing() as session:
            deed(session)
    outcomes: list[object] = []

    def guess() -> None:
        with services.db.writing() as session:
            outcomes.append(tries.count(session, "ana", "10.0.0.1"))

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    services.db.dispose()
    assert sum(isinstance(outcome, tries.Counted) for outcome in outcomes) == tries.FREE_TRIES + 1


def test_outside_a_request_the_actor_is_the_command(services: Services):
    with services.db.writing() as session:
        audit.record(session, "x.y", "thing 1", number=3)
    with services.db.reading() as session:
        entry = session.query(Audit).one()
    assert (entry.actor, entry.address, entry.person_id, entry.detail) == ("command", "", None, {"number": 3})
