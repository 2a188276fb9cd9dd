"""The gateway is asked in windows that remember their size, by one worker at a time; what it says apart is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COUNTED = ("calls", "rows", "ours", "others", "news", "missed", "ahead", "missing", "skipped")


def upgrade() -> None:
    op.add_column("cursor", sa.Column("held_until", sa.DateTime(), nullable=True))
    op.create_table(
        "window_size",
        sa.Column("type", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("easy", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("type", name=op.f("pk_window_size")),
    )
    op.create_table(
        "inquiry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("hand", sa.Integer(), nullable=True),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.Column("reached", sa.DateTime(), nullable=True),
        sa.Column("wanted_at", sa.DateTime(), nullable=False),
        sa.Column("wanted_by", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("judged_at", sa.DateTime(), nullable=True),
        sa.Column("hearing", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTED),
        sa.Column("problem", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["wanted_by"], ["person.id"], name=op.f("fk_inquiry_wanted_by_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inquiry")),
    )
    op.create_index("ix_inquiry_hand", "inquiry", ["hand"], unique=True)
    op.create_index("ix_inquiry_kind_id", "inquiry", ["kind", "id"])
    # PostgreSQL never took the longer word for it.
    op.execute("UPDATE gateway_account SET stopped_code = 'garbled' WHERE stopped_code = 'unreadable'")
    # The sweeps of before are told apart by age and type now; what is gone is not shown for ever.
    op.execute("DELETE FROM cursor WHERE name LIKE 'mt_date.%'")
    op.execute("DELETE FROM tick WHERE name LIKE 'statuses.%'")


def downgrade() -> None:
    op.drop_table("inquiry")
    op.drop_table("window_size")
    op.drop_column("cursor", "held_until")
