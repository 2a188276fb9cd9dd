"""Twenty people who do not exist, to try Recado with."""

from sqlalchemy.orm import Session

from webapp.contacts import service, storing
from webapp.contacts.columns import Mapping, guess
from webapp.contacts.models import ContactList
from webapp.core import clock, phone

_HEADER = ["Nome", "Celular", "Cidade", "Último pedido", "Vencimento"]
# Mobile numbers that begin with 90000 are assigned to nobody.
_ROWS = (
    ("Ana Souza", 11, "São Paulo", "Tênis", "05/12/2026"),
    ("Bruno Lima", 21, "Rio de Janeiro", "Mochila", "08/12/2026"),
    ("Carla Dias", 31, "Belo Horizonte", "Jaqueta", "10/12/2026"),
    ("Diego Reis", 48, "Florianópolis", "Boné", "10/12/2026"),
    ("Elisa Melo", 85, "Fortaleza", "Sandália", "11/12/2026"),
    ("Fábio Nunes", 14, "Bauru", "Relógio", "12/12/2026"),
    ("Gabriela Rocha", 41, "Curitiba", "Casaco", "15/12/2026"),
    ("Heitor Alves", 51, "Porto Alegre", "Bota", "15/12/2026"),
    ("Isabela Castro", 61, "Brasília", "Vestido", "16/12/2026"),
    ("João Ferreira", 62, "Goiânia", "Camisa", "18/12/2026"),
    ("Karina Lopes", 65, "Cuiabá", "Bolsa", "18/12/2026"),
    ("Lucas Araújo", 68, "Rio Branco", "Óculos", "19/12/2026"),
    ("Mariana Gomes", 71, "Salvador", "Maiô", "20/12/2026"),
    ("Nelson Barros", 81, "Recife", "Chinelo", "20/12/2026"),
    ("Olívia Teixeira", 91, "Belém", "Rede", "21/12/2026"),
    ("Paulo Moreira", 92, "Manaus", "Ventilador", "21/12/2026"),
    ("Queila Batista", 27, "Vitória", "Cafeteira", "22/12/2026"),
    ("Rafael Pinto", 67, "Campo Grande", "Chapéu", "22/12/2026"),
    ("Sílvia Cardoso", 98, "São Luís", "Livro", "23/12/2026"),
    ("Tiago Martins", 13, "Santos", "Prancha", "23/12/2026"),
)


def add_samples(session: Session, name: str, person_id: int | None = None) -> ContactList:
    """A list of that name with twenty invented people in it; asked again, the same twenty."""
    target = service.list_named(session, name, person_id)
    rows = [[who, phone.display(_number(n, ddd)), *rest] for n, (who, ddd, *rest) in enumerate(_ROWS, start=1)]
    mapping: Mapping = guess([(1, _HEADER), *enumerate(rows, start=2)], has_header=True, width=len(_HEADER))
    storing.add_fields(session, target.id, mapping)
    keys = [column.key for column in mapping.fields]
    people = [
        service.person_of(phone.Parsed(_number(n, ddd), "mobile"), who, dict(zip(keys, rest, strict=True)))
        for n, (who, ddd, *rest) in enumerate(_ROWS, start=1)
    ]
    storing.lock_list(session, target.id)
    storing.upsert(session, target.id, people, clock.now())
    return target


def _number(n: int, ddd: int) -> int:
    return int(f"55{ddd}90000{n:04}")
