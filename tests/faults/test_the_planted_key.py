"""Row 15 and security: the key is in no reply and no log of the whole fault run. Runs last."""

from __future__ import annotations

import pytest

from tests.support.key_detector import KeyDetector


def test_no_reply_and_no_log_of_the_whole_run_holds_the_planted_key(
    key_detector: KeyDetector, request: pytest.FixtureRequest
) -> None:
    """Row 15: of every byte that a client read and every line that a server wrote in this run."""
    searched = f"{key_detector.bytes_read} bytes of replies and {key_detector.log_lines} lines of logs"
    print(f"{searched} were searched for the key")
    assert key_detector.seen_in == []
    ran = {item.path.name for item in request.session.items}
    if "test_model_failures.py" in ran:
        # There it was sent to us on purpose, and taken out of the log.
        assert key_detector.redactions
        assert key_detector.bytes_read
        assert key_detector.log_lines
