"""Which column holds what: guessed by name (Portuguese and English) and by content, changed by the person."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from webapp.contacts import again
from webapp.contacts.reading import Row
from webapp.core import phone
from webapp.core.text import fold

Role = Literal["number", "ddd", "name", "field", "skip"]
Kind = Literal["text", "number", "date"]
TITLE_ROWS = 10  # above the header, at the most
KINDS: tuple[Kind, ...] = ("text", "number", "date")
ROLES: tuple[Role, ...] = ("number", "ddd", "name", "field", "skip")

_NUMBER_NAMES = frozenset(
    fold(name)
    for name in (
        *("celular", "telefone", "fone", "tel", "cel", "whatsapp", "whats", "zap", "wpp", "número", "mobile", "phone"),
        *("cell", "cellphone", "msisdn", "telefone celular", "celular whatsapp", "phone number", "mobile phone"),
        *("mobile number", "número celular", "número telefone", "número de telefone", "número do celular"),
        *("telefone 1", "celular 1", "fone celular", "tel celular", "contato telefone", "telefone contato", "number"),
    )
)
_NUMBER_PART = re.compile(r"celular|telefone|whats|fone|phone|mobile|msisdn|zap")
_NAME_NAMES = (
    *("nome", "name", "nome_completo", "full_name", "primeiro_nome", "first_name", "cliente", "nome_do_cliente"),
    *("nome_cliente", "destinatario", "aluno", "paciente", "associado", "contato", "contact", "razao_social"),
)
_NUMERIC = re.compile(r"-?(?:R\$\s*)?[\d.,]+%?").fullmatch
_DATE = re.compile(
    r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}(?: \d{1,2}:\d{2}(?::\d{2})?)?|\d{4}-\d{2}-\d{2}(?:[ T].*)?"
).fullmatch


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file. `key` is the placeholder's name; `label` the header as it stood.

    `chosen`: a person has said the kind, which is not guessed then.
    """

    index: int
    label: str
    key: str
    role: Role
    kind: Kind = "text"
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """What every column of a file means. `width`: how many columns a row may have.

    `remembered`: as a person chose it for an earlier file with this header, not guessed. `skip`: physical rows above
    the table (the title of a report).
    """

    columns: tuple[Column, ...]
    width: int
    remembered: bool = False
    skip: int = 0

    def of_role(self, role: Role) -> Column | None:
        """The column with that role, if there is one."""
        return next((column for column in self.columns if column.role == role), None)

    @property
    def fields(self) -> list[Column]:
        """The columns that become fields."""
        return [column for column in self.columns if column.role == "field"]

    def with_roles(
        self, roles: dict[int, Role], labels: dict[int, str], kinds: dict[int, Kind] | None = None
    ) -> "Mapping":
        """The mapping as a person changed it; columns not named keep what they have."""
        changed = []
        for column in self.columns:
            label = labels.get(column.index, column.label).strip()[:120] or column.label
            kind = (kinds or {}).get(column.index, column.kind)
            chosen = column.chosen or kind != column.kind
            role = roles.get(column.index, column.role)
            changed.append(replace(column, role=role, label=label, kind=kind, chosen=chosen))
        keyed = _with_keys(changed)
        return replace(self, columns=keyed, remembered=self.remembered and keyed == self.columns)

    def to_json(self) -> dict[str, Any]:
        """The form in which it is stored."""
        columns = [asdict(column) for column in self.columns]
        return {"width": self.width, "columns": columns, "remembered": self.remembered, "skip": self.skip}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Mapping":
        """Read what `to_json` wrote."""
        columns = tuple(Column(**column) for column in stored["columns"])
        return cls(columns, stored["width"], stored.get("remembered", False), stored.get("skip", 0))


def _with_keys(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Give every column a key of its own: headers that fold alike get a number.

    A file of wrong rows that comes back gives its own columns the keys that they had the first time.
    """
    ours = again.WIDTH if again.is_again([column.label for column in columns]) else 0
    taken: set[str] = set()
    keyed = []
    for column in (*columns[ours:], *columns[:ours]):
        base = fold(column.label)[:50] or f"coluna_{column.index + 1 - ours}"
        key, nth = base, 2
        while key in taken:
            key, nth = f"{base}_{nth}", nth + 1
        taken.add(key)
        keyed.append(replace(column, key=key))
    return tuple(sorted(keyed, key=lambda column: column.index))


def _share(values: list[str], test: Any) -> float:
    filled = [value for value in values if value.strip()]
    return sum(1 for value in filled if test(value.strip())) / len(filled) if filled else 0.0


def is_number(text: str) -> bool:
    """Whether a cell can be read as somebody's phone number."""
    return isinstance(phone.parse(text), phone.Parsed)


def _is_mobile(text: str) -> bool:
    found = phone.parse(text)
    return isinstance(found, phone.Parsed) and found.kind == "mobile"


def _is_words(text: str) -> bool:
    return bool(re.fullmatch(r"[^\W\d_][^\d@/\\]{1,80}", text))


def looks_like_header(rows: list[Row]) -> bool:
    """Whether the first row names the columns: no phone number in it, and words that we know or phones below it."""
    first = [cell.strip() for cell in rows[0][1]]
    if again.is_again(first):
        return True
    if any(is_number(cell) for cell in first):
        return False
    names = {fold(cell) for cell in first if cell}
    if names & (_NUMBER_NAMES | set(_NAME_NAMES)) or any(_NUMBER_PART.search(name) for name in names):
        return True
    below = rows[1:]
    return bool(below) and any(is_number(cell) for _, cells in below for cell in cells)


def rows_above_header(rows: list[Row]) -> int:
    """How many of the first rows are the title of a report: rows of fewer cells, none of them a phone, above one that
    names a column with phones below."""
    widest = 0
    for place, (_, cells) in enumerate(rows[: TITLE_ROWS + 1]):
        if any(is_number(cell) for cell in cells):
            return 0
        size = sum(1 for cell in cells if cell.strip())
        if size > 1 and _names_phones(cells, rows[place + 1 :]):
            return place if size > widest else 0
        widest = max(widest, size)
    return 0


def _names_phones(header: list[str], below: list[Row]) -> bool:
    names = [fold(cell) for cell in header]
    return any(
        (name in _NUMBER_NAMES or _NUMBER_PART.search(name))
        and any(index < len(cells) and _like_number(cells[index]) for _, cells in below)
        for index, name in enumerate(names)
        if name
    )


def _like_number(text: str) -> bool:
    """A phone number, or one whose area code stands in a column of its own."""
    return is_number(text) or sum(character.isdigit() for character in text) in (8, 9)


def guess(rows: list[Row], *, has_header: bool, width: int) -> Mapping:
    """The mapping that a person would choose most likely, from the first rows of the file."""
    header = rows[0][1] if has_header and rows else []
    body = [cells for _, cells in (rows[1:] if has_header else rows)]
    ours = again.WIDTH if again.is_again(header) else 0
    columns = []
    values: list[list[str]] = []
    for index in range(width):
        label = (header[index].strip() if index < len(header) else "")[:120]
        column_values = [cells[index] for cells in body if index < len(cells)]
        values.append(column_values)
        filled = label or any(value.strip() for value in column_values)
        role: Role = "field" if filled and index >= ours else "skip"
        columns.append(Column(index, label or f"Coluna {index + 1}", "", role, _kind(column_values)))
    number = _best_number(columns, values)
    if number is not None:
        columns[number] = replace(columns[number], role="number", kind="text")
    ddd = _ddd_column(columns, values, number)
    if ddd is not None:
        columns[ddd] = replace(columns[ddd], role="ddd", kind="text")
    name = _best_name(columns, values)
    if name is not None:
        columns[name] = replace(columns[name], role="name", kind="text")
    return Mapping(_with_keys(columns), width)


def _kind(values: list[str]) -> Kind:
    if _share(values, _DATE) >= 0.9:
        return "date"
    return "number" if _share(values, _NUMERIC) >= 0.9 else "text"


def _best_number(columns: list[Column], values: list[list[str]]) -> int | None:
    best, best_score = None, 0.0
    most = max(1, *map(len, values)) if values else 1
    for column in columns:
        if column.role == "skip":
            continue
        name = fold(column.label)
        named = 0.5 if name in _NUMBER_NAMES else 0.3 if _NUMBER_PART.search(name) else 0.0
        cells = values[column.index]
        share = _share(cells, is_number)
        digits = _share(cells, lambda cell: sum(c.isdigit() for c in cell) >= 8)
        score = share + named + (0.2 * digits if named else 0.0)
        # Of two good columns the one with more mobiles, and with fewer gaps: landlines get no SMS.
        score += 0.2 * _share(cells, _is_mobile) + 0.3 * share * len([cell for cell in cells if cell.strip()]) / most
        # A column by content alone must be a column of phones: one in ten CPFs reads as one, too.
        if score > best_score and (named or share >= 0.5):
            best, best_score = column.index, score
    return best


def _ddd_column(columns: list[Column], values: list[list[str]], number: int | None) -> int | None:
    for column in columns:
        if column.index != number and fold(column.label) in ("ddd", "codigo_de_area", "area_code"):
            return column.index if _share(values[column.index], _is_ddd) else None
    return None


def _is_ddd(text: str) -> bool:
    bare = text.strip(" ()")
    return bare.isdigit() and len(bare) <= 3


def _best_name(columns: list[Column], values: list[list[str]]) -> int | None:
    free: dict[str, int] = {}
    for column in columns:
        if column.role == "field":
            free.setdefault(fold(column.label), column.index)
    for name in _NAME_NAMES:
        if name in free:
            return free[name]
    for name, index in free.items():
        if name.startswith(("nome_", "name_")):
            return index
    unnamed = [column.index for column in columns if column.role == "field" and column.label.startswith("Coluna ")]
    return next((index for index in unnamed if _share(values[index], _is_words) >= 0.8), None)
