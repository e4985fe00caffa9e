"""Reads the data products of a mesh that an Airside gateway serves.

```python
import airside

mesh = airside.connect("grpc+tls://gateway.example.com:50051", token="airt_…", purpose="analytics")
orders = mesh["sales.orders"].to_pandas(columns=["o_orderkey", "o_totalprice"], where="o_totalprice > 1000")
```
"""

from airside.change import Change
from airside.connection import Tls
from airside.contract import Column, Contract
from airside.errors import (
    AirsideError,
    Cancelled,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotAppended,
    NotFound,
    Outdated,
    PermissionDenied,
    PurposeNeeded,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from airside.mesh import Mesh, connect
from airside.oidc import ClientCredentials, DeviceFlow, DevicePrompt, SignInFailed
from airside.product import Product
from airside.receipt import DatasetReceipt, Receipt
from airside.result import Result
from airside.retry import Retry
from airside.version import __version__

__all__ = [
    "AirsideError",
    "Cancelled",
    "Change",
    "ClientCredentials",
    "Column",
    "Contract",
    "DatasetReceipt",
    "DeadlineExceeded",
    "DeviceFlow",
    "DevicePrompt",
    "Internal",
    "InvalidArgument",
    "Mesh",
    "NotAppended",
    "NotFound",
    "Outdated",
    "PermissionDenied",
    "Product",
    "PurposeNeeded",
    "Receipt",
    "ResourceExhausted",
    "Result",
    "Retry",
    "SignInFailed",
    "Tls",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "__version__",
    "connect",
]
