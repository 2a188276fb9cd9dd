"""A witness inside the database: every step back of a message is written down in the moment it is made.

A look from outside would miss it, as the next poll makes it good.
"""

from sqlalchemy import func, select, table, text

from webapp.core.db import Database
from webapp.gateway import codes

_STEPS = table("step_back")


def _rank(column: str) -> str:
    known = " ".join(f"WHEN '{code}' THEN {rank}" for code, rank in codes.RANKS.items())
    return f"CASE WHEN {column} IS NULL THEN -1 ELSE CASE {column} {known} ELSE {codes.UNKNOWN_RANK} END END"


def watch(db: Database) -> None:
    """From now on."""
    back = (
        f"{_rank('NEW.status')} < {_rank('OLD.status')} OR (OLD.state <> 'pending' AND NEW.state NOT IN "
        "(OLD.state, 'accepted')) OR NEW.run_id <> OLD.run_id OR NEW.number <> OLD.number"
    )
    note = "INSERT INTO step_back VALUES (OLD.id, OLD.state, NEW.state, OLD.status, NEW.status)"
    made = ["CREATE TABLE step_back (id BIGINT, was TEXT, became TEXT, status_was TEXT, status_became TEXT)"]
    if db.is_sqlite:
        made.append(f"CREATE TRIGGER step_back AFTER UPDATE ON message WHEN {back} BEGIN {note}; END")
    else:
        made += [
            f"CREATE FUNCTION step_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {note}; RETURN NULL; END $$",
            f"CREATE TRIGGER step_back AFTER UPDATE ON message FOR EACH ROW WHEN ({back}) EXECUTE FUNCTION step_back()",
        ]
    with db.writing() as session:
        for statement in made:
            session.execute(text(statement))


def steps_back(db: Database) -> int:
    """How many there were."""
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(_STEPS)) or 0
