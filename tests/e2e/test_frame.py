"""The frame of every page in a real browser: clean under the policy, open to everybody, patient with who works in it."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask, Response, abort, render_template_string, request
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Complaints, Enter
from webapp.accounts.guards import public
from webapp.core.web import Services, toast
from webapp.factory import create_app

WORKBENCH = """
{% extends "base.html" %}
{% from "_macros/ui.html" import card, chart, copy_button, data_table, dialog, dialog_button, live_box, menu, status_badge with context %}
{% block title %}Bancada{% endblock %}
{% block actions %}{{ dialog_button("ask", "Perguntar") }}{% endblock %}
{% block scripts %}{{ cdn_js("chart.js") }}{{ own_js("charts.js") }}{% endblock %}
{% block content %}
{% include "live" %}
{% call card("Gráfico") %}{{ chart("hours", "Entregas por hora", "bar", ["Hora", "Entregues", "Falhas"], [["08h", 120, 4], ["09h", 340, 9]], ["delivered", "failed"], stacked=true) }}{% endcall %}
{% call card("Lista", flush=true) %}{% call data_table("people", "Pessoas", ["Nome", "Status", {"label": "Ações", "hidden": true}]) %}
{% for name in ("Ana", "Bruno") %}<tr data-row><th scope="row"><a href="#{{ name }}">{{ name }}</a></th><td>{{ status_badge("delivered", "check", "Entregue") }}</td><td>{% call menu("Ações para " ~ name) %}<a class="dropdown-item" href="#x">Ver</a>{% endcall %}</td></tr>{% endfor %}
{% endcall %}{% endcall %}
<label for="q">Buscar</label><input id="q" type="search" class="form-control search">
<button class="btn" hx-post="/bench/toast" hx-swap="none">Avisar</button>
<button class="btn" hx-get="/bench/broken" hx-swap="none">Quebrar</button>
<button class="btn" hx-get="/bench/gone" hx-swap="none">Sair</button>
{{ copy_button("recado", "Copiar o texto") }}
{% call dialog("ask", "Encerrar a conversa?") %}<p>Ela abre de novo sozinha.</p>{% endcall %}
{% endblock %}
"""
BADGE = '<span class="count" data-count="3">3<span class="visually-hidden"> por ler</span></span>'
LIVE = """{% from "_macros/ui.html" import live_box, updated_ago with context %}
{% call live_box("box", "/bench/live", none if done else 1) %}
<p>volta <span id="round">{{ round }}</span> <button id="inside" class="btn">Dentro</button> <button class="btn anonymous">Sem nome</button></p>
<label>Nota <input class="form-control" name="note"></label><label><input type="checkbox" name="tick"> marcar</label>
{{ updated_ago(when) }}{% endcall %}"""


@pytest.fixture
def web_app(services: Services) -> Flask:
    """The product with one more page: a workbench of what the frame promises."""
    app = create_app(services.settings, services)
    app.extensions["rounds"] = rounds = {"round": 0, "end": 10**9}
    # The frame's own two boxes answer something fixed here: what they really say is their features' business.
    app.view_functions["inbox.badge"] = public(lambda: BADGE)
    app.view_functions["credits.chip"] = public(lambda: "<span>87.018</span>")

    def show(source: str) -> str:
        state = {"round": rounds["round"], "done": rounds["round"] >= rounds["end"], "when": datetime.now(UTC)}
        return render_template_string(source, **state)

    def live() -> str:
        rounds["round"] += 1
        rounds["polls"] = rounds.get("polls", 0) + (request.headers.get("X-Recado-Poll") == "1")
        return show(LIVE)

    def gone() -> Response:
        return Response(status=401, headers={"HX-Redirect": "/login"})

    routes: dict[str, Callable[[], object]] = {
        "/bench": lambda: show(WORKBENCH.replace('{% include "live" %}', LIVE)),
        "/bench/live": live,
        "/bench/gone": gone,
        "/bench/broken": lambda: abort(500),
    }
    for path, view in routes.items():
        app.add_url_rule(path, path.strip("/").replace("/", "_"), public(view))
    app.add_url_rule(
        "/bench/toast", "bench_toast", public(lambda: toast(Response("ok"), "Opt-out registrado.")), methods=["POST"]
    )
    return app


@pytest.mark.parametrize("width", [1440, 390, 320])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_frame_has_no_barriers_and_never_scrolls_sideways(
    page: Page,
    enter: Enter,
    site: str,
    barriers: Callable[[Page], list[str]],
    sideways: Callable[[Page], int],
    width: int,
    theme: str,
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    enter(page)
    page.goto("/bench")
    if theme == "dark":
        page.get_by_role("button", name="Tema escuro").click()
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert barriers(page) == []
    assert sideways(page) == 0


@pytest.mark.parametrize("path", ["/login", "/nowhere"])
def test_plain_pages_have_no_barriers(
    page: Page,
    complaints: Complaints,
    barriers: Callable[[Page], list[str]],
    sideways: Callable[[Page], int],
    path: str,
) -> None:
    complaints.allow("status of 404")
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(path)
    assert barriers(page) == []
    assert sideways(page) == 0


def test_what_waits_to_be_read_stands_in_the_menu_and_in_the_title(page: Page, enter: Enter) -> None:
    enter(page)
    page.goto("/bench")
    expect(page.get_by_role("link", name="Respostas 3 por ler")).to_be_visible()
    expect(page).to_have_title("(3) Bancada · Recado")


def test_a_live_box_goes_on_by_itself_and_says_that_nobody_is_at_work(page: Page, enter: Enter, web_app: Flask) -> None:
    enter(page)
    page.goto("/bench")
    expect(page.locator("#round")).to_have_text("2", timeout=10_000)
    assert web_app.extensions["rounds"]["polls"] == web_app.extensions["rounds"]["round"]


def test_a_live_box_stops_asking_when_its_answer_has_no_trigger(page: Page, enter: Enter, web_app: Flask) -> None:
    web_app.extensions["rounds"]["end"] = 2
    enter(page)
    page.goto("/bench")
    expect(page.locator("#box:not([data-live])")).to_be_visible(timeout=10_000)
    page.wait_for_timeout(1500)
    assert web_app.extensions["rounds"]["round"] == 2


def test_a_live_box_waits_while_the_person_types_or_has_something_ticked(
    page: Page, enter: Enter, web_app: Flask
) -> None:
    enter(page)
    page.goto("/bench")
    page.get_by_label("Nota").fill("não me apague")
    rounds = web_app.extensions["rounds"]["round"]
    page.wait_for_timeout(2200)
    assert web_app.extensions["rounds"]["round"] == rounds
    expect(page.get_by_label("Nota")).to_have_value("não me apague")
    page.get_by_label("marcar").check()
    page.locator("#q").focus()
    page.wait_for_timeout(2200)
    assert web_app.extensions["rounds"]["round"] == rounds


def test_a_swap_keeps_the_focus_where_it_was(page: Page, enter: Enter) -> None:
    enter(page)
    page.goto("/bench")
    page.locator(".anonymous").focus()
    expect(page.locator("#round")).to_have_text("2", timeout=10_000)
    expect(page.locator(".anonymous")).to_be_focused()


def test_the_pause_switch_stops_updates_and_is_remembered(page: Page, enter: Enter, web_app: Flask) -> None:
    enter(page)
    page.goto("/bench")
    expect(page.locator("#round")).to_have_text("1", timeout=10_000)
    page.get_by_role("button", name="Pausar atualizações").click()
    page.goto("/bench")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    rounds = web_app.extensions["rounds"]["round"]
    page.wait_for_timeout(2200)
    assert web_app.extensions["rounds"]["round"] == rounds
    shown = page.locator("#round").inner_text()
    page.locator("#pause").click()
    expect(page.locator("#round")).not_to_have_text(shown, timeout=10_000)


def test_a_dialog_gives_the_focus_back(page: Page, enter: Enter) -> None:
    enter(page)
    page.goto("/bench")
    opener = page.get_by_role("button", name="Perguntar")
    opener.focus()
    page.keyboard.press("Space")
    dialog = page.get_by_role("dialog", name="Encerrar a conversa?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_keys_search_step_through_lists_and_open_the_help(page: Page, enter: Enter) -> None:
    enter(page)
    page.goto("/bench")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Bruno")).to_be_focused()
    page.keyboard.press("k")
    expect(page.get_by_role("link", name="Ana")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("?n")
    expect(page.locator("#q")).to_have_value("?n")
    page.locator("#q").blur()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Ajuda e atalhos")).to_be_visible()


def test_a_toast_is_shown_and_read_out(page: Page, enter: Enter) -> None:
    enter(page)
    page.goto("/bench")
    page.get_by_role("button", name="Avisar").click()
    expect(page.locator(".note-toast")).to_contain_text("Opt-out registrado.")
    expect(page.locator("#announcer")).to_have_text("Opt-out registrado.")


def test_a_failed_request_is_told_in_words(page: Page, enter: Enter, complaints: Complaints) -> None:
    complaints.allow("500")
    enter(page)
    page.goto("/bench")
    page.get_by_role("button", name="Quebrar").click()
    expect(page.locator(".note-toast")).to_contain_text("Não deu certo.")


def test_a_fragment_of_somebody_signed_out_leads_to_the_login(page: Page, complaints: Complaints) -> None:
    complaints.allow("401")
    page.goto("/bench")
    page.get_by_role("button", name="Sair").click()
    page.wait_for_url("**/login")


def test_a_chart_is_drawn_and_its_table_opens(page: Page, enter: Enter) -> None:
    enter(page)
    page.goto("/bench")
    expect(page.locator("#hours canvas")).to_be_visible()
    expect(page.locator("#hours table")).to_be_hidden()
    page.get_by_text("Ver dados").click()
    expect(page.locator("#hours table")).to_be_visible()


def test_the_menu_of_a_row_is_not_cut_off_and_closes(page: Page, enter: Enter) -> None:
    enter(page)
    page.goto("/bench")
    page.locator("summary[aria-label='Ações para Bruno']").click()
    expect(page.get_by_role("link", name="Ver", exact=True)).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    expect(page.locator("summary[aria-label='Ações para Bruno']")).to_be_focused()
    expect(page.locator("details.menu[open]")).to_have_count(0)


def test_the_end_of_a_session_is_announced(page: Page, enter: Enter, web_app: Flask) -> None:
    enter(page)
    page.clock.install()
    page.goto("/bench")
    page.get_by_role("button", name="Pausar atualizações").click()  # live boxes would tell that it goes on
    page.clock.fast_forward("28:30")
    expect(page.get_by_role("dialog", name="Sua sessão vai terminar")).to_be_visible()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_menus_dialogs_and_tables_still_open(page: Page, enter: Enter) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    enter(page)
    page.goto("/bench")
    expect(page.locator("#hours table")).to_be_visible()
    expect(page.locator("#menu")).to_be_hidden()
    page.get_by_role("button", name="Abrir o menu").click()
    expect(page.locator("#menu")).to_be_visible()
    page.locator(".user-menu summary").click()
    expect(page.get_by_role("button", name="Sair")).to_have_count(2)
    page.goto("/bench#ask")
    expect(page.locator("#ask")).to_be_visible()
