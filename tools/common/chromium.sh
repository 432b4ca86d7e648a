#!/bin/sh
# Starts the browser $CHROMIUM without the right to raise its priority.
#
# Of root, Chromium gives the threads that draw the nice value -8. On two cores, the servers of other tests then wait for them.
without="--bounding-set=-sys_nice --inh-caps=-sys_nice"
if setpriv $without true 2>/dev/null; then
  exec setpriv $without -- "$CHROMIUM" "$@"
fi
exec "$CHROMIUM" "$@"
