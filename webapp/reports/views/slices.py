"""From a row of a campaign's report to a list of these people, or to another try for them."""

import secrets
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import format_decimal, gettext
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from webapp.accounts import audit
from webapp.accounts.guards import guard
from webapp.campaigns import service as campaigns
from webapp.campaigns.models import Campaign
from webapp.contacts.models import ContactList
from webapp.core import clock
from webapp.core.errors import NotFound, UserError
from webapp.core.i18n import N_
from webapp.core.web import read_session, services, settings, write_session
from webapp.messages.models import Run
from webapp.reports import campaign, slices, slicing
from webapp.reports.jobs import EXTRACT
from webapp.reports.models import CampaignExtract
from webapp.reports.slices import Part
from webapp.reports.views.blueprint import bp

Answer = str | BaseResponse | tuple[str, int]


@bp.get("/reports/campaigns/<int:campaign_id>/list")
@guard("lists")
def slice_list(campaign_id: int) -> Answer:
    """Whom the list will hold, and what it is to be called."""
    return _ask(campaign_id, slicing.LIST)


@bp.get("/reports/campaigns/<int:campaign_id>/retry")
@guard("campaigns")
def slice_retry(campaign_id: int) -> Answer:
    """Whom another try will go to, and to whom it will not."""
    return _ask(campaign_id, slicing.RETRY)


@bp.post("/reports/campaigns/<int:campaign_id>/list")
@guard("lists")
def slice_make_list(campaign_id: int) -> Answer:
    """Make the list, in the background where the campaign is large."""
    return _do(campaign_id, slicing.LIST)


@bp.post("/reports/campaigns/<int:campaign_id>/retry")
@guard("campaigns")
def slice_make_retry(campaign_id: int) -> Answer:
    """Make the list of those who were not reached, and the draft for them."""
    return _do(campaign_id, slicing.RETRY)


def words_of(part: Part) -> str:
    """What a part is called, on a page and in the name of its list."""
    if part.kind == "carrier":
        return part.value or str(gettext("Carrier not told"))
    how = slices.standing(part)
    return str(gettext(how.why or how.label) if part.kind == "suppressed" else gettext(how.label))


def _ask(campaign_id: int, deed: str, *, name: str | None = None, error: str = "", press: str = "") -> str:
    session, part = read_session(), slices.read(request.values)
    found = campaign.report(session, campaign_id, clock.now())
    sizes = found.sizes(*part)
    words = words_of(part).rstrip(".")
    tail = gettext("another try") if deed == slicing.RETRY else words if part.kind == "carrier" else words.lower()
    return render_template(
        "reports/slice.html",
        found=found,
        part=part,
        words=words_of(part),
        how=slices.standing(part),
        deed=deed,
        sizes=sizes,
        n=sizes.again if deed == slicing.RETRY else sizes.people,
        name=name if name is not None else slicing.suggested_name(session, found.campaign, tail),
        press=press or secrets.token_hex(16),
        error=error,
    )


def _do(campaign_id: int, deed: str) -> Answer:
    part, name = slices.read(request.form), request.form.get("name", "")[:200]
    press = request.form.get("press", "")
    try:
        if len(press) != 32 or not press.isalnum():
            raise UserError(N_("This form was used before. Open it again."))
        extract_id, fresh, small = _begin(campaign_id, part, deed, name, press)
    except UserError as error:
        return _ask(campaign_id, deed, name=name, error=gettext(error.msgid, **error.values)), 422
    if fresh and small:
        slicing.carry_out(services().db, settings(), extract_id)
    elif fresh:
        services().jobs.start(EXTRACT, extract_id)
    return _onward(extract_id)


def _begin(campaign_id: int, part: Part, deed: str, name: str, press: str) -> tuple[int, bool, bool]:
    """Write it down; (its id, whether it is new, whether nobody need wait for it)."""
    with write_session() as session:
        found = campaign.report(session, campaign_id, clock.now())
        wish = slicing.Wish(part, deed, name, press, current_user.id)
        made, fresh = slicing.begin(session, found.campaign, found.run, wish)
        sizes = found.sizes(*part)
        if fresh and not (sizes.again if deed == slicing.RETRY else sizes.people):
            raise UserError(N_("Nobody is left in this part of the campaign."))
        if fresh:
            deeds = f"campaign.{deed}", f"campaign {campaign_id}"
            audit.record(session, *deeds, part=part.kind, value=part.value, list=made.list_id)
        return made.id, fresh, found.run.last_key - found.run.first_key < slicing.AT_ONCE


def _onward(extract_id: int) -> BaseResponse:
    """To the draft where there is one already, else to the page that tells what was made."""
    with services().db.reading() as session:
        found = session.get_one(CampaignExtract, extract_id)
        draft = session.get(Campaign, found.draft_id) if found.draft_id else None
    if draft is None or draft.run_id is not None:
        return redirect(url_for("reports.slice_made", extract_id=extract_id), 303)
    flash(" ".join(told(found)), "success")
    return redirect(url_for(_step_of(found), campaign_id=draft.id), 303)


def _step_of(found: CampaignExtract) -> str:
    """Where the draft is to be opened: where something has to change, at the message."""
    return "campaigns.message" if Part(found.part, found.value).changes else "campaigns.review"


def told(found: CampaignExtract) -> list[str]:
    """What was made, in sentences."""
    added, out, gone = (format_decimal(n) for n in (found.added, found.opted_out, found.erased))
    if found.deed == slicing.RETRY:
        said = [gettext("In the draft, because this campaign did not reach them: %(people)s.", people=added)]
        left = gettext("Opted out, so not in it: %(people)s.", people=out)
    else:
        said = [gettext("People in the list: %(people)s.", people=added)]
        left = gettext("Opted out among them: %(people)s. They stay so: no campaign writes to them.", people=out)
    if found.opted_out:
        said.append(left)
    if found.erased:
        said.append(gettext("Erased at their request, so in no list: %(people)s.", people=gone))
    return [str(sentence) for sentence in said]


@bp.get("/reports/extracts/<int:extract_id>")
@guard("lists")
def slice_made(extract_id: int) -> str:
    """How far it is, and what was made."""
    return render_template("reports/slice_made.html", **_made(extract_id))


@bp.get("/reports/extracts/<int:extract_id>/progress")
@guard("lists")
def slice_progress(extract_id: int) -> str:
    """The same for its live box."""
    return render_template("reports/_slice_made.html", **_made(extract_id))


def _made(extract_id: int) -> dict[str, Any]:
    session = read_session()
    found = session.get(CampaignExtract, extract_id)
    if found is None:
        raise NotFound(N_("There is no such list in the making."))
    source = campaigns.find(session, found.campaign_id)
    made = session.get(ContactList, found.list_id)
    draft = session.get(Campaign, found.draft_id) if found.draft_id else None
    return {
        "found": found,
        "source": source,
        "share": slicing.share(found, session.get_one(Run, source.run_id)),
        "made": made if made and made.archived_at is None and found.state == "done" else None,
        "draft": draft if draft and draft.run_id is None else None,
        "sent": draft if draft and draft.run_id is not None else None,
        "step": _step_of(found),
        "told": told(found) if found.state == "done" else [],
        "words": words_of(Part(found.part, found.value)),
    }
