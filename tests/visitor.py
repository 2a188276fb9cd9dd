"""A person without JavaScript: pages over real HTTP, forms filled in and sent as a browser would."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests


@dataclass
class Form:
    """A form as it stands on a page: where it goes and what it would send."""

    action: str
    method: str
    values: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._select: str | None = None
        self._area: str | None = None
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in {"script", "style", "template"}:
            self._silent += 1
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        if self._form is None or "disabled" in given:
            return
        name, value = given.get("name", ""), given.get("value", "")
        if name:
            self._form.names.add(name)
        if tag == "input" and name:
            kind = given.get("type", "text")
            if kind in {"checkbox", "radio"}:
                if "checked" in given:
                    self._form.values.setdefault(name, []).append(value or "on")
            elif kind == "submit":
                self._form.buttons.append((name, value))
            elif kind not in {"file", "button", "image"}:
                self._form.values.setdefault(name, []).append(value)
        elif tag == "button" and name and given.get("type", "submit") == "submit":
            self._form.buttons.append((name, value))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            chosen = self._form.values.setdefault(self._select, [])
            if "selected" in given:
                chosen.append(value)
        elif tag == "textarea":
            self._area = name
            self._form.values.setdefault(name, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style", "template"}:
            self._silent -= 1
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None and self._form is not None:
            self._form.values[self._area][-1] += data
        elif not self._silent:
            self.words.append(data)


class Page:
    """An answer: its text as read, its forms."""

    def __init__(self, answer: requests.Response) -> None:
        self.url, self.status, self.html = answer.url, answer.status_code, answer.text
        reader = _Reader()
        if "html" in answer.headers.get("Content-Type", ""):
            reader.feed(answer.text)
        self.forms = reader.forms
        self.text = re.sub(r"\s+", " ", " ".join(reader.words)).strip()

    def form(self, *names: str, action: str = "") -> Form:
        """The form that has all these fields and whose address contains `action`."""
        for form in self.forms:
            if set(names) <= form.names and action in form.action:
                return form
        seen = [(form.action, sorted(form.names)) for form in self.forms]
        raise AssertionError(f"no form with {names} to {action!r} on {self.url}: {seen}\n{self.text[:600]}")


class Visitor:
    """One browser: cookies, and the page it stands on."""

    def __init__(self, site: str) -> None:
        self.site = site
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Accept-Language"] = "pt-BR"

    @property
    def cookies(self) -> str:
        """What it tells a server about itself, as the header says it."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._http.cookies)

    def get(self, path: str) -> Page:
        """Open a page; anything but 200 fails."""
        page = Page(self._http.get(urljoin(self.site, path), timeout=30))
        assert page.status == 200, f"{page.status} at {path}: {page.text[:500]}"
        return page

    def send(self, page: Page, form: Form, files: dict[str, Any] | None = None, **values: Any) -> Page:
        """Send a form with some of its fields changed (None takes a field out); the page it leads to."""
        data = dict(form.values)
        for name, value in values.items():
            if value is None:
                data.pop(name, None)
            else:
                data[name] = [str(item) for item in value] if isinstance(value, list) else [str(value)]
        flat = [(name, item) for name, items in data.items() for item in items]
        where = urljoin(page.url, form.action or page.url)
        if form.method == "get":
            return Page(self._http.get(where, params=flat, timeout=60))
        return Page(self._http.post(where, data=flat, files=files, timeout=60, headers={"Referer": page.url}))

    def sign_in(self, email: str, password: str) -> Page:
        """Through the login page."""
        page = self.get("/login")
        return self.send(page, page.form("email", "password"), email=email, password=password)
