"""Views of the delivery browser that people keep under a name."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.reports.filters import MessageFilter
from webapp.reports.models import SavedView

MOST = 40  # of one person
LONGEST_NAME = 60


def of_person(session: Session, person_id: int) -> Sequence[SavedView]:
    """One's own views and those that colleagues share, by name."""
    query = select(SavedView).where(or_(SavedView.person_id == person_id, SavedView.shared))
    return session.scalars(query.order_by(func.lower(SavedView.name), SavedView.id)).all()


def keep(session: Session, person_id: int, name: str, wanted: MessageFilter, *, shared: bool) -> SavedView:
    """Keep a view; one of the same name is replaced. UserError for no name, nothing to keep, or too many."""
    name, kept = _name(name), wanted.without_number()
    if not kept.asked:
        raise UserError(N_("Choose a period or a filter first: there is nothing to keep."))
    own = select(SavedView).where(SavedView.person_id == person_id)
    view = session.scalar(own.where(SavedView.name == name))
    if view is None:
        if (session.scalar(select(func.count()).select_from(own.subquery())) or 0) >= MOST:
            raise UserError(N_("You keep %(most)s views already. Delete one first."), most=MOST)
        view = SavedView(person_id=person_id, name=name, created_at=clock.now())
        session.add(view)
    view.asked, view.shared = kept.form, shared
    session.flush()
    return view


def change(session: Session, person_id: int, view_id: int, name: str, *, shared: bool) -> SavedView:
    """Rename one's own view, and share it or not. UserError for no name or one that is taken, NotFound."""
    view, name = own(session, person_id, view_id), _name(name)
    others = select(SavedView.id).where(SavedView.person_id == person_id, SavedView.name == name)
    if session.scalar(others.where(SavedView.id != view_id)) is not None:
        raise UserError(N_("You have a view of that name already."))
    view.name, view.shared = name, shared
    return view


def own(session: Session, person_id: int, view_id: int) -> SavedView:
    """One's own view. NotFound where it is somebody else's, or gone."""
    view = session.get(SavedView, view_id)
    if view is None or view.person_id != person_id:
        raise NotFound(N_("There is no such view."))
    return view


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME:
        raise UserError(N_("Give the view a name of up to %(most)s characters."), most=LONGEST_NAME)
    return name
