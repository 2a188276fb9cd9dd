"""Opt-outs come in files of any size, through the machinery of imports, and an import of them can be undone."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("contact_import") as batch:
        batch.add_column(sa.Column("purpose", sa.String(length=8), server_default="people", nullable=False))
        batch.add_column(sa.Column("channel", sa.String(length=12), nullable=True))
        batch.add_column(sa.Column("undo_reason", sa.String(length=300), nullable=True))
        batch.add_column(sa.Column("undo_by", sa.Integer(), nullable=True))
    with op.batch_alter_table("optout") as batch:
        batch.add_column(sa.Column("import_id", sa.Integer(), nullable=True))
    asked = sa.text("origin <> 'import'")
    op.create_index("ix_optout_asked_since", "optout", ["since"], sqlite_where=asked, postgresql_where=asked)


def downgrade() -> None:
    op.drop_index("ix_optout_asked_since", table_name="optout")
    op.drop_column("optout", "import_id")
    for column in ("undo_by", "undo_reason", "channel", "purpose"):
        op.drop_column("contact_import", column)
