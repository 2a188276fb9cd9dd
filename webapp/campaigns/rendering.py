"""One text for each person and what it costs: fields filled, accents exchanged where that saves, parts counted."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from webapp.campaigns.models import Campaign
from webapp.core.text import (
    CreditRule,
    Plain,
    Segments,
    Template,
    plain_accents,
    segments,
    tidy,
)
from webapp.gateway.codes import Dialect, ServiceType

_ALPHABETS: dict[str, Literal["gsm", "basic"]] = {"gsm0338": "gsm"}
# Longer texts are refused at the form, and people whose filled text gets longer are left out: parts of an SMS,
# characters of what is read aloud or shown in WhatsApp.
MOST_PARTS = 10
MOST_CHARACTERS = {"voice": 1000, "whatsapp": 4096}


def credit_rule(dialect: Dialect) -> CreditRule:
    """How the parts of an SMS are counted in a dialect."""
    rule = dialect.credits
    return CreditRule(rule.single, rule.multi, rule.wide_single, rule.wide_multi, _ALPHABETS.get(rule.charset, "basic"))


class Rendered(NamedTuple):
    """What one person gets. `text` is None where it is the same for everybody.

    `credits` and `segments` are of what is sent; `saved` credits is what exchanging accents saves, done or not;
    `problem` is the reason why it cannot be sent as it is ("missing_field", "empty", "too_long"), or None.
    """

    text: str | None
    credits: int
    missing: tuple[str, ...]
    problem: str | None
    saved: int = 0
    segments: Segments | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What makes a text: the person's words, and what they decided about accents and about fields without value."""

    text: str
    accents: str = "keep"
    missing: str = "leave"

    @classmethod
    def of(cls, campaign: Campaign) -> "Words":
        """The words of a campaign; of a file there are none."""
        return cls(campaign.text, campaign.accents, campaign.missing)


class Renderer:
    """Fills one message for many people. For media the text is the file's address, the same for everybody."""

    def __init__(self, words: Words, service: ServiceType, rule: CreditRule, address: str = "") -> None:
        self.service, self.rule, self.words = service, rule, words
        self.template = Template(address if service.media else words.text)
        self.fields = [] if service.media else self.template.fields
        self._same = None if self.fields else self._judge(self.template.source, ())

    @property
    def common(self) -> str:
        """The text of the run: what rows without a text of their own say."""
        if self._same is None or self.service.media:
            return self.template.source
        return self.sent(self.template.source)

    def of(self, values: dict[str, Any]) -> Rendered:
        """What one person gets."""
        if self._same is not None:
            return self._same
        filled = self.template.fill(values)
        return self._judge(filled.text, filled.missing)

    def sent(self, filled: str) -> str:
        """The text as it leaves: blanks tidied, accents exchanged where the person wants that and it saves a credit."""
        text = tidy(filled)
        if self.words.accents != "save" or not self.service.by_segments:
            return text
        exchanged = self.exchange(text)
        return text if exchanged is None else exchanged.text

    def exchange(self, text: str) -> Plain | None:
        """The text without the characters that make it dearer; None where exchanging them saves nothing."""
        now = segments(text, self.rule)
        if now.encoding == "gsm" or now.parts < 2:
            return None
        plain = plain_accents(text, self.rule)
        return plain if segments(plain.text, self.rule).parts < now.parts else None

    def _judge(self, filled: str, missing: tuple[str, ...]) -> Rendered:
        text = filled if self.service.media else tidy(filled)
        own = bool(self.fields)
        problem = "missing_field" if missing and self.words.missing == "leave" else None
        if not text.strip():
            return Rendered(text if own else None, 0, missing, problem or "empty")
        if not self.service.by_segments:
            longest = MOST_CHARACTERS.get(self.service.channel, 0)
            too_long = not self.service.media and longest and len(text) > longest
            problem = problem or ("too_long" if too_long else None)
            return Rendered(text if own else None, 1, missing, problem)
        return self._judge_sms(text, missing, problem, own)

    def _judge_sms(self, text: str, missing: tuple[str, ...], problem: str | None, own: bool) -> Rendered:
        count, saved = segments(text, self.rule), 0
        if count.parts > 1 and count.encoding == "ucs2":
            exchanged = plain_accents(text, self.rule).text
            cheaper = segments(exchanged, self.rule)
            saved = max(count.parts - cheaper.parts, 0)
            if saved and self.words.accents == "save":
                text, count = exchanged, cheaper
        if count.parts > MOST_PARTS:
            problem = problem or "too_long"
        return Rendered(text if own else None, max(count.parts, 1), missing, problem, saved, count)


def service_of(dialect: Dialect, type_: int) -> ServiceType:
    """The row of a service type; a type that this dialect does not have falls back to its first."""
    return dialect.types.get(type_) or next(iter(dialect.types.values()))
