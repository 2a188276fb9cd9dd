"""The page at `/`, for training: phones with what arrived on them, purses, faults, switches. Plain HTML, no script.

It belongs to the stand-in and not to Recado, so it keeps its few words in a table of its own. Every value goes through
`Markup.format`, which escapes it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from webapp.gateway.codes import CLASSIC, DELIVERED
from webapp.gateway.codes import status as status_row
from webapp.sandbox.clock import wire_date
from webapp.sandbox.control import Control
from webapp.sandbox.faults import KINDS, PATHS
from webapp.sandbox.options import CHOICES
from webapp.sandbox.store import Row

CSS = Path(__file__).with_name("page.css").read_bytes()
_PHONES = 12
_MESSAGES = 120
_WORDS = {
    "pt": {
        "title": "Gateway de treino", "lead": "Nada daqui chega a um telefone de verdade.", "phones": "Telefones",
        "none": "Nenhuma mensagem ainda. Envie algo pelo Recado e atualize esta página.", "refresh": "Atualizar",
        "answer": "Responder como esta pessoa", "send": "Enviar", "purses": "Carteiras", "numbers": "Números",
        "accepted": "Aceitas", "calls": "Chamadas", "replies": "Respostas", "twice": "Referências repetidas",
        "faults": "Falhas", "fault_none": "Nenhuma falha ligada.", "kind": "O que dá errado", "path": "Em qual chamada",
        "times": "Quantas vezes (vazio = até desligar)", "seconds": "Segundos", "code": "Código de resposta",
        "turn_on": "Ligar falha", "turn_off": "Desligar todas", "switches": "Comportamento", "save": "Salvar",
        "account": "Estado da conta", "speed": "Velocidade da entrega", "reply_share": "Parte que responde (0 a 1)",
        "failures": "Parte que falha (0 a 1)", "refuse_duplicates": "Recusar referência repetida",
        "late_seconds": "Consultas atrasadas (segundos)", "empty_list": "Forma da lista vazia",
        "balance_keys": "Nomes do saldo", "yes": "sim", "no": "não", "find": "Número", "filter": "Filtrar",
        "write": "Alguém escreve", "content": "Texto", "left": "restam {}", "always": "até desligar",
        "wrong": "Não deu certo", "back": "Voltar", "endings": "O final do número decide o resultado: 0003 é número "
        "inválido (-3), 1009 não recebida (9), 0050 recusada na hora (050), 2001 responde, 2002 pede para sair.",
    },
    "en": {
        "title": "Training gateway", "lead": "Nothing here reaches a real phone.", "phones": "Phones",
        "none": "No message yet. Send something from Recado and refresh this page.", "refresh": "Refresh",
        "answer": "Answer as this person", "send": "Send", "purses": "Purses", "numbers": "Figures",
        "accepted": "Accepted", "calls": "Calls", "replies": "Replies", "twice": "References used twice",
        "faults": "Faults", "fault_none": "No fault is switched on.", "kind": "What goes wrong",
        "path": "At which call",
        "times": "How many times (blank = until switched off)", "seconds": "Seconds", "code": "Response code",
        "turn_on": "Switch on", "turn_off": "Switch all off", "switches": "Behaviour", "save": "Save",
        "account": "State of the account", "speed": "Speed of delivery", "reply_share": "Share that answers (0 to 1)",
        "failures": "Share that fails (0 to 1)", "refuse_duplicates": "Refuse a reference used before",
        "late_seconds": "Late look-ups (seconds)", "empty_list": "Shape of an empty list",
        "balance_keys": "Names of the balances", "yes": "yes", "no": "no", "find": "Number", "filter": "Filter",
        "write": "Somebody writes", "content": "Text", "left": "{} left", "always": "until switched off",
        "wrong": "That did not work", "back": "Back", "endings": "The end of a number decides the outcome: 0003 is an "
        "invalid number (-3), 1009 not received (9), 0050 refused at once (050), 2001 answers, 2002 asks to leave.",
    },
}  # fmt: skip
# The vendor's own names in Portuguese; English has the table's labels.
_TYPES = (
    "SMS", "SMS Interativo (flash)", "SMS Interativo", "Torpedo de Voz (texto)", "Torpedo de Voz (áudio)",
    "WhatsApp (texto)", "WhatsApp (imagem)", "WhatsApp (áudio)", "WhatsApp (vídeo)",
)  # fmt: skip
_PURSES = {1: "SMS", 2: "SMS Interativo", 3: "Torpedo de Voz", 4: "WhatsApp"}
_FRAME = Markup(
    '<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
    '<link rel="stylesheet" href="/_sandbox/page.css"></head><body>'
    '<header><h1>{title}</h1><p>{lead}</p><a class="button" href="/">{refresh}</a></header>{body}</body></html>'
)
_PHONE = Markup(
    '<article class="phone"><h3>{number}</h3><p class="carrier">{carrier}</p><ol>{bubbles}</ol>'
    '<form method="post" action="/_sandbox/reply"><input type="hidden" name="number" value="{number}">'
    '<input name="content" required aria-label="{answer}" placeholder="{answer}"><button>{send}</button></form>'
    "</article>"
)
_SENT = Markup(
    '<li class="in{faint}"><small>{kind} · {date}</small>{media}<p>{text}</p><small>{status} · {words}</small></li>'
)
_REPLY = Markup('<li class="out"><small>{date}</small><p>{text}</p></li>')
_IMAGE = Markup('<img src="{url}" alt="{alt}" loading="lazy">')


def language(accepted: str) -> str:
    """`en` or `pt`, whichever the browser names first; Portuguese where it names neither."""
    named = [part.strip()[:2].lower() for part in accepted.split(",")]
    return next((name for name in named if name in _WORDS), "pt")


def show(control: Control, spoken: str, number: str) -> str:
    """The whole page; with a `number` only the phone of that person."""
    words = _WORDS.get(spoken, _WORDS["pt"])
    left = Markup("<main><h2>{}</h2>{}{}</main>").format(
        words["phones"], _filter(words, number), _phones(control, words, number)
    )
    right = Markup("<aside>{}{}{}{}</aside>").format(
        _figures(control, words), _writer(words), _faults(control, words), _switches(control, words)
    )
    return _frame(spoken, words, Markup('<div class="columns">{}{}</div>').format(left, right))


def error_page(sentence: str, spoken: str) -> str:
    """What a refused form leads to."""
    words = _WORDS.get(spoken, _WORDS["pt"])
    body = Markup('<main><h2>{}</h2><p>{}</p><a class="button" href="/">{}</a></main>')
    return _frame(spoken, words, body.format(words["wrong"], sentence, words["back"]))


def _frame(spoken: str, words: dict[str, str], body: Markup) -> str:
    names = ("title", "lead", "refresh")
    return str(
        _FRAME.format(lang="en" if spoken == "en" else "pt-BR", body=body, **{name: words[name] for name in names})
    )


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _filter(words: dict[str, str], number: str) -> Markup:
    return Markup(
        '<form class="filter" method="get" action="/"><label>{} <input name="number" value="{}"></label>'
        '<button>{}</button></form><p class="hint">{}</p>'
    ).format(words["find"], number, words["filter"], words["endings"])


def _phones(control: Control, words: dict[str, str], number: str) -> Markup:
    digits = "".join(filter(str.isdigit, number))
    where = "due_at <= :now" + (" AND number LIKE :number" if digits else "")
    sent = control.store.messages(where, {"number": f"%{digits}"}, order="due_at DESC, id DESC", limit=_MESSAGES)
    heard = control.store.inbound("at > :since" + (" AND number LIKE :number" if digits else ""), {
        "since": sent[-1]["due_at"] - 60 if sent else 0, "number": f"%{digits}",
    })[-_MESSAGES:]  # fmt: skip
    people = list(dict.fromkeys(row["number"] for row in sorted([*sent, *heard], key=_moment, reverse=True)))[:_PHONES]
    if not people:
        return Markup('<p class="empty">{}</p>').format(words["none"])
    return Markup('<div class="phones">{}</div>').format(
        _joined(_phone(who, [row for row in [*sent, *heard] if row["number"] == who], words) for who in people)
    )


def _moment(row: Row) -> float:
    moment: float = row["at"] if "at" in row.keys() else row["due_at"]  # noqa: SIM118 - a Row iterates its values
    return moment


def _phone(number: str, rows: Sequence[Row], words: dict[str, str]) -> Markup:
    bubbles = _joined(_bubble(row, words) for row in sorted(rows, key=_moment))
    return _PHONE.format(
        number=number, carrier=rows[0]["carrier"], bubbles=bubbles, answer=words["answer"], send=words["send"]
    )


def _bubble(row: Row, words: dict[str, str]) -> Markup:
    date = wire_date(_moment(row))
    if "at" in row.keys():  # noqa: SIM118 - a Row iterates its values
        return _REPLY.format(date=date, text=row["content"])
    service = CLASSIC.types[row["type"]]
    text, media = row["content"], Markup("")
    if service.content == "image" and text.startswith(("http://", "https://")):
        media, text = _IMAGE.format(url=text, alt=row["caption"]), row["caption"]
    status = status_row(str(row["status"]))
    kind = _TYPES[service.type] if words is _WORDS["pt"] else service.label
    faint = "" if status.code in DELIVERED else " faint"  # the phone does not show it, or not yet
    return _SENT.format(
        faint=faint, kind=kind, date=date, status=status.code, words=status.text, media=media, text=text
    )


def _figures(control: Control, words: dict[str, str]) -> Markup:
    figures = control.summary()
    portuguese = words is _WORDS["pt"]
    lines = [
        (_PURSES[number] if portuguese else CLASSIC.purses[number].label, left)
        for number, left in control.store.balances().items()
    ]
    rest = [
        (words["accepted"], figures["accepted"]),
        (words["twice"], figures["references_twice"]),
        (words["replies"], figures["replies"]),
        (words["calls"], sum(figures["calls"].values())),
    ]
    return _joined((_table(words["purses"], lines), _table(words["numbers"], rest)))


def _table(title: str, lines: Iterable[tuple[object, object]]) -> Markup:
    rows = _joined(Markup("<tr><th>{}</th><td>{}</td></tr>").format(*line) for line in lines)
    return Markup("<section><h2>{}</h2><table>{}</table></section>").format(title, rows)


def _writer(words: dict[str, str]) -> Markup:
    fields = _input("number", words["find"], "required") + _input("content", words["content"], "required")
    return _form(words["write"], "reply", fields, words["send"])


def _faults(control: Control, words: dict[str, str]) -> Markup:
    lines = [
        (f"{fault['kind']} {fault['code']} · {fault['path']}",
         words["left"].format(fault["times"]) if fault["times"] else words["always"])
        for fault in control.faults()
    ]  # fmt: skip
    table = (
        _table(words["faults"], lines)
        if lines
        else Markup("<section><h2>{}</h2><p>{}</p></section>").format(words["faults"], words["fault_none"])
    )
    off = _form("", "faults", Markup('<input type="hidden" name="clear" value="1">'), words["turn_off"])
    fields = _joined((
        _select("kind", words["kind"], KINDS, ""), _select("path", words["path"], PATHS, "*"),
        _input("times", words["times"], 'type="number" min="1" value="1"'),
        _input("seconds", words["seconds"], 'type="number" min="0" max="3600" value="5"'),
        _select("code", words["code"], ("", "010", *CHOICES["account"][1:]), ""),
    ))  # fmt: skip
    return table + (off if lines else Markup("")) + _form("", "faults", fields, words["turn_on"])


def _switches(control: Control, words: dict[str, str]) -> Markup:
    now = control.options
    yes_no = {"true": words["yes"], "false": words["no"]}
    fields = [
        _select(name, words[name], CHOICES[name], str(getattr(now, name)))
        for name in ("account", "empty_list", "balance_keys")
    ]
    fields.append(
        _select("refuse_duplicates", words["refuse_duplicates"], yes_no, str(now.refuse_duplicates).lower(), yes_no)
    )
    for name in ("speed", "reply_share", "failures", "late_seconds"):
        shown = Markup('type="number" step="any" min="0" value="{}"').format(getattr(now, name))
        fields.append(_input(name, words[name], shown))
    return _form(words["switches"], "settings", _joined(fields), words["save"])


def _form(title: str, action: str, fields: Markup, button: str) -> Markup:
    head = Markup("<h2>{}</h2>").format(title) if title else Markup("")
    return Markup('<section>{}<form method="post" action="/_sandbox/{}">{}<button>{}</button></form></section>').format(
        head, action, fields, button
    )


def _input(name: str, label: str, attributes: str) -> Markup:
    """`attributes` is markup of our own, never a value from outside."""
    return Markup('<label>{}<input name="{}" {}></label>').format(label, name, Markup(attributes))  # noqa: S704


def _select(name: str, label: str, values: Iterable[str], chosen: str, shown: dict[str, str] | None = None) -> Markup:
    options = _joined(
        Markup('<option value="{}"{}>{}</option>').format(
            value, Markup(" selected") if value == chosen else "", (shown or {}).get(value, value)
        )
        for value in values
    )
    return Markup('<label>{}<select name="{}">{}</select></label>').format(label, name, options)
