"""Who may do what: the only table of it. Views name a permission, never a role."""

from webapp.core.i18n import N_

ROLES = {"admin": N_("Administrator"), "marketing": N_("Marketing"), "support": N_("Support")}

_EVERYONE = frozenset(ROLES)
PERMISSIONS: dict[str, frozenset[str]] = {
    "signed_in": _EVERYONE,  # one's own page, help, language, theme
    "lists": frozenset({"marketing", "admin"}),
    "campaigns": frozenset({"marketing", "admin"}),
    "inbox.read": _EVERYONE,
    "inbox.work": frozenset({"support", "admin"}),
    "messages": _EVERYONE,
    "reports": _EVERYONE,
    "credits": _EVERYONE,
    "dashboard": frozenset({"marketing", "admin"}),
    "reveal": frozenset({"marketing", "admin"}),
    "export": frozenset({"marketing", "admin"}),
    "optout.add": _EVERYONE,
    "optout.lift": frozenset({"marketing", "admin"}),
    "admin": frozenset({"admin"}),
}


def allows(role: str | None, permission: str) -> bool:
    """Whether a role has a permission; an unknown permission is a programming error (KeyError)."""
    return role in PERMISSIONS[permission]
