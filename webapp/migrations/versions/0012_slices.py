"""People are taken out of a campaign by what became of them, and answers are counted in the index alone."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaign_extract",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("press", sa.String(length=32), nullable=False),
        sa.Column("part", sa.String(length=12), nullable=False),
        sa.Column("value", sa.String(length=60), nullable=False),
        sa.Column("deed", sa.String(length=5), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("list_id", sa.Integer(), nullable=True),
        sa.Column("draft_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("after_key", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("opted_out", sa.Integer(), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_campaign_extract_campaign_id_campaign")
        ),
        sa.ForeignKeyConstraint(["created_by"], ["person.id"], name=op.f("fk_campaign_extract_created_by_person")),
        sa.ForeignKeyConstraint(
            ["list_id"], ["contact_list.id"], name=op.f("fk_campaign_extract_list_id_contact_list")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_extract")),
        sa.UniqueConstraint("press", name=op.f("uq_campaign_extract_press")),
    )
    op.create_index("ix_campaign_extract_campaign_id_id", "campaign_extract", ["campaign_id", "id"])
    op.create_index("ix_campaign_extract_state", "campaign_extract", ["state"])
    op.add_column("campaign", sa.Column("retry_of", sa.Integer(), nullable=True))
    op.create_index("ix_campaign_retry_of", "campaign", ["retry_of"])
    op.create_index("ix_inbound_run_id_number", "inbound", ["run_id", "number", "opted_out"])


def downgrade() -> None:
    op.drop_index("ix_inbound_run_id_number", table_name="inbound")
    op.drop_index("ix_campaign_retry_of", table_name="campaign")
    op.drop_column("campaign", "retry_of")
    op.drop_index("ix_campaign_extract_state", table_name="campaign_extract")
    op.drop_index("ix_campaign_extract_campaign_id_id", table_name="campaign_extract")
    op.drop_table("campaign_extract")
