"""Where data is kept: immutable Parquet objects under a catalog whose rows are the commit point."""
