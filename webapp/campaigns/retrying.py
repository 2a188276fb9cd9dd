"""Another try of a campaign for people whom it did not reach."""

from pathlib import Path

from sqlalchemy.orm import Session

from webapp.campaigns import media, service
from webapp.campaigns.models import Campaign


def draft_again(
    session: Session, campaign: Campaign, list_id: int, *, name: str, person_id: int | None, instance: Path
) -> Campaign:
    """A draft of the same message to the people of a list. A file that is not there any more is to be chosen anew.

    The days of rest are not copied: the try before this one would leave out everybody.
    """
    copy = service.duplicate(session, campaign, name=name, person_id=person_id)
    copy.lists, copy.filters, copy.rest_days = [list_id], [], 0
    copy.retry_of = campaign.retry_of or campaign.run_id
    if campaign.media is not None and not (instance / media.FOLDER / campaign.media.name).is_file():
        copy.media_id = None
    session.flush()
    return copy
