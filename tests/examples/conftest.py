"""The examples as real servers, which the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.helpdesk import Helpdesk, start_helpdesk
from tests.support.running_server import SHORT_LIMITS, cleared_model


@pytest.fixture(scope="module")
def shared_helpdesk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Helpdesk]:
    """The help desk under our worker."""
    with start_helpdesk(tmp_path_factory.mktemp("helpdesk"), **SHORT_LIMITS) as shared:
        yield shared


@pytest.fixture
def helpdesk(shared_helpdesk: Helpdesk) -> Iterator[Helpdesk]:
    """The same server for one test, without answers and scripts of earlier tests."""
    shared_helpdesk.forget_answers()
    logged = len(shared_helpdesk.server.log)
    with cleared_model(shared_helpdesk):
        yield shared_helpdesk
    assert "Traceback" not in shared_helpdesk.server.log[logged:]
