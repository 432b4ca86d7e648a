"""Row 15 and security: the key is in no reply and no log of the whole fault run. Runs last."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Witness


def test_no_reply_and_no_log_of_the_whole_run_holds_the_planted_key(
    witness: Witness, request: pytest.FixtureRequest
) -> None:
    """Row 15: of every byte that a client read and every line that a server wrote in this run."""
    print(f"{witness.bytes_read} bytes of replies and {witness.log_lines} lines of logs were searched for the key")
    assert witness.seen_in == []
    ran = {item.path.name for item in request.session.items}
    if "test_models_that_fail.py" in ran:
        # There it was sent to us on purpose, and taken out of the log.
        assert witness.redactions
        assert witness.bytes_read
        assert witness.log_lines
