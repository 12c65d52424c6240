"""The catalog as first released."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables of `tickline.lake.tables` as they stood at this revision."""
    op.create_table(
        "object",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("dataset", sa.String(64), nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
    )
    op.create_table(
        "publication",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("dataset", sa.String(64), nullable=False),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("period", sa.String(32), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("object.sha256"), nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("dataset", "venue", "period", "generation"),
    )
    op.create_table(
        "partition",
        sa.Column("dataset", sa.String(64), primary_key=True),
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("period", sa.String(32), primary_key=True),
        sa.Column("publication_id", _ID, sa.ForeignKey("publication.id"), nullable=False),
    )
    op.create_table(
        "input",
        sa.Column("publication_id", _ID, sa.ForeignKey("publication.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    op.create_index("ix_input_sha256", "input", ["sha256"])
    op.create_table(
        "verdict",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("dataset", sa.String(64), nullable=False),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("period", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("suite", sa.String(64), nullable=False),
        sa.Column("suite_hash", sa.String(64), nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("results", sa.JSON, nullable=False),
    )
    op.create_index("ix_verdict_partition", "verdict", ["dataset", "venue", "period", "suite"])
    op.create_table(
        "lease",
        sa.Column("name", sa.String(160), primary_key=True),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(160)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "copy",
        sa.Column("sha256", sa.String(64), sa.ForeignKey("object.sha256"), primary_key=True),
        sa.Column("archive", sa.String(200), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
    )
