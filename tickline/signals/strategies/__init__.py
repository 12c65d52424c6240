"""The strategies Tickline ships, each a module that declares its STRATEGY."""
