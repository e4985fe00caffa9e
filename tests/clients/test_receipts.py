"""What comes with an answer: of which products and versions, as of when, and what the policy kept back."""

import time

import wire
from receipts import Receipt, decode

LIFETIME_VALUE = wire.descriptor_path("marketing", "customer_lifetime_value")


def receipt(client: wire.Raw, descriptor: bytes) -> Receipt:
    return decode(client.info(descriptor).app_metadata)


def test_a_receipt_says_what_was_kept_back(raw):
    [dataset] = receipt(raw("analyst"), LIFETIME_VALUE).datasets
    assert (dataset.address, dataset.version) == ("marketing.customer_lifetime_value", "1.2.0")
    assert dataset.rows_restricted
    assert dataset.masked == {"phone": "partial"}
    [dataset] = receipt(raw("steward"), LIFETIME_VALUE).datasets
    assert not dataset.rows_restricted and not dataset.masked


def test_it_names_the_columns_read(raw):
    sql = wire.statement("SELECT c_name FROM customers.customer WHERE c_acctbal > 0 AND c_phone <> ''")
    [dataset] = receipt(raw("analyst"), sql).datasets
    assert set(dataset.columns) == {"c_name", "c_acctbal", "c_phone"}
    assert dataset.masked == {"c_phone": "partial"}
    both = receipt(raw("steward"), wire.statement("SELECT 1 FROM sales.orders, geography.region")).datasets
    assert [dataset.address for dataset in both] == ["geography.region", "sales.orders"]


def test_it_is_of_one_moment(raw):
    one, other = (receipt(raw("analyst"), LIFETIME_VALUE) for _ in range(2))
    assert one.decision != other.decision
    assert one.policy_version == other.policy_version
    assert one.datasets == other.datasets
    assert 0 < one.datasets[0].fresh <= time.time()
    assert receipt(raw("analyst", ("airside-purpose", "audit")), LIFETIME_VALUE).purpose == "audit"


def test_it_tells_nothing_of_a_derived_products_sources(raw):
    sent = raw("analyst").info(LIFETIME_VALUE).app_metadata
    for source in (b"sales", b"customers", b"o_orderkey", b".parquet", b"BUILDING"):
        assert source not in sent


def test_metadata_needs_none(raw):
    assert raw("analyst").info(wire.metadata("CommandGetCatalogs")).app_metadata == b""
