"""What of the warehouse needs no server."""

from __future__ import annotations

from datetime import date

import pytest

from support.factories import a_spec, spans_of
from titleholder.data import warehouse
from titleholder.errors import ServiceError


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_an_address_for_libpq(scheme: str) -> None:
    assert warehouse.libpq_url(f"{scheme}://reader:secret@db:5432/w") == "postgresql://reader:secret@db:5432/w"


def test_a_warehouse_that_is_down_is_named_without_its_password() -> None:
    url = "postgresql://reader:secret@127.0.0.1:1/warehouse"
    opened = warehouse.opened(url, a_spec(), spans_of(a_spec()), date(2024, 7, 1))
    with pytest.raises(ServiceError, match=r"the warehouse \(connection .*\) cannot be reached") as error, opened:
        pass
    assert "secret" not in str(error.value)
