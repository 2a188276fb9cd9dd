"""What can go wrong with a call to the gateway, told apart by what may have become of the messages.

`explanation` and `advice` are msgids; `detail` is one technical word or sentence for logs; `raw` is the answer as it
came, at most 2 kB, without credentials and with long numbers masked. No error shows `raw` in its `str` or `repr`.
"""

import re
from collections.abc import Iterable

from webapp.core.i18n import N_
from webapp.gateway.codes import RESPONSES, Response, Verdict, response

RAW_LIMIT = 2048
_LOOKED_AT = 65_536  # of an answer of any size, this much is enough to cut 2 kB from after redaction

_CREDENTIAL = re.compile(
    r"""(?ix) \b ( (?:user(?:name)?|usuario|login|password|passwd|senha|token) ["']? \s* [=:] \s* ["']? ) [^\s"'&<>,;}]+
        | \b ( (?:basic|bearer) \s+ ) [a-z0-9+/=_.~-]{4,} """
)
_LONG_NUMBER = re.compile(r"(?<!\d)\+?\d{6,}(\d{4})(?!\d)")


def redacted(raw: bytes | str, secrets: Iterable[str] = ()) -> str:
    """The start of an answer (≤ 2 kB of UTF-8) without credentials and without telephone numbers."""
    text = raw[:_LOOKED_AT].decode("utf-8", "replace") if isinstance(raw, bytes) else raw[:_LOOKED_AT]
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = _CREDENTIAL.sub(lambda found: (found[1] or found[2]) + "***", text)
    text = _LONG_NUMBER.sub(r"…\1", text).replace("\x00", "")
    return text.encode("utf-8", "replace")[:RAW_LIMIT].decode("utf-8", "ignore")


class GatewayError(Exception):
    """Base of all. `code` is the gateway's response code, "" where it gave none."""

    explanation = N_("The call to the gateway failed.")
    advice = N_("Nothing was lost. Tell whoever looks after Recado.")

    def __init__(self, code: str = "", raw: bytes | str = "", detail: str = "") -> None:
        self.code = code
        self.detail = detail
        self.raw = redacted(raw)
        known = RESPONSES.get(code)
        if known:
            self.explanation, self.advice = known.explanation, known.advice
        super().__init__(" ".join(part for part in (code, detail) if part) or type(self).__name__)


class NotSent(GatewayError):
    """Nothing left us: name not found, connection refused, no answer to the handshake. Safe to repeat."""

    explanation = N_("Recado could not reach the gateway.")
    advice = N_("Nothing was lost: Recado tries again by itself. If it lasts, check the gateway's address.")


class OutcomeUnknown(GatewayError):
    """Bytes may have left us and no readable answer came, or the gateway said 110. Look up before repeating."""

    explanation = N_("The gateway gave no readable answer, so it is not known whether the messages left.")
    advice = N_("Nothing to do: Recado asks the gateway before it sends again.")


class LookupFailed(GatewayError):
    """A question without a readable answer. Nothing was sent by it: safe to repeat, though `mo_new` may have lost."""

    explanation = N_("The gateway gave no readable answer to a question.")
    advice = N_("Nothing to do: Recado asks again by itself.")


class Refused(GatewayError):
    """The message (or the whole call) was refused for what it is: 030, 050, 060, 070, 150."""

    explanation = N_("The gateway refused the message.")
    advice = N_("Correct the message or the number and send again.")


class Stopped(GatewayError):
    """Nothing can be sent until a person acts. `scope` is "account" (010, 090, 091) or "balance" (080)."""

    explanation = N_("The gateway does not let this account send.")
    advice = N_("Check the gateway account and its credits.")

    def __init__(self, code: str = "", raw: bytes | str = "", detail: str = "") -> None:
        super().__init__(code, raw, detail)
        self.scope = "balance" if response(code).verdict is Verdict.STOP_BALANCE else "account"


class Busy(GatewayError):
    """The gateway is under maintenance (100). Nothing was taken: safe to repeat later."""

    explanation = N_("The gateway is under maintenance.")
    advice = N_("Nothing to do: Recado tries again by itself.")


class OurMistake(GatewayError):
    """The call was wrong in a way no person of the campaign is to blame for: 020, 040, 120, 130, 140, 160, 170."""

    explanation = N_("The gateway did not understand what Recado asked for.")
    advice = N_("The batch is held and nobody was marked as refused. Tell whoever looks after Recado.")


_BY_VERDICT: dict[Verdict, type[GatewayError]] = {
    Verdict.REFUSED: Refused,
    Verdict.STOP_ACCOUNT: Stopped,
    Verdict.STOP_BALANCE: Stopped,
    Verdict.BUSY: Busy,
    Verdict.OUR_MISTAKE: OurMistake,
}


def error_for(row: Response, raw: bytes | str, *, sending: bool) -> GatewayError:
    """The error that a response code means. Codes without a meaning of their own leave the outcome unknown."""
    unclear = OutcomeUnknown if sending else LookupFailed
    return _BY_VERDICT.get(row.verdict, unclear)(row.code, raw, row.description)
