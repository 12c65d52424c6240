"""Great Expectations suites, and the factory that makes them blocking asset checks and verdicts."""
