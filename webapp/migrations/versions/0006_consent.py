"""Why somebody may be written to is kept per person; what imports have stated so far becomes the beginning of it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# An import that was undone, discarded or never begun has brought nobody in.
_STATEMENTS = """
INSERT INTO consent_statement (basis, purpose, channels, source, given_on, import_id, recorded_at, recorded_by)
SELECT basis, 'marketing', 'sms,whatsapp,voice', source, consent_date, id, COALESCE(started_at, created_at), created_by
FROM contact_import
WHERE basis <> 'not_stated' AND state IN ('importing', 'done', 'failed') AND started_at IS NOT NULL
ORDER BY id
"""
# Who came with an import, and who was in the list before and was in its file.
_PEOPLE = """
INSERT INTO consent (number, statement_id)
SELECT contact.number, statement.id
FROM contact JOIN consent_statement AS statement ON statement.import_id = contact.import_id
UNION
SELECT import_before.number, statement.id
FROM import_before JOIN consent_statement AS statement ON statement.import_id = import_before.import_id
"""


def upgrade() -> None:
    op.create_table(
        "consent_statement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("basis", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=12), nullable=False),
        sa.Column("channels", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("given_on", sa.Date(), nullable=True),
        sa.Column("proof_path", sa.String(length=100), nullable=True),
        sa.Column("proof_name", sa.String(length=200), nullable=True),
        sa.Column("import_id", sa.Integer(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.Column("recorded_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"], ["contact_import.id"], name=op.f("fk_consent_statement_import_id_contact_import")
        ),
        sa.ForeignKeyConstraint(["recorded_by"], ["person.id"], name=op.f("fk_consent_statement_recorded_by_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_statement")),
        sa.UniqueConstraint("import_id", name=op.f("uq_consent_statement_import_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "consent",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("statement_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number", "statement_id", name=op.f("pk_consent")),
        sqlite_with_rowid=False,
    )
    op.execute(_STATEMENTS)
    op.execute(_PEOPLE)


def downgrade() -> None:
    op.drop_table("consent")
    op.drop_table("consent_statement")
