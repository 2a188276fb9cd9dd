"""Asking the gateway for the balance: no transaction is open while it answers."""

from webapp.core.errors import UserError
from webapp.core.web import Services
from webapp.credits import service
from webapp.gateway import account
from webapp.gateway.errors import GatewayError, Stopped
from webapp.gateway.wire import Balance

MENDED_BY_AN_ANSWER = frozenset({"010", account.UNREADABLE})  # a blocked account may well answer `balance`


def ask(services: Services, *, by_hand: bool = True) -> Balance:
    """Ask once, now, and keep the answer. An answer also lifts a stop: any where a person asked, by itself only those
    that it proves to be over.

    Raises UserError while no account is set up, GatewayError where the gateway gives no balance; a refusal of the
    account itself is noted, so that everybody sees why nothing leaves.
    """
    with services.db.reading() as session:
        login = account.login(session, services.settings, services.box)
    if login is None:
        raise UserError("The gateway account is not set up yet.")
    gateway = account.connect(login, services.settings)
    try:
        balance = gateway.balance()
    except Stopped as error:
        if error.scope == "account":
            with services.db.writing() as session:
                account.stop(session, error.code)
        raise
    finally:
        gateway.close()
    with services.db.writing() as session:
        service.record(session, balance)
        code = account.row(session).stopped_code
        if code and (by_hand or code in MENDED_BY_AN_ANSWER):
            account.clear_stop(session)
    return balance


def ask_quietly(services: Services) -> bool:
    """Ask from a job: what cannot be had now is asked again at the next turn. True where there was an answer."""
    try:
        ask(services, by_hand=False)
    except (GatewayError, UserError):
        return False
    return True
