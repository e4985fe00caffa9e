"""Whom Airside is compared with. Servers are started by `servers`; the others run in a client's process."""
