#!/bin/sh
# Starts Firefox behind bidi_relay.py: Playwright starts one program, by its path.
exec "$PYTHON" "$(dirname "$0")/bidi_relay.py" "$FIREFOX" "$@"
