"""Recado: campaigns by SMS, WhatsApp and voice through the SpeedMarket gateway."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webapp.factory import create_app, make_services

__all__ = ["create_app", "make_services"]


def __getattr__(name: str) -> Any:
    """The factory, loaded when it is asked for: a process that needs one module (the reader of a big list) must not
    hold the whole product in memory."""
    if name in __all__:
        return getattr(import_module("webapp.factory"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
