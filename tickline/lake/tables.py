"""The catalog's tables. A row in `partition` is the commit point: what it does not name does not exist.

object       an immutable Parquet object, named by the sha256 of its bytes, and where its copies are
publication  one publishing of one partition: which object, by which code and run, from which inputs
partition    the current publication of each partition
input        what a publication was made from: other objects, source objects, configuration
verdict      what a suite of checks said of one object of one partition
lease        who may publish a partition's stage now; its token only ever grows
copy         a verified copy of an object in an archive
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")
_SHA = String(64)

objects = Table(
    "object",
    metadata,
    Column("sha256", _SHA, primary_key=True),
    Column("dataset", String(64), nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # present; expired: removed after an archived copy was read back; lost: missing or rotten, to be rebuilt.
    Column("state", String(8), nullable=False),
)

publications = Table(
    "publication",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("dataset", String(64), nullable=False),
    Column("venue", String(64), nullable=False),
    Column("period", String(32), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("sha256", _SHA, ForeignKey("object.sha256"), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("code", _SHA, nullable=False),
    Column("run", String(64), nullable=False),
    Column("committed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("dataset", "venue", "period", "generation"),
)

partitions = Table(
    "partition",
    metadata,
    Column("dataset", String(64), primary_key=True),
    Column("venue", String(64), primary_key=True),
    Column("period", String(32), primary_key=True),
    Column("publication_id", _ID, ForeignKey("publication.id"), nullable=False),
)

inputs = Table(
    "input",
    metadata,
    Column("publication_id", _ID, ForeignKey("publication.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", _SHA, nullable=False),
    Index("ix_input_sha256", "sha256"),
)

verdicts = Table(
    "verdict",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("dataset", String(64), nullable=False),
    Column("venue", String(64), nullable=False),
    Column("period", String(32), nullable=False),
    Column("sha256", _SHA, nullable=False),
    Column("suite", String(64), nullable=False),
    Column("suite_hash", _SHA, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("severity", String(8), nullable=False),
    Column("evaluated_at", DateTime(timezone=True), nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("results", JSON, nullable=False),
    Index("ix_verdict_partition", "dataset", "venue", "period", "suite"),
)

leases = Table(
    "lease",
    metadata,
    Column("name", String(160), primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("holder", String(160), nullable=True),
    Column("expires_at", DateTime(timezone=True), nullable=True),
)

copies = Table(
    "copy",
    metadata,
    Column("sha256", _SHA, ForeignKey("object.sha256"), primary_key=True),
    Column("archive", String(200), primary_key=True),
    Column("key", Text, nullable=False),
    Column("version", String(200), nullable=False),
    Column("verified_at", DateTime(timezone=True), nullable=False),
)

registry = Table(
    "registry",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("strategy", String(64), nullable=False),
    Column("version", _SHA, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("said_by", String(160), nullable=False),
    Column("why", Text, nullable=False),
    Column("said_at", DateTime(timezone=True), nullable=False),
    Column("evidence", JSON, nullable=False),
    Index("ix_registry_strategy", "strategy", "id"),
)
