"""Campaigns from the command line: the JSON of the contract, and refusals that leave nothing behind."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

from tests.campaigns.cast import balance, contact_list, draft, found
from tests.make import ANA, BRUNO, CARLA
from webapp.campaigns import commands
from webapp.campaigns.models import Campaign
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.web import Services
from webapp.messages.models import Message, Run
from webapp.optouts import service as optouts

COUNTS = (
    "held", "queued", "sending", "unknown", "accepted", "refused", "cancelled", "expired", "suppressed",
)  # fmt: skip


@pytest.fixture(autouse=True)
def shop(services: Services) -> int:
    with services.db.writing() as session:
        balance(session)
        optouts.add(session, CARLA, origin="reply", reason="SAIR")
        return contact_list(session, "Loja", [(ANA, "Ana", {}), (BRUNO, "Bruno", {}), (CARLA, "Carla", {})])


def test_a_text_is_launched_at_once_and_its_counts_add_up(services: Services) -> None:
    made = commands.send(services, list_name="Loja", type=0, content="Oi {{nome}}!")
    assert made == {"id": 1, "recipients": 2, "credits": 2}
    shown = commands.show(services, 1)
    assert list(shown) == ["id", "name", "state", "total", *COUNTS, "delivered", "undelivered", "in_transit", "credits"]
    assert (shown["state"], shown["total"], shown["queued"], shown["suppressed"]) == ("running", 3, 2, 1)
    assert shown["total"] == sum(shown[key] for key in COUNTS)
    with services.db.reading() as session:
        texts = session.scalars(select(Message.text).where(Message.state == "pending").order_by(Message.id))
        assert list(texts) == ["Oi Ana!", "Oi Bruno!"]


def test_a_scheduled_one_is_held(services: Services) -> None:
    day = clock.now() + timedelta(days=3)
    made = commands.send(
        services, list_name="Loja", type=5, content="Oi", at=f"{day:%Y-%m-%d} 10:00", timezone="America/Manaus",
        name="Agendada", canary=True,
    )  # fmt: skip
    shown = commands.show(services, made["id"])
    assert (shown["state"], shown["held"], shown["name"]) == ("scheduled", 2, "Agendada")
    run = found(services.db, made["id"]).run
    assert (run.deliver_at.hour, run.deliver_zone, run.canary) == (14, "America/Manaus", True)


def test_a_file_is_hosted_and_travels_as_its_address(services: Services, tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (20, 20)).save(picture, "JPEG")
    (tmp_path / "foto.jpg").write_bytes(picture.getvalue())
    commands.send(services, list_name="Loja", type=6, content=str(tmp_path / "foto.jpg"), caption="Oi")
    run = found(services.db, 1).run
    assert run.text.startswith("http://127.0.0.1:8000/media/")
    assert run.text.endswith(".jpg")
    assert run.caption == "Oi"


def test_pause_resume_and_cancel_answer_with_what_left_and_what_stopped(services: Services) -> None:
    commands.send(services, list_name="Loja", type=0, content="Oi")
    assert commands.pause(services, 1) == {"id": 1, "state": "paused", "left": 0, "stopped": 2}
    assert commands.pause(services, 1)["state"] == "paused"
    assert commands.resume(services, 1) == {"id": 1, "state": "running", "left": 0, "stopped": 0}
    assert commands.cancel(services, 1) == {"id": 1, "state": "cancelled", "left": 0, "stopped": 2}
    assert commands.cancel(services, 1) == {"id": 1, "state": "cancelled", "left": 0, "stopped": 2}
    with pytest.raises(UserError, match="can not be resumed: it is cancelled"):
        commands.resume(services, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"list_name": "Nenhuma"}, "no list called Nenhuma"),
        ({"type": 9}, "no message of type 9"),
        ({"content": " "}, "Write the message"),
        ({"content": "Oi {{cpf}}"}, "no field called {{cpf}}"),
        ({"at": "2020-01-01 10:00"}, "has passed"),
        ({"at": "amanhã"}, "amanhã is no time"),
        ({"at": "2026-12-01 10:00", "timezone": "Marte/X"}, "no time zone called Marte/X"),
        ({"type": 6, "content": "/nowhere/foto.jpg"}, "no file /nowhere/foto.jpg"),
        ({"type": 6, "content": "https://x.com/a.png"}, "must end in .jpg"),
    ],
)
def test_a_refused_command_says_why_and_leaves_nothing(services: Services, change: dict, words: str) -> None:
    with pytest.raises(UserError) as refusal:
        commands.send(services, **({"list_name": "Loja", "type": 0, "content": "Oi"} | change))
    assert words in str(refusal.value)
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Campaign)) == 0
        assert session.scalar(select(func.count()).select_from(Run)) == 0


def test_too_little_credit_is_refused_with_the_numbers(services: Services) -> None:
    with services.db.writing() as session:
        balance(session, balance_1=1)
    with pytest.raises(UserError, match="needs 2 credits and the purse has 1 free: 1 are missing"):
        commands.send(services, list_name="Loja", type=0, content="Oi")
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Campaign)) == 0


def test_a_draft_shows_zeros_and_cannot_be_paused(services: Services, shop: int) -> None:
    with services.db.writing() as session:
        key = draft(session, [shop]).id
    shown = commands.show(services, key)
    assert (shown["state"], shown["total"], shown["credits"]) == ("draft", 0, 0)
    with pytest.raises(NotFound, match="was not sent yet"):
        commands.pause(services, key)
    with pytest.raises(NotFound, match="does not exist"):
        commands.show(services, 999)
