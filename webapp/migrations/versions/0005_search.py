"""The postings by which big lists are searched, which a job fills; opt-outs are indexed in the order of their page."""

import sqlalchemy as sa
from alembic import op

from webapp.contacts import triggers

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contact_search",
        sa.Column("list_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("list_id", name="pk_contact_search"),
    )
    op.create_table(
        "contact_search_block",
        sa.Column("list_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("outs", sa.Integer(), nullable=False),
        sa.Column("upto_event", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "block", name="pk_contact_search_block"),
    )
    op.create_table(
        "contact_search_posting",
        sa.Column("list_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("places", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "block", "token", name="pk_contact_search_posting"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "contact_search_stale",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_contact_search_stale"),
    )
    op.create_index(
        "ix_contact_search_stale_list_id_block_change", "contact_search_stale", ["list_id", "block", "change"]
    )
    triggers.make(op.get_bind())
    op.drop_index("ix_optout_since", table_name="optout")
    op.create_index("ix_optout_since_number_channel", "optout", ["since", "number", "channel"])
    op.create_index("ix_optout_origin_since_number_channel", "optout", ["origin", "since", "number", "channel"])


def downgrade() -> None:
    op.drop_index("ix_optout_origin_since_number_channel", table_name="optout")
    op.drop_index("ix_optout_since_number_channel", table_name="optout")
    op.create_index("ix_optout_since", "optout", ["since"])
    triggers.drop(op.get_bind())
    for table in ("contact_search_stale", "contact_search_posting", "contact_search_block", "contact_search"):
        op.drop_table(table)
