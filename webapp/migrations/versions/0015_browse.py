"""Every filter of the delivery browser goes along an index of its own; a run's rows are found by the range of their keys."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TOLD = "state = 'accepted' AND (status IS NULL OR status <> '1')"
CLOSED = "state IN ('refused', 'suppressed', 'cancelled', 'expired')"
PARTS = {
    "ix_message_carrier_at_id": (["carrier", "at", "id"], "carrier IS NOT NULL"),
    "ix_message_told": (["status", "at", "id"], TOLD),
    "ix_message_closed": (["state", "at", "id"], CLOSED),
    "ix_message_others": (["at", "id"], "run_id IS NULL"),
}


def upgrade() -> None:
    op.create_index("ix_message_type_at_id", "message", ["type", "at", "id"])
    for name, (columns, rows) in PARTS.items():
        op.create_index(name, "message", columns, sqlite_where=sa.text(rows), postgresql_where=sa.text(rows))
    op.create_index("ix_run_kind_first_key", "run", ["kind", "first_key"])
    op.drop_index("ix_message_run_id_id", table_name="message")


def downgrade() -> None:
    op.create_index("ix_message_run_id_id", "message", ["run_id", "id"])
    op.drop_index("ix_run_kind_first_key", table_name="run")
    for name in [*PARTS, "ix_message_type_at_id"]:
        op.drop_index(name, table_name="message")
