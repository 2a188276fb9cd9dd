"""Answers kept for use again. Their fields ({{nome}}) are filled when one is chosen, so that people see what leaves."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.errors import NotFound, UserError
from webapp.core.text import tidy
from webapp.inbox.answering import LIMIT
from webapp.inbox.models import CannedReply

TITLE_LIMIT = 80


def all_of(session: Session) -> list[CannedReply]:
    """Every kept answer by title."""
    return list(session.scalars(select(CannedReply).order_by(CannedReply.title)))


def get(session: Session, canned_id: int) -> CannedReply:
    """One kept answer. Raises NotFound."""
    found = session.get(CannedReply, canned_id)
    if found is None:
        raise NotFound("This kept answer does not exist any more.")
    return found


def save(session: Session, canned_id: int | None, title: str, text: str) -> CannedReply:
    """Keep an answer, or change one. Raises UserError with the field at fault."""
    name, words = " ".join(title.split()), tidy(text).strip()
    if not name:
        raise UserError("Give the answer a title, so that colleagues find it.", field="title")
    if len(name) > TITLE_LIMIT:
        raise UserError("A title has at most %(most)s characters.", field="title", most=TITLE_LIMIT)
    if not words:
        raise UserError("Write the text of the answer.", field="text")
    if len(words) > LIMIT:
        raise UserError("An answer has at most %(most)s characters.", field="text", most=LIMIT)
    twin = session.scalar(select(CannedReply).where(CannedReply.title == name))
    if twin is not None and twin.id != canned_id:
        raise UserError("There is an answer with this title already.", field="title")
    kept = CannedReply() if canned_id is None else get(session, canned_id)
    kept.title, kept.text = name, words
    session.add(kept)
    session.flush()
    return kept


def delete(session: Session, canned_id: int) -> None:
    """Drop a kept answer. Raises NotFound."""
    session.delete(get(session, canned_id))
