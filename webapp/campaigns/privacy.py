"""Whether a launch still has a person in its files; they go by themselves when it is done."""

from pathlib import Path

from webapp.campaigns.spool import spools


def launches_with(instance: Path, number: int) -> int:
    """Launches that are writing down whom they are for, or have done so and hold the number."""
    wanted = str(number).encode()
    return sum(not spool.ready or _holds(spool.path, wanted) for spool in spools(instance))


def _holds(folder: Path, wanted: bytes) -> bool:
    try:
        for path in folder.iterdir():
            with path.open("rb") as file:
                if any(wanted in line for line in file):
                    return True
    except FileNotFoundError:  # it is done meanwhile
        pass
    return False
