"""What happened in the shop: campaigns with their words, and when."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

CUSTOMERS, CLUB, BIRTHDAYS, NEWSLETTER = (
    "Clientes da loja", "Clube Aurora", "Aniversariantes do mês", "Assinantes do site",
)  # fmt: skip
SIZES = {CUSTOMERS: 210, CLUB: 110, BIRTHDAYS: 45, NEWSLETTER: 380}


@dataclass(frozen=True, slots=True)
class Planned:
    """One campaign: when, to whom, what."""

    name: str
    lists: tuple[str, ...]
    type: int
    text: str
    days_ago: int
    at: time
    accents: str = "keep"


SMS, FLASH, VOICE, WHATSAPP, PICTURE = 0, 1, 3, 5, 6

PAST = (
    Planned("Boas-vindas ao Clube Aurora", (CLUB,), SMS,
            "Oi, {{como_chamar}}! Seu cadastro no Clube Aurora está pronto: você já tem {{pontos}} pontos. Loja Aurora",
            14, time(10, 5)),
    Planned("Frete grátis no fim de semana", (CUSTOMERS,), SMS,
            "{{como_chamar}}, frete gratis so ate domingo com o cupom {{cupom}}. Responda SAIR para nao receber mais.",
            12, time(11, 30)),
    Planned("Aviso de balanço: loja fecha às 16h", (CUSTOMERS,), FLASH,
            "Loja Aurora: hoje fechamos as 16h para balanco. Amanha abrimos normalmente, as 9h.", 11, time(9, 15)),
    Planned("Pesquisa depois da compra", (CLUB,), WHATSAPP,
            "Olá, {{como_chamar}}! Como foi sua última compra na Loja Aurora? Responda com uma nota de 0 a 10. 💛",
            10, time(14, 20)),
    Planned("Coleção de primavera", (NEWSLETTER,), SMS,
            "Chegou a coleção de primavera da Loja Aurora, {{como_chamar}}! Venha ver em {{cidade|nossa loja}}.",
            9, time(10, 40), accents="save"),
    Planned("Vitrine de primavera (foto)", (CLUB,), PICTURE, "", 8, time(16, 10)),
    Planned("Lembrete de troca", (CUSTOMERS,), SMS,
            "{{como_chamar}}, o prazo de troca da sua compra de {{ultima_compra}} termina na sexta. Loja Aurora",
            7, time(13, 45)),
    Planned("Pontos que vencem", (CLUB,), SMS,
            "{{como_chamar}}, {{pontos}} pontos seus vencem neste mes. Troque por desconto ate sabado. Loja Aurora",
            6, time(15, 0)),
    Planned("Aniversariantes: 20% na semana", (BIRTHDAYS,), WHATSAPP,
            "Feliz aniversário, {{como_chamar}}! 🎂 Nesta semana você tem 20% de desconto na Loja Aurora.",
            5, time(9, 30)),
    Planned("Recado de voz: retirada disponível", (BIRTHDAYS,), VOICE,
            "Olá! Aqui é a Loja Aurora. Seu presente de aniversário já pode ser retirado no balcão. Até logo!",
            4, time(11, 0)),
    Planned("Liquidação relâmpago", (NEWSLETTER,), SMS,
            "SO HOJE: ate 50% na Loja Aurora, {{como_chamar}}. Use {{cupom}} no caixa. SAIR cancela.",
            3, time(10, 0)),
    Planned("Horário especial do feriado", (CUSTOMERS,), FLASH,
            "Loja Aurora: no feriado abrimos das 10h as 16h. Bom descanso!", 2, time(17, 20)),
    Planned("Estoque reservado para o Clube", (CLUB,), WHATSAPP,
            "{{como_chamar}}, separamos para o Clube as peças mais pedidas. Quer que a gente guarde a sua?",
            1, time(15, 35)),
)  # fmt: skip

MORNING = Planned("Retirada disponível", (BIRTHDAYS,), SMS,
                  "{{como_chamar}}, seu presente esta no balcao da Loja Aurora, das 9h as 19h.",
                  0, time(0, 0))  # fmt: skip
LAST_WEEK = Planned("Cupom da semana passada", (NEWSLETTER,), SMS,
                    "{{como_chamar}}, ultimo dia do cupom {{cupom}}: 10% na Loja Aurora. SAIR cancela.",
                    7, time(0, 0))  # fmt: skip
CAPTION = "A vitrine nova já está na loja. Passe para ver de perto!"
TODAY = Planned("Cupom da semana", (CUSTOMERS,), SMS,
                "Oi, {{como_chamar}}! Seu cupom {{cupom}} vale 15% ate domingo na Loja Aurora. SAIR cancela.",
                0, time(0, 0))  # fmt: skip
RUNNING = Planned("Convite: noite de lançamento", (NEWSLETTER,), SMS,
                  "{{como_chamar}}, quinta as 19h tem noite de lancamento na Loja Aurora, com musica e brinde. Vem?",
                  0, time(0, 0))  # fmt: skip
PAUSED = Planned("Inventário: retirada de peças", (CUSTOMERS,), SMS,
                 "{{como_chamar}}, sua peca reservada espera por voce ate sexta. Loja Aurora, {{cidade}}.",
                 0, time(0, 0))  # fmt: skip
SCHEDULED = Planned("Sábado é dia de Clube", (CLUB,), SMS,
                    "{{como_chamar}}, sabado tem cafe da manha do Clube Aurora, das 9h as 11h. Esperamos voce!",
                    0, time(10, 0))  # fmt: skip
CANCELLED = Planned("Convite com a data errada", (BIRTHDAYS,), SMS,
                    "{{como_chamar}}, nossa festa e dia 31 de setembro, as 20h. Loja Aurora",
                    0, time(9, 0))  # fmt: skip
DRAFT = Planned("Natal: primeira chamada", (CUSTOMERS, NEWSLETTER), SMS,
                "{{como_chamar}}, o Natal da Loja Aurora comeca dia 1o. Separe seu cupom {{cupom|AURORA10}}!",
                0, time(0, 0))  # fmt: skip

# What another system of the shop sent through the same account.
ELSEWHERE = (
    "Loja Aurora: seu pedido 48{n} saiu para entrega hoje.",
    "Loja Aurora: o codigo para entrar e 73{n}. Nao passe a ninguem.",
    "Loja Aurora: recebemos seu pagamento do pedido 48{n}. Obrigado!",
)

ANSWERS = (
    "Oi, {name}! Que bom que gostou. Posso separar no seu tamanho: qual é?",
    "Olá, {name}! Temos sim, nas cores azul e terracota. Quer que eu reserve até amanhã?",
    "Oi, {name}! A loja fica na Rua das Laranjeiras, 210, e abre das 9h às 19h.",
    "{name}, combinado! Deixei anotado aqui. Qualquer coisa é só responder.",
)
CANNED = (
    ("Endereço e horário", "Oi, {{nome}}! Estamos na Rua das Laranjeiras, 210, de segunda a sábado, das 9h às 19h."),
    ("Reserva feita", "Pronto, {{nome}}! Sua peça fica reservada até amanhã, no balcão."),
    ("Vamos verificar", "Obrigada pela mensagem, {{nome}}. Vou verificar e respondo ainda hoje."),
)
NOTES = ("Cliente antiga, prefere ser atendida à tarde.", "Já trocou uma peça em outubro; ver nota no sistema.")


def moment(planned: Planned, now: datetime, zone: ZoneInfo) -> datetime:
    """When a campaign of the past was sent: never on a Sunday. Aware, as `now` is."""
    day = now.astimezone(zone).date() - timedelta(days=planned.days_ago)
    if day.weekday() == 6:
        day -= timedelta(days=1)
    return datetime.combine(day, planned.at, zone)
