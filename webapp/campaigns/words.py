"""How campaigns are put into words on a page: states, moments in two zones, hours of the sending window."""

from datetime import datetime
from itertools import groupby

from flask_babel import format_date, format_datetime, get_locale, get_timezone, gettext

from webapp.campaigns.plan import Opening
from webapp.campaigns.schedule import offset_of
from webapp.core import clock
from webapp.core.i18n import N_
from webapp.core.window import SendingWindow

# state → words, look of the badge, icon
STATES: dict[str, tuple[str, str, str]] = {
    "draft": (N_("Draft"), "cancelled", "pencil"),
    "scheduled": (N_("Scheduled"), "scheduled", "calendar-time"),
    "launching": (N_("Being prepared"), "waiting", "hourglass"),
    "running": (N_("Being sent"), "operator", "send"),
    "paused": (N_("Paused"), "paused", "player-pause"),
    "finished": (N_("All sent"), "delivered", "circle-check"),
    "cancelled": (N_("Campaign cancelled"), "cancelled", "ban"),
}

LEAVING = (N_("About to leave"), "scheduled", "clock")  # while it can be undone
NOBODY = (N_("Nobody was written to"), "cancelled", "user-off")  # finished, as everybody was left out or expired

EVENTS: dict[str, tuple[str, str]] = {
    "campaign.create": (N_("Created"), "pencil"),
    "campaign.launch": (N_("Sent for %(recipients)s people, %(credits)s credits"), "send"),
    "campaign.schedule": (N_("Scheduled for %(recipients)s people, %(credits)s credits"), "calendar-time"),
    "campaign.pause": (N_("Paused"), "player-pause"),
    "campaign.resume": (N_("Resumed"), "player-play"),
    "campaign.cancel": (N_("Cancelled: %(stopped)s stopped, %(left)s had left"), "ban"),
    "campaign.list": (N_("A list was made of some of its people"), "list"),
    "campaign.retry": (N_("Another try was prepared"), "refresh"),
    "campaign.test": (N_("Test message sent"), "device-mobile"),
    "campaign.window": (N_("Sending window overridden"), "lock-open"),
    "campaign.window_kept": (N_("Sending window respected again"), "lock"),
    "campaign.finished": (N_("Nothing left to send"), "circle-check"),
}

# term of the equation → words, look of its colour
TERMS: dict[str, tuple[str, str]] = {
    "audience": (N_("audience"), "waiting"),
    "accepted": (N_("handed over"), "operator"),
    "refused": (N_("refused"), "failed"),
    "suppressed": (N_("left out"), "blocked"),
    "cancelled": (N_("cancelled"), "cancelled"),
    "expired": (N_("expired"), "paused"),
    "waiting": (N_("waiting"), "scheduled"),
    "unknown": (N_("unknown"), "unknown"),
    "held": (N_("held here (time, window or pause)"), "scheduled"),
    "queued": (N_("in the queue"), "scheduled"),
    "sending": (N_("leaving now"), "scheduled"),
    "delivered": (N_("delivered to the phone"), "delivered"),
    "undelivered": (N_("not delivered to the phone"), "failed"),
    "credits": (N_("credits debited"), "waiting"),
}


def term(key: str) -> str:
    """A term of the equation in the reader's language."""
    return str(gettext(TERMS[key][0]))


TYPE_NOTES: dict[str, str] = {
    "sms": N_("Any mobile phone. Accents can make it cost double."),
    "sms-flash": N_("Opens over whatever is on the screen."),
    "sms-interactive": N_("People can answer it."),
    "voice-text": N_("A call that reads your text aloud."),
    "voice-audio": N_("A call that plays a recording."),
    "whatsapp": N_("A text in WhatsApp."),
    "whatsapp-image": N_("A picture with a caption."),
    "whatsapp-audio": N_("A recording in WhatsApp."),
    "whatsapp-video": N_("A short film with a caption."),
}


def in_zone(moment: datetime, zone: str) -> str:
    """An aware moment on a zone's clocks: `sex., 27/11/2026 09:00 em São Paulo (UTC−3)`."""
    wall = moment.astimezone(clock.zone(zone))
    return str(
        gettext(
            "%(when)s in %(place)s (%(offset)s)",
            when=_local(wall, "EEE, dd/MM/yyyy HH:mm"),
            place=clock.place_of(zone),
            offset=offset_of(wall),
        )
    )


def both_zones(moment: datetime, zone: str) -> tuple[str, str]:
    """A moment in a campaign's zone and in the reader's, or in UTC where these are the same."""
    own = str(get_timezone())
    other = own if own != zone else "UTC"
    return in_zone(moment, zone), in_zone(moment, other)


def _local(wall: datetime, form: str) -> str:
    return str(format_datetime(wall.replace(tzinfo=None), form, rebase=False))


def opening_words(opening: Opening, zone: str, now: datetime) -> str:
    """When the people of a plan's row are written to: `now`, `at 10:00`, `Wed 25/11 at 09:00`."""
    if opening.at_once and opening.at <= now:
        return str(gettext("now"))
    wall, today = opening.at.astimezone(clock.zone(zone)), now.astimezone(clock.zone(zone)).date()
    if wall.date() == today:
        return str(gettext("at %(time)s", time=f"{wall:%H:%M}"))
    day = format_date(wall.date(), "EEE dd/MM")
    return str(gettext("%(day)s at %(time)s", day=day, time=f"{wall:%H:%M}"))


def window_words(window: SendingWindow) -> str:
    """The sending window for people: `seg. a sex. 09:00–20:00 · sáb. 09:00–13:00`."""
    if window.week is None:
        return str(gettext("at any hour"))
    locale = get_locale()
    names = locale.days["format"]["abbreviated"] if locale else {}
    parts = []
    for spans, group in groupby(enumerate(window.week), key=lambda day: day[1]):
        days = [number for number, _ in group]
        if not spans:
            continue
        first, last = names.get(days[0], str(days[0])), names.get(days[-1], str(days[-1]))
        hours = ", ".join(f"{_clock(start)}–{_clock(end)}" for start, end in spans)
        named = gettext("%(first)s to %(last)s", first=first, last=last) if len(days) > 1 else first
        parts.append(f"{named} {hours}")
    return " · ".join(parts)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
