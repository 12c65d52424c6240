"""The `tickline` command's subcommands, one module each."""
