"""Replies that read as if somebody wants out without saying only that: a person decides, nothing is done silently."""

import re

from webapp.core.text import fold_word
from webapp.optouts.service import OPT_OUT_WORDS

LONGEST = 400  # characters; further on, a word like "sair" is part of a story
_HINTS = re.compile(
    r"\b(?:"
    + "|".join(sorted(OPT_OUT_WORDS))
    + r"|pare[mi]|cancel[ae]|cancelem|remov[ae]|removam|descadastr[ae]|descadastrem|descadastro|unsubscribe|opt out"
    r"|tir(?:a|e|em|ar) (?:o )?(?:meu|da|desta|dessa)"
    r"|nao (?:quero|desejo) (?:mais )?(?:receber|mensage(?:m|ns))|nao quero mais"
    r"|nao (?:me )?(?:mand|envi)(?:a|e|em)|nao autorizei|denunciar|procon"
    r")\b"
)


def looks_like_opt_out(text: str) -> bool:
    """Whether an opt-out word, or a phrase that means one, stands somewhere in a reply ("quero sair dessa lista")."""
    return _HINTS.search(fold_word(text[:LONGEST])) is not None
