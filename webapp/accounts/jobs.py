"""What accounts do by themselves."""

from webapp.accounts import sessions
from webapp.core.web import Services

DAY = 86_400.0


def register(services: Services) -> None:
    """Once a day, drop what sessions and links leave behind."""

    def tidy() -> None:
        with services.db.writing(durable=False) as session:
            sessions.tidy(session)

    services.jobs.every("accounts.tidy", DAY, tidy)
