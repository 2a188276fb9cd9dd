"""Templates: every one compiles, and none holds what the Content-Security-Policy or the htmx dialect refuses."""

import re
from pathlib import Path

import pytest
from flask import Flask

from webapp.core.settings import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STATIC = sorted((ROOT / "static").glob("*.js"))
FORBIDDEN = {
    "a style attribute": r"<[^>{]*\sstyle\s*=",
    "a <style> block": r"<style\b",
    "an inline handler": r"<[^>]*\son(?:click|change|submit|input|load|error|key\w+|mouse\w+|focus|blur)\s*=",
    "hx-on": r"\shx-on\b",
    "a javascript: address": r"javascript:",
    "js: values": r"hx-(?:vals|headers|vars)\s*=\s*[\"']\s*js(?:on)?:\s*\{?.*?js:",
    "hx-boost": r"\shx-boost\b",
    "hx-params": r"\shx-params\b",
    "a trigger filter": r"hx-trigger\s*=\s*[\"'][^\"']*\[",
    "a script of another host": r"<script[^>]+src\s*=\s*[\"']https?:",
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_template_compiles(app: Flask) -> None:
    assert TEMPLATES
    for path in TEMPLATES:
        app.jinja_env.get_template(str(path.relative_to(ROOT / "templates")))


def faults_of(content: str) -> list[str]:
    """What of the forbidden is in a template."""
    content = re.sub(r"\{#.*?#\}", "", content, flags=re.DOTALL)
    searched = {what: re.search(rule, content, flags=re.IGNORECASE | re.DOTALL) for what, rule in FORBIDDEN.items()}
    faults = [f"{what}: {found[0][:80]}" for what, found in searched.items() if found]
    return faults + [f"no nonce: {tag}" for tag in re.findall(r"<script\b[^>]*>", content) if "nonce" not in tag]


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_holds_nothing_that_the_policy_refuses(path: Path) -> None:
    assert not faults_of(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", STATIC, ids=name_of)
def test_our_scripts_evaluate_no_text(path: Path) -> None:
    found = re.search(r"\beval\s*\(|new Function\b|\.innerHTML\s*=|document\.write\b", path.read_text(encoding="utf-8"))
    assert not found, f"{name_of(path)}: {found[0] if found else ''}"


def test_the_rules_find_what_they_forbid() -> None:
    wrong = {
        "a style attribute": '<p style="color:red">', "a <style> block": "<style>p{}</style>",
        "an inline handler": '<button onclick="go()">', "hx-on": '<a hx-on:click="x">',
        "a javascript: address": '<a href="javascript:x">', "hx-boost": '<a hx-boost="true">',
        "hx-params": '<a hx-params="*">', "a trigger filter": "<a hx-trigger=\"keyup[key=='x']\">",
        "a script of another host": '<script src="https://example.com/x.js">',
    }  # fmt: skip
    for what, example in wrong.items():
        assert any(fault.startswith(what) for fault in faults_of(example)), what
    assert faults_of("<script>go()</script>") == ["no nonce: <script>"]
    assert not faults_of('<main><a href="/x" hx-get="/x" hx-trigger="every 5s">x</a>{# <style> #}</main>')
