"""Every code, status and service type of the gateway: the only list of them.

Vendor texts are literal. `explanation` and `advice` are English msgids in plain words (what happened, what to do next),
translated where they are shown. The service types are one table per dialect; forms, checks, sending and the sandbox
read it, so another dialect is another row of `DIALECTS`.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from webapp.core.i18n import N_

MAX_BATCH = 5000  # messages in one send-multiple call; above it the gateway answers 120
LOOKUP_DAYS = 32  # how long the gateway answers questions about a message
INBOUND = "4"  # the status that marks a message written to us


class Verdict(StrEnum):
    """What a response code means for us."""

    ACCEPTED = "accepted"
    ITEMS = "items"
    FOUND = "found"
    REFUSED = "refused"
    STOP_ACCOUNT = "stop_account"
    STOP_BALANCE = "stop_balance"
    BUSY = "busy"
    UNSURE = "unsure"
    OUR_MISTAKE = "our_mistake"


@dataclass(frozen=True, slots=True)
class Response:
    """One row of the response table. `http_2026` is the HTTP status that the newer guide gives this code."""

    code: str
    description: str
    verdict: Verdict
    explanation: str
    advice: str
    http_2026: int = 200

    @property
    def success(self) -> bool:
        """What the envelope's `success` says beside this code."""
        return self.verdict in (Verdict.ACCEPTED, Verdict.ITEMS, Verdict.FOUND)


_NOTHING = N_("Nothing to do.")
_OURS = N_("The batch is held and nobody was marked as refused. Tell whoever looks after Recado.")
_ASKED_WRONG = N_("Nothing was lost. Tell whoever looks after Recado.")

# fmt: off
_RESPONSES = (
    Response("000", "Success queued", Verdict.ACCEPTED,
             N_("The gateway accepted the message."), _NOTHING),
    Response("001", "Batch processed", Verdict.ITEMS,
             N_("The gateway processed the batch; each message has an answer of its own."), _NOTHING),
    Response("002", "Scheduled", Verdict.ACCEPTED,
             N_("The gateway accepted the message for its scheduled time."), _NOTHING),
    Response("010", "User or password is invalid", Verdict.STOP_ACCOUNT,
             N_("The gateway does not accept the account's user or password."),
             N_("Correct the gateway account; sending goes on by itself afterwards."), 401),
    Response("020", "Empty or invalid type", Verdict.OUR_MISTAKE,
             N_("The gateway does not know the type of message that was asked for."), _OURS),
    Response("030", "Empty message content", Verdict.REFUSED,
             N_("The message was empty."), N_("Check the fields of this contact and send again.")),
    Response("040", "Scheduling date invalid or incorrect", Verdict.OUR_MISTAKE,
             N_("The gateway does not accept the scheduled date."), _OURS),
    Response("050", "Empty or invalid number", Verdict.REFUSED,
             N_("The number does not exist or is incomplete."), N_("Correct the number in the list.")),
    Response("060", "International sending not allowed", Verdict.REFUSED,
             N_("The number is foreign and the account may only send to Brazil."),
             N_("Ask the gateway's support to allow international sending, or remove the number.")),
    Response("070", "Message rejected by server", Verdict.REFUSED,
             N_("The gateway rejected the message."),
             N_("Review the text; if it is fine, ask the gateway's support for the reason.")),
    Response("080", "Insufficient or expired balance", Verdict.STOP_BALANCE,
             N_("The credits ran out or expired."), N_("Buy credits, then resume the campaign."), 402),
    Response("090", "Blocked account – Please contact support", Verdict.STOP_ACCOUNT,
             N_("The gateway blocked the account."), N_("Call the gateway's support; nothing was lost."), 403),
    Response("091", "API access denied for this IP", Verdict.STOP_ACCOUNT,
             N_("The gateway does not accept calls from this server's address."),
             N_("Allow this server's address in the gateway's panel."), 403),
    Response("100", "This service is currently under maintenance", Verdict.BUSY,
             N_("The gateway is under maintenance."), N_("Nothing to do: Recado tries again by itself.")),
    Response("110", "There was an error processing, please try again, or contact us", Verdict.UNSURE,
             N_("The gateway had an internal error and it is not known whether the message left."),
             N_("Nothing to do: Recado asks the gateway before it sends again.")),
    Response("120", "Message array cannot exceed 5000", Verdict.OUR_MISTAKE,
             N_("The batch was larger than the gateway accepts."), _OURS),
    Response("130", "Message array is empty", Verdict.OUR_MISTAKE,
             N_("The batch was empty."), _OURS),
    Response("140", "Incorrect time zone", Verdict.OUR_MISTAKE,
             N_("The gateway does not accept the time zone."), _OURS),
    Response("150", "File extension not allowed", Verdict.REFUSED,
             N_("The gateway does not accept this kind of file."),
             N_("Use one of the kinds of file listed for this type of message.")),
    Response("160", "Unknown method or unknown parameter", Verdict.OUR_MISTAKE,
             N_("The gateway does not know the call or one of its parameters."), _OURS),
    Response("170", "Invalid search attributes", Verdict.OUR_MISTAKE,
             N_("The gateway did not understand the search."), _ASKED_WRONG),
    Response("200", "Successful search", Verdict.FOUND,
             N_("The gateway answered the search."), _NOTHING),
)
# fmt: on
RESPONSES: dict[str, Response] = {row.code: row for row in _RESPONSES}


def response_code(value: object) -> str:
    """A code as the table writes it: text, trimmed, filled with zeros to three characters; "" where there is none."""
    text = "" if value is None or isinstance(value, bool) else str(value).strip()
    return text.zfill(3) if text else ""


def response(code: object) -> Response:
    """The row of a code in any spelling. An unknown code keeps its raw text, and its outcome is unsure."""
    text = response_code(code)
    return RESPONSES.get(text) or Response(
        text,
        "",
        Verdict.UNSURE,
        N_("The gateway answered with a code that Recado does not know."),
        N_("Ask the gateway's support what the code means."),
    )


class Level(StrEnum):
    """How far a message came."""

    PREPARING = "preparing"
    OPERATOR = "operator"
    HANDSET = "handset"


class Outcome(StrEnum):
    """What a status says about the person: the three counts that split `accepted`."""

    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """One delivery status. `look` is the suffix of a `.st-…` colour, `icon` a Tabler outline icon.

    `final` holds for every carrier; where 0 is the last word, ask `is_final`.
    """

    code: str
    text: str
    label: str
    advice: str
    level: Level
    outcome: Outcome
    final: bool
    look: str
    icon: str


_PREP, _OPER, _HAND = Level.PREPARING, Level.OPERATOR, Level.HANDSET
_MOVES, _GOOD, _LOST = Outcome.IN_TRANSIT, Outcome.DELIVERED, Outcome.UNDELIVERED
_WAIT = N_("Nothing to do: the gateway is working on it.")
_DONE = N_("Nothing to do: the message arrived.")

# In the total order of statuses: the highest heard wins, whatever the order in which we hear them.
# fmt: off
_STATUSES = (
    DeliveryStatus("-1", "Message Queued", N_("In the gateway's queue"), _WAIT,
                   _PREP, _MOVES, False, "wait", "clock"),
    DeliveryStatus("3", "Preparing message to send", N_("Being prepared"), _WAIT,
                   _PREP, _MOVES, False, "wait", "hourglass"),
    DeliveryStatus("6", "Paused Message", N_("Paused at the gateway"),
                   N_("Ask the gateway's support why the message is paused there."),
                   _PREP, _MOVES, False, "wait", "player-pause"),
    DeliveryStatus("0", "Message received to operator", N_("At the operator"),
                   N_("Nothing to do: the phone's answer can take a while, and some operators never send it."),
                   _OPER, _MOVES, False, "op", "building-broadcast-tower"),
    DeliveryStatus("7", "Message expired by operator", N_("Expired at the operator"),
                   N_("The phone stayed off or out of reach for too long. Try again another day."),
                   _OPER, _LOST, True, "bad", "clock-x"),
    DeliveryStatus("8", "Message Rejected by operator", N_("Rejected by the operator"),
                   N_("Check the number and the text; if both are fine, ask the gateway's support."),
                   _OPER, _LOST, True, "bad", "circle-x"),
    DeliveryStatus("-11", "Limit reached", N_("Limit reached"),
                   N_("The channel reached its sending limit. Try again tomorrow or ask for a higher limit."),
                   _OPER, _LOST, True, "blk", "gauge"),
    DeliveryStatus("-10", "Payment restricted", N_("Payment restricted"),
                   N_("Settle the payment of the WhatsApp channel, then send again."),
                   _OPER, _LOST, True, "blk", "credit-card-off"),
    DeliveryStatus("-9", "Blocked – No Coverage", N_("Blocked: no coverage"),
                   N_("The gateway does not reach this number's operator. Try another channel."),
                   _OPER, _LOST, True, "blk", "antenna-bars-off"),
    DeliveryStatus("-8", "Blocked – Content not allowed", N_("Blocked: content not allowed"),
                   N_("Rewrite the text: words or links in it are not allowed."),
                   _OPER, _LOST, True, "blk", "message-off"),
    DeliveryStatus("-7", "Number has no WhatsApp", N_("Number without WhatsApp"),
                   N_("Write to this person by SMS instead."),
                   _OPER, _LOST, True, "blk", "brand-whatsapp"),
    DeliveryStatus("-6", "Message successfully canceled", N_("Cancelled at the gateway"),
                   N_("Send again if the person should still receive it."),
                   _OPER, _LOST, True, "wait", "ban"),
    DeliveryStatus("-5", "Blocked – Black listed", N_("Blocked: on the block list"),
                   N_("The person asked not to be written to. Do not insist."),
                   _OPER, _LOST, True, "blk", "hand-stop"),
    DeliveryStatus("-4", "Blocked – landline Number", N_("Blocked: landline"),
                   N_("Landlines take voice calls only. Ask the person for a mobile number."),
                   _OPER, _LOST, True, "blk", "phone"),
    DeliveryStatus("-3", "Blocked – Invalid Number", N_("Blocked: invalid number"),
                   N_("Correct the number in the list or remove it."),
                   _OPER, _LOST, True, "blk", "phone-x"),
    DeliveryStatus("-2", "Operator network error", N_("Error in the operator's network"),
                   N_("Try again later."),
                   _HAND, _LOST, True, "bad", "network-off"),
    DeliveryStatus("9", "Message not received by mobile", N_("Not received by the phone"),
                   N_("The phone was off, out of reach or full. Try again another day."),
                   _HAND, _LOST, True, "bad", "device-mobile-off"),
    DeliveryStatus("1", "Message received by mobile", N_("Delivered to the phone"), _DONE,
                   _HAND, _GOOD, True, "ok", "check"),
    DeliveryStatus("2", "Read", N_("Read by the person"), _DONE,
                   _HAND, _GOOD, True, "ok", "checks"),
)
# fmt: on
STATUSES: dict[str, DeliveryStatus] = {row.code: row for row in _STATUSES}
ORDER: tuple[str, ...] = tuple(STATUSES)
UNKNOWN_RANK = 0
RANKS: dict[str, int] = {code: place for place, code in enumerate(ORDER, start=UNKNOWN_RANK + 1)}
DELIVERED = frozenset(row.code for row in _STATUSES if row.outcome is Outcome.DELIVERED)
UNDELIVERED = frozenset(row.code for row in _STATUSES if row.outcome is Outcome.UNDELIVERED)
FINAL = frozenset(row.code for row in _STATUSES if row.final)

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,6}(\.0+)?")


def status_code(value: object) -> str | None:
    """A status as the table writes it ("1" for 1, "01", " 1 "), any other text trimmed as it is, None for none."""
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    if _WHOLE_NUMBER.fullmatch(text):
        return str(int(float(text)))
    return text or None


def rank(code: str | None) -> int:
    """Place in the total order: -1 for nothing heard, 0 for any unknown code, then 1 and up along `ORDER`."""
    return -1 if code is None else RANKS.get(code, UNKNOWN_RANK)


def status(code: str) -> DeliveryStatus:
    """The row of a status code; an unknown one keeps its raw text and is never final."""
    return STATUSES.get(code) or DeliveryStatus(
        code,
        code,
        N_("Unknown status"),
        N_("Ask the gateway's support what the code means."),
        Level.PREPARING,
        Outcome.IN_TRANSIT,
        False,
        "wait",
        "help-circle",
    )


SMS_TYPES = frozenset({0, 1, 2})
_SILENT_CARRIERS = frozenset({"oi", "sercomtel"})


@lru_cache(maxsize=1024)  # reports ask for every counter, and carriers are few
def without_handset_receipts(carrier: str | None) -> bool:
    """Whether a carrier (in any spelling: "Oi - Celular", "OI") never reports what the handset did with an SMS."""
    plain = unicodedata.normalize("NFKD", carrier or "").encode("ascii", "ignore").decode().lower()
    return not _SILENT_CARRIERS.isdisjoint(re.findall(r"[a-z0-9]+", plain))


def is_final(code: str | None, carrier: str | None, type: int | None) -> bool:
    """Whether nothing more will be heard: a final status, or 0 for an SMS of a carrier without handset receipts."""
    if code == "0":
        return type in SMS_TYPES and without_handset_receipts(carrier)
    return code in FINAL


@dataclass(frozen=True, slots=True)
class Purse:
    """One of the account's balances; `number` as in `balance_1`."""

    number: int
    label: str


@dataclass(frozen=True, slots=True)
class ServiceType:
    """One kind of message and its rules.

    `content` is what the person receives; where `media`, what travels is the URL of a file of ours with one of
    `extensions`, at most `max_bytes` and (images) `max_px` wide and high. `body_field` is the parameter that carries
    text or URL, `fields` are the further parameters this type may carry. `caption_max` is in characters, 0 where there
    is no caption. `by_segments`: credits grow with the length of the text. `landlines`: may be sent to a landline.
    """

    type: int
    slug: str
    label: str
    channel: str
    purse: int
    content: str
    icon: str
    extensions: tuple[str, ...] = ()
    max_bytes: int = 0
    max_px: int = 0
    caption_max: int = 0
    by_segments: bool = False
    landlines: bool = False
    body_field: str = "content"
    fields: tuple[str, ...] = ()

    @property
    def medium(self) -> str:
        """What it reaches a person by, as opt-outs know it: a flash or an interactive SMS is an SMS to who gets it."""
        return "sms" if self.channel in ("flash", "interactive") else self.channel

    @property
    def media(self) -> bool:
        """Whether the message is a file."""
        return self.content != "text"


@dataclass(frozen=True, slots=True)
class CreditRule:
    """How many characters one credit carries: alone, and in each part of a longer message."""

    charset: str
    single: int
    multi: int
    wide_single: int
    wide_multi: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is written to the gateway. Reading accepts every dialect always."""

    name: str
    types: dict[int, ServiceType]
    purses: dict[int, Purse]
    credits: CreditRule


_MB = 1024 * 1024
_AUDIO = (".mp3", ".wav", ".ogg")  # the vendor documents no audio rules: the usual kinds, as large as a video

# fmt: off
_CLASSIC_TYPES = (
    ServiceType(0, "sms", N_("SMS"), "sms", 1, "text", "message", by_segments=True),
    ServiceType(1, "sms-flash", N_("SMS flash"), "flash", 2, "text", "bolt", by_segments=True),
    ServiceType(2, "sms-interactive", N_("Interactive SMS"), "interactive", 2, "text", "messages", by_segments=True),
    ServiceType(3, "voice-text", N_("Voice call: text read aloud"), "voice", 3, "text", "volume", landlines=True),
    ServiceType(4, "voice-audio", N_("Voice call: audio"), "voice", 3, "audio", "phone-call",
                _AUDIO, 2 * _MB, landlines=True),
    ServiceType(5, "whatsapp", N_("WhatsApp: text"), "whatsapp", 4, "text", "brand-whatsapp"),
    ServiceType(6, "whatsapp-image", N_("WhatsApp: image"), "whatsapp", 4, "image", "photo",
                (".jpg",), _MB, 1024, 490, fields=("caption",)),
    ServiceType(7, "whatsapp-audio", N_("WhatsApp: audio"), "whatsapp", 4, "audio", "microphone", _AUDIO, 2 * _MB),
    ServiceType(8, "whatsapp-video", N_("WhatsApp: video"), "whatsapp", 4, "video", "video",
                (".mp4",), 2 * _MB, caption_max=490, fields=("caption",)),
)
_CLASSIC_PURSES = (
    Purse(1, N_("SMS")), Purse(2, N_("Interactive SMS")), Purse(3, N_("Voice calls")), Purse(4, N_("WhatsApp")),
)
# fmt: on
CLASSIC = Dialect(
    name="classic",
    types={row.type: row for row in _CLASSIC_TYPES},
    purses={row.number: row for row in _CLASSIC_PURSES},
    credits=CreditRule("gsm0338", single=160, multi=153, wide_single=70, wide_multi=67),
)
DIALECTS: dict[str, Dialect] = {CLASSIC.name: CLASSIC}
