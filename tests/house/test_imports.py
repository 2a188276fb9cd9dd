"""The order of packages: each imports only what stands to its right, and in a package only what stands below."""

import ast
from collections.abc import Iterator
from pathlib import Path

from webapp.core.settings import ROOT

PACKAGE = ROOT / "webapp"
# From the top down. Modules of one row may import each other; what is not named here is a mistake.
ORDER: tuple[frozenset[str], ...] = tuple(
    frozenset(row.split())
    for row in (
        "cli",
        "demo",
        "doctor",
        "serve processes",
        "factory health shell",
        "migrate",
        "schema",
        "dashboard",
        "admin",
        "reports",
        "inbox",
        "campaigns",
        "contacts",
        "messages",
        "credits",
        "optouts",
        "accounts",
        "gateway",
        "core",
    )
)
PLACE = {name: place for place, row in enumerate(ORDER) for name in row}
SIDE = {"sandbox": {"sandbox", "core", "gateway.codes"}}  # beside the order: only these see into it, it sees only these
MAY_SEE_SANDBOX = {"cli", "demo", "sandbox"}
TABLES_ONLY = {"migrations"}  # Alembic's own folder
LOWER_FILES = ("service", "queries", "models")
EDGES = ("views", "hooks", "jobs", "commands", "blueprint")


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """`campaigns.launch` of `webapp/campaigns/launch.py`; the package itself stands for its factory."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) or "factory"


def imported(path: Path) -> Iterator[tuple[str, ast.Import | ast.ImportFrom]]:
    """Every import of our own in a module, as `campaigns.launch`, with its node."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "webapp":
            inner = node.module.partition(".")[2]
            for alias in node.names:
                yield _resolved(f"{inner}.{alias.name}".strip(".")), node
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "webapp":
                    yield _resolved(alias.name.partition(".")[2]), node


def _resolved(dotted: str) -> str:
    """The module of an imported name; `from webapp import create_app` means the factory."""
    parts = dotted.split(".") if dotted else []
    while parts:
        path = PACKAGE.joinpath(*parts)
        if path.with_suffix(".py").is_file() or path.is_dir():
            return ".".join(parts)
        parts.pop()
    return "factory"


def package(module: str) -> str:
    return module.split(".")[0]


def test_every_package_has_its_place() -> None:
    unknown = {package(name_of(path)) for path in modules()} - set(PLACE) - set(SIDE) - TABLES_ONLY
    assert not unknown, f"{sorted(unknown)} stand nowhere in the order of tests/house/test_imports.py"


def _place_of(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def _fault(here: str, module: str) -> str | None:
    """Why a module of the package `here` may not import `module`."""
    there = package(module)
    if there in SIDE:
        return None if here in MAY_SEE_SANDBOX else f"only {sorted(MAY_SEE_SANDBOX)} may"
    if here in SIDE:
        seen = SIDE[here]
        return None if any(module == each or module.startswith(f"{each}.") for each in seen) else f"it sees {seen} only"
    if here in TABLES_ONLY:
        return None
    return None if PLACE[there] >= PLACE[here] else "it stands to the left"


def test_a_module_imports_only_what_stands_to_its_right() -> None:
    faults = [
        f"{_place_of(path, node.lineno)} imports webapp.{module}: {fault}"
        for path in modules()
        for module, node in imported(path)
        if (fault := _fault(package(name_of(path)), module))
    ]
    assert not faults, "\n".join(faults)


def test_no_import_hides_in_a_function() -> None:
    faults = {
        _place_of(path, inner.lineno)
        for path in modules()
        for outer in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    assert not faults, "\n".join(sorted(faults))


def lower_modules() -> list[Path]:
    """Services, queries and models: files of that name, and what lies in a folder of that name."""
    return [path for path in modules() if len(path.parts) > 1 and _layer(path) in LOWER_FILES]


def _layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[1] if len(parts) > 1 else parts[0]


def test_services_queries_and_models_know_no_flask() -> None:
    faults = []
    for path in lower_modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            faults += [_place_of(path, node.lineno) for name in names if name.split(".")[0].startswith("flask")]
    assert lower_modules() and not faults, "\n".join(faults)


def test_services_queries_and_models_import_no_edge() -> None:
    faults = [
        f"{_place_of(path, node.lineno)} imports webapp.{module}"
        for path in lower_modules()
        for module, node in imported(path)
        if len(module.split(".")) > 1 and module.split(".")[1] in EDGES
    ]
    assert not faults, "\n".join(faults)


def test_services_queries_and_models_never_commit() -> None:
    faults = [
        _place_of(path, node.lineno)
        for path in lower_modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"commit", "rollback"}
    ]
    assert not faults, "\n".join(faults)


def test_a_module_fits_on_a_few_screens() -> None:
    written = [path for path in modules() if package(name_of(path)) not in TABLES_ONLY]
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in written}
    faults = [f"{path.relative_to(ROOT)} has {lines} lines" for path, lines in sizes.items() if lines > 400]
    assert not faults, "\n".join(faults)


def test_the_rule_finds_what_it_forbids() -> None:
    assert _fault("gateway", "messages.models") and _fault("inbox", "reports.queries") and _fault("core", "factory")
    assert _fault("messages", "sandbox.server") and _fault("sandbox", "gateway.client") and _fault("serve", "demo.run")
    assert not _fault("reports", "inbox.models") and not _fault("sandbox", "gateway.codes")
