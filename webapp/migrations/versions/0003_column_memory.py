"""An import knows the header of its file, by which the next file of that kind finds what its columns meant."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact_import", sa.Column("header_key", sa.String(length=64), nullable=True))
    op.create_index("ix_contact_import_header_key_started_at", "contact_import", ["header_key", "started_at"])


def downgrade() -> None:
    op.drop_index("ix_contact_import_header_key_started_at", table_name="contact_import")
    with op.batch_alter_table("contact_import") as batch:
        batch.drop_column("header_key")
