"""Pages of accounts: `signing` before the login, `me` behind it."""

from webapp.accounts.views import me, signing
from webapp.accounts.views.blueprint import bp

__all__ = ["bp", "me", "signing"]
