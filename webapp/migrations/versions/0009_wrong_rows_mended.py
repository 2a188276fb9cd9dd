"""Wrong rows are mended in the page: what is still wrong is found by index, and an import knows when that was."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OPEN = sa.text("mended_at IS NULL")


def upgrade() -> None:
    op.add_column("contact_import", sa.Column("mended_at", sa.DateTime(), nullable=True))
    op.drop_index("ix_import_fault_import_id_line", table_name="import_fault")
    for name, columns in (
        ("ix_import_fault_open", ["import_id", "id"]),
        ("ix_import_fault_open_reason", ["import_id", "reason", "mended_at", "id"]),
    ):
        op.create_index(name, "import_fault", columns, sqlite_where=OPEN, postgresql_where=OPEN)


def downgrade() -> None:
    for name in ("ix_import_fault_open_reason", "ix_import_fault_open"):
        op.drop_index(name, table_name="import_fault")
    op.create_index("ix_import_fault_import_id_line", "import_fault", ["import_id", "line"])
    op.drop_column("contact_import", "mended_at")
