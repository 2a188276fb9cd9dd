"""What the database itself does so that search stays right: it notes changes of people, whoever makes them.

New people cost nothing here: they are those whose id is above what is indexed.
"""

from sqlalchemy import Connection

from webapp.contacts.search_models import BLOCK_BITS

_SQLITE_NOTE = f"""
UPDATE contact_search_stale SET change = change + 1
WHERE list_id = OLD.list_id AND block = OLD.id >> {BLOCK_BITS};
INSERT INTO contact_search_stale (list_id, block, change)
SELECT OLD.list_id, OLD.id >> {BLOCK_BITS}, 1 WHERE NOT EXISTS (
  SELECT 1 FROM contact_search_stale WHERE list_id = OLD.list_id AND block = OLD.id >> {BLOCK_BITS});
"""  # noqa: S608 (a number of ours)
# SQLite gives the highest id again when its row is gone: such a one must not pass for indexed.
_SQLITE_LAST = """
UPDATE contact_search SET upto = (SELECT coalesce(max(id), 0) FROM contact)
WHERE OLD.id > (SELECT coalesce(max(id), 0) FROM contact) AND upto > (SELECT coalesce(max(id), 0) FROM contact);
"""
_CHANGED = "OLD.name_key {ne} NEW.name_key OR OLD.kind {ne} NEW.kind OR OLD.number {ne} NEW.number"
SQLITE = {
    "contact_search_changed": f"""
CREATE TRIGGER IF NOT EXISTS contact_search_changed AFTER UPDATE OF name_key, kind, number ON contact
WHEN {_CHANGED.format(ne="IS NOT")}
BEGIN {_SQLITE_NOTE} END""",
    "contact_search_removed": f"""
CREATE TRIGGER IF NOT EXISTS contact_search_removed AFTER DELETE ON contact
BEGIN {_SQLITE_NOTE} {_SQLITE_LAST} END""",
}
# One note for each transaction and block: the job takes away only those that it saw.
_POSTGRES = f"""
CREATE OR REPLACE FUNCTION contact_search_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO contact_search_stale (list_id, block, change)
  SELECT OLD.list_id, OLD.id >> {BLOCK_BITS}, txid_current() WHERE NOT EXISTS (
    SELECT 1 FROM contact_search_stale
    WHERE list_id = OLD.list_id AND block = OLD.id >> {BLOCK_BITS} AND change = txid_current());
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION contact_search_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO contact_search_stale (list_id, block, change)
  SELECT DISTINCT list_id, id >> {BLOCK_BITS}, txid_current() FROM gone;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER contact_search_changed AFTER UPDATE OF name_key, kind, number ON contact
FOR EACH ROW WHEN ({_CHANGED.format(ne="IS DISTINCT FROM")}) EXECUTE FUNCTION contact_search_changed();
CREATE OR REPLACE TRIGGER contact_search_removed AFTER DELETE ON contact
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION contact_search_removed()
"""  # noqa: S608


def make(connection: Connection) -> None:
    """Make the triggers where they lack: a migration that builds the table `contact` anew on SQLite loses them."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_POSTGRES)
        return
    for statement in SQLITE.values():
        connection.exec_driver_sql(statement)


def drop(connection: Connection) -> None:
    """Take them away."""
    for name in SQLITE:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name} ON contact")
            connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {name}()")
        else:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
