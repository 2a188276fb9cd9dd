"""The Brazilian catalogue: complete, each msgid once, placeholders kept."""

import re
from collections import Counter

import pytest
from babel.messages.pofile import read_po

from webapp.core.catalogue import missing
from webapp.core.i18n import TRANSLATIONS

FILES = sorted((TRANSLATIONS / "pt_BR").glob("*.po"))
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")


def test_every_word_has_its_brazilian_translation() -> None:
    absent = [f"{file}:{line} {message!r}" for message, file, line in missing("pt_BR")]
    assert not absent, f"{len(absent)} words are missing from the catalogue:\n" + "\n".join(absent[:40])


def test_every_msgid_stands_in_one_file_only() -> None:
    seen: Counter[str] = Counter()
    for path in FILES:
        with path.open("rb") as file:
            seen.update({str(message.id) for message in read_po(file, locale="pt_BR") if message.id})
    twice = [msgid for msgid, times in seen.items() if times > 1]
    assert not twice, f"defined in more than one file: {twice[:20]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_translations_keep_their_placeholders_and_are_not_fuzzy(path) -> None:  # type: ignore[no-untyped-def]
    with path.open("rb") as file:
        for message in read_po(file, locale="pt_BR"):
            if not message.id:
                continue
            assert not message.fuzzy, f"{path.name}: {message.id!r} is fuzzy"
            originals = message.id if isinstance(message.id, tuple | list) else (message.id,)
            texts = message.string if isinstance(message.string, tuple | list) else (message.string,)
            allowed = {name for original in originals for name in PLACEHOLDER.findall(original)}
            for text in texts:
                assert text, f"{path.name}: {message.id!r} has no translation"
                assert set(PLACEHOLDER.findall(text)) <= allowed, f"{path.name}: {message.id!r} → {text!r}"
