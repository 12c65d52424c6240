"""The registry of strategies: which version stands where, who said so, and on what evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the registry's table of `tickline.lake.tables` as it stood at this revision."""
    op.create_table(
        "registry",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("said_by", sa.String(160), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
    )
    op.create_index("ix_registry_strategy", "registry", ["strategy", "id"])
