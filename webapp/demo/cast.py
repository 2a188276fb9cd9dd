"""Who is in the demo: the people who sign in, and the shop's customers as the files that it imported."""

import csv
import io
import random
from dataclasses import dataclass
from datetime import date, timedelta

from webapp.sandbox.people import number_for


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who signs in."""

    email: str
    name: str
    role: str


COLLEAGUES = (
    Colleague("ana@aurora.example", "Ana Ribeiro", "admin"),
    Colleague("bruno@aurora.example", "Bruno Tavares", "marketing"),
    Colleague("carla@aurora.example", "Carla Menezes", "support"),
)

_FIRST = (
    "Adriana", "Alice", "Amanda", "André", "Antônio", "Beatriz", "Camila", "Carlos", "Cecília", "Célia", "Daniel",
    "Davi", "Débora", "Diego", "Eduardo", "Elaine", "Fábio", "Fernanda", "Flávia", "Francisco", "Gabriel", "Gustavo",
    "Heitor", "Helena", "Igor", "Isabela", "João", "Joana", "Jorge", "José", "Juliana", "Larissa", "Laura", "Leandro",
    "Letícia", "Lívia", "Lucas", "Luciana", "Luís", "Marcelo", "Márcia", "Marcos", "Maria", "Mariana", "Matheus",
    "Natália", "Otávio", "Patrícia", "Paulo", "Pedro", "Rafael", "Raquel", "Renata", "Ricardo", "Roberta", "Rodrigo",
    "Sandra", "Sérgio", "Simone", "Sofia", "Tatiana", "Thiago", "Valéria", "Vanessa", "Vinícius", "Vitória", "Yasmin",
)  # fmt: skip
_LAST = (
    "Almeida", "Alves", "Andrade", "Araújo", "Barbosa", "Batista", "Borges", "Campos", "Cardoso", "Carvalho", "Castro",
    "Conceição", "Costa", "Cunha", "Dias", "Duarte", "Farias", "Fernandes", "Ferreira", "Freitas", "Gomes", "Gonçalves",
    "Lima", "Lopes", "Machado", "Martins", "Melo", "Mendes", "Monteiro", "Moraes", "Moreira", "Moura", "Nascimento",
    "Nogueira", "Nunes", "Oliveira", "Pereira", "Pinto", "Ramos", "Reis", "Rezende", "Ribeiro", "Rocha", "Rodrigues",
    "Santana", "Santos", "Silva", "Siqueira", "Souza", "Teixeira", "Vasconcelos", "Vieira",
)  # fmt: skip
# Area code, city, and how many of a hundred customers live there.
_PLACES = (
    (11, "São Paulo", 30), (19, "Campinas", 8), (13, "Santos", 5), (21, "Rio de Janeiro", 12),
    (31, "Belo Horizonte", 9), (41, "Curitiba", 6), (43, "Londrina", 4), (51, "Porto Alegre", 6),
    (48, "Florianópolis", 3), (61, "Brasília", 4), (62, "Goiânia", 3), (71, "Salvador", 4), (81, "Recife", 3),
    (85, "Fortaleza", 2), (92, "Manaus", 1),
)  # fmt: skip
# What becomes of some customers' messages (`webapp.sandbox.people`), each once in so many customers.
_FATES = (
    ("-3", 150), ("-5", 180), ("-7", 120), ("-8", 300), ("-9", 220), ("-2", 130), ("7", 160), ("8", 170), ("9", 80),
    ("0", 100), ("2", 140), ("050", 230), ("070", 290), ("reply", 150), ("stop", 310),
    ("two replies", 370),
)  # fmt: skip
_COUPONS = ("AURORA10", "FRETE0", "VOLTA15", "PRIMAVERA")


@dataclass(frozen=True, slots=True)
class Customer:
    """One row of a file."""

    name: str
    number: str  # national digits
    city: str
    bought: date
    coupon: str
    points: int


class Customers:
    """Draws customers, the same ones for the same seed. A number is drawn once."""

    def __init__(self, seed: int, today: date) -> None:
        self._dice, self._today = random.Random(seed), today
        self._known: set[str] = set()
        self._drawn = 0

    def draw(self, count: int) -> list[Customer]:
        """So many more of them."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Customer:
        dice = self._dice
        self._drawn += 1
        code, city, _ = dice.choices(_PLACES, weights=[share for *_, share in _PLACES])[0]
        name = f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"
        number = self._special(code) or self._ordinary(code)
        bought = self._today - timedelta(days=dice.randint(3, 400))
        return Customer(name, number, city, bought, dice.choice(_COUPONS), dice.randint(4, 240) * 10)

    def _special(self, code: int) -> str | None:
        for place, (outcome, every) in enumerate(_FATES):
            if self._drawn % every == place % every:
                number = number_for(outcome, self._drawn, code)
                if number not in self._known:
                    self._known.add(number)
                    return number
        return None

    def _ordinary(self, code: int) -> str:
        """A mobile, sometimes a landline, whose ending means nothing to the sandbox."""
        while True:
            if self._dice.random() < 0.012:
                number = f"{code}3{self._dice.randint(200, 899)}{self._dice.randint(3000, 9999)}"
            else:
                number = f"{code}9{self._dice.randint(6000, 9999)}{self._dice.randint(3000, 9999)}"
            if number not in self._known:
                self._known.add(number)
                return number


def spelled(number: str, dice: random.Random) -> str:
    """A number the way people type it into spreadsheets."""
    code, rest = number[:2], number[2:]
    first, last = rest[:-4], rest[-4:]
    return dice.choice(
        (number, f"({code}) {first}-{last}", f"+55 {code} {first}-{last}", f"55{number}", f"0{code} {first}{last}")
    )


def as_csv(customers: list[Customer], *, dice: random.Random, mistakes: bool) -> bytes:
    """The file that the shop's system exports: `;`, Windows-1252, and now and then a row that is wrong."""
    out = io.StringIO(newline="")
    rows = csv.writer(out, delimiter=";", lineterminator="\r\n")
    rows.writerow(["Nome", "Celular", "Como chamar", "Cidade", "Última compra", "Cupom", "Pontos"])
    for place, person in enumerate(customers):
        cells = [
            person.name, spelled(person.number, dice), person.name.split()[0], person.city,
            person.bought.strftime("%d/%m/%Y"), person.coupon, person.points,
        ]  # fmt: skip
        rows.writerow(cells)
        if mistakes and place % 97 == 41:
            rows.writerow(cells)
        if mistakes and place % 83 == 17:
            rows.writerow([person.name, dice.choice(("sem celular", "1198", "11 2222-333", "9 9999")), *cells[2:]])
    return out.getvalue().encode("cp1252", "replace")
