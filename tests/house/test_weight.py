"""What a process must not load to do its work."""

import subprocess
import sys

HEAVY = ("alembic", "huey", "PIL", "cryptography", "requests", "holidays", "argon2")


def test_the_process_that_reads_a_big_list_loads_no_queue_no_keys_and_no_pictures() -> None:
    told = f"import sys, webapp.contacts.apart; print(*[name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_the_command_that_imports_a_list_loads_what_it_needs() -> None:
    told = f"import sys, webapp.cli.contacts; print(*[name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["holidays"]  # the settings name a window; its days off come along


def test_the_factory_is_found_in_the_package_itself() -> None:
    told = "import webapp; print(webapp.create_app.__module__)"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["webapp.factory"]
