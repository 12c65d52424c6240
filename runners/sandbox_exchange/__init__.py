"""A small exchange on this machine that speaks real venues' wire formats, over given data and with given faults.

`universe` is what there is to serve, one module a venue (`binance`, `kalshi`) is that venue's wire format without
any I/O, `faults` is what goes wrong, and `server` puts them behind HTTP. ccxt reaches it unmodified: the first part
of a path is the host the venue really has.
"""
