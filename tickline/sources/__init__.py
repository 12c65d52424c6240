"""Where raw data comes from. Every source speaks one protocol, declared in `source`."""
