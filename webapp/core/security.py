"""The headers of every answer, the CSRF check, and what a request must look like (docs: ASVS 5.0, chapters 3 and 4)."""

import secrets
from urllib.parse import urlsplit

from flask import Flask, abort, g, has_request_context, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from webapp.core.settings import Settings

csrf = CSRFProtect()
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
FORM_BYTES = 4 * 1024 * 1024  # a pasted list; files are bounded by RECADO_UPLOAD_MB
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class _Cookies(SecureCookieSessionInterface):
    """Session cookies that are `Secure` wherever the installation is reached by https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        https = str(app.config["RECADO_PUBLIC_URL"]).startswith("https://")
        return https or (has_request_context() and request.is_secure)


def nonce() -> str:
    """This answer's nonce: what the page's own scripts and styles carry and nobody else's can."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def policy(assets_url: str) -> str:
    """The Content-Security-Policy of an HTML answer."""
    parts = urlsplit(assets_url)
    images = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    own = nonce()
    return (
        f"default-src 'none'; script-src 'nonce-{own}'; script-src-attr 'none'; style-src 'nonce-{own}'; "
        f"style-src-attr 'none'; img-src 'self' data:{images}; font-src 'self'; media-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; manifest-src 'self'"
    )


def init_app(app: Flask, settings: Settings, secret_key: str) -> None:
    """Cookies, CSRF, limits, trusted hosts, proxies, and the headers."""
    app.config.update(
        SECRET_KEY=secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_NAME="recado",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=True,
        MAX_CONTENT_LENGTH=settings.upload_mb * 1024 * 1024 + FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=FORM_BYTES,
        MAX_FORM_PARTS=2000,
        TRUSTED_HOSTS=list(settings.trusted_hosts) or None,
        RECADO_PUBLIC_URL=settings.public_url,
    )
    app.session_interface = _Cookies()
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.before_request(_refuse_cross_site)  # before Flask-WTF's own check
    csrf.init_app(app)
    app.after_request(lambda response: _harden(response, settings.assets_url))


def _refuse_cross_site() -> None:
    if request.method in UNSAFE and request.headers.get("Sec-Fetch-Site") == "cross-site":
        abort(403)


def _harden(response: Response, assets_url: str) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = policy(assets_url)
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def own_path(target: str | None, fallback: str) -> str:
    """A `next=` that stays on this site, else the fallback: `//evil`, `/\\evil` and full URLs do not."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or "\\" in target:
        return fallback
    if any(ord(sign) < 32 for sign in target) or urlsplit(target).netloc:
        return fallback
    return target
