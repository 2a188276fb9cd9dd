"""What is held of a person, as a file to hand to them: a sheet to print and the same as JSON, in one ZIP."""

import io
import json
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from webapp.core import clock, phone
from webapp.core.dossier import Section

MOST = 10_000  # rows of one kind; whoever has more gets the first of them, and a note that says so
SHEET, DATA = "recado.html", "recado.json"


def as_json(number: int, sections: Sequence[Section], made_at: datetime) -> str:
    """The sections by their keys; moments are ISO 8601 with offset (`made_at` is naive UTC, as all columns are)."""
    told: dict[str, Any] = {
        section.key: {"total": section.total, "rows": section.as_dicts()} for section in sections if section.total
    }
    answer = {"number": f"+{number}", "shown": phone.display(number), "made_at": _iso(made_at), "held": told}
    return json.dumps(answer, ensure_ascii=False, indent=2, default=_iso)


def _iso(value: Any) -> str:
    return clock.aware(value).isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def as_zip(sheet: str, data: str) -> bytes:
    """Both files in one."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SHEET, sheet)
        archive.writestr(DATA, data)
    return made.getvalue()
