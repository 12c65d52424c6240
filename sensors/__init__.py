"""What starts work or speaks up: new data, failed checks, watchdogs."""
