"""Which worker a batch is with, and when the gateway is asked about one of unknown outcome."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("batch") as batch:
        batch.add_column(sa.Column("worker", sa.String(length=80), nullable=True))
        batch.add_column(sa.Column("look_at", sa.DateTime(), nullable=True))
        batch.add_column(sa.Column("doubts", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE batch SET look_at = settle_at, doubts = 1 WHERE state = 'unknown'")


def downgrade() -> None:
    with op.batch_alter_table("batch") as batch:
        batch.drop_column("doubts")
        batch.drop_column("look_at")
        batch.drop_column("worker")
