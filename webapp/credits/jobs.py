"""The balance is asked for in the background; pages read what was kept."""

from webapp.core.web import Services
from webapp.credits.alerts import POLLS
from webapp.credits.asking import ask_quietly


def register(services: Services) -> None:
    """Ask every few poll times, about five minutes by default."""
    services.jobs.add("credits.ask", lambda: ask_quietly(services))
    services.jobs.every("credits.balance", services.settings.poll_seconds * POLLS, lambda: ask_quietly(services))
