"""The version of the installed distribution, which is that of the gateway's binary in it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("airside")
except PackageNotFoundError:
    # Imported from a checkout.
    __version__ = "0+checkout"
