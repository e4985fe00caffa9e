"""Receipts, decoded: `airside.v1.Receipt` in the app_metadata of a FlightInfo."""

from dataclasses import dataclass, field

from wire import fields


@dataclass
class Dataset:
    """What is read of one dataset."""

    address: str = ""
    version: str = ""
    snapshot: str = ""
    fresh: int = 0
    columns: list[str] = field(default_factory=list)
    masked: dict[str, str] = field(default_factory=dict)
    rows_restricted: bool = False
    since: str = ""


@dataclass
class Parameter:
    """What a named query asks for."""

    name: str = ""
    type: str = ""
    description: str = ""
    required: bool = False


@dataclass
class Query:
    """A named query."""

    address: str = ""
    version: str = ""
    description: str = ""
    parameters: list[Parameter] = field(default_factory=list)


@dataclass
class Receipt:
    """What an answer is made of."""

    decision: str = ""
    policy_version: str = ""
    purpose: str = ""
    datasets: list[Dataset] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)


def decode(message: bytes) -> Receipt:
    receipt = Receipt()
    for number, value in fields(message):
        if number == 4:
            receipt.datasets.append(_dataset(value))
        elif number == 5:
            receipt.queries.append(_query(value))
        else:
            setattr(receipt, {1: "decision", 2: "policy_version", 3: "purpose"}[number], value.decode())
    return receipt


def _dataset(message: bytes) -> Dataset:
    dataset = Dataset()
    for number, value in fields(message):
        match number:
            case 1 | 2 | 3:
                setattr(dataset, {1: "address", 2: "version", 3: "snapshot"}[number], value.decode())
            case 4:
                dataset.fresh = dict(fields(value))[1]
            case 5:
                dataset.columns.append(value.decode())
            case 6:
                column, mask = (text.decode() for _, text in fields(value))
                dataset.masked[column] = mask
            case 7:
                dataset.rows_restricted = bool(value)
            case 8:
                dataset.since = value.decode()
    return dataset


def _query(message: bytes) -> Query:
    query = Query()
    for number, value in fields(message):
        if number == 4:
            known = {1: "name", 2: "type", 3: "description", 4: "required"}
            parts = {known[key]: part.decode() if key < 4 else bool(part) for key, part in fields(value)}
            query.parameters.append(Parameter(**parts))
        else:
            setattr(query, {1: "address", 2: "version", 3: "description"}[number], value.decode())
    return query
