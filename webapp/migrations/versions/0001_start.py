"""The first schema (while it is being drawn up: whatever the models say)."""

from alembic import op

import webapp.accounts.models
import webapp.campaigns.models
import webapp.contacts.models
import webapp.core.installation
import webapp.core.jobs
import webapp.credits.models
import webapp.gateway.models
import webapp.inbox.models
import webapp.messages.models
import webapp.optouts.models  # noqa: F401
from webapp.core.db import Base

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    Base.metadata.create_all(op.get_bind())


def downgrade() -> None:
    Base.metadata.drop_all(op.get_bind())
