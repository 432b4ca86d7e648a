"""What the errors of accept(2) mean for a worker that goes on serving."""

from __future__ import annotations

import errno

# Errors of accept(2) that say that this socket will never have another connection. All others pass.
LISTENER_UNUSABLE = {errno.EBADF, errno.EFAULT, errno.EINVAL, errno.ENOTSOCK}
# Those that belong to the connection that would have been accepted, which the kernel has taken away: the next may be
# sound. The manual page lists them as errors of the network. ENONET is Linux's.
CLIENT_LOST = {errno.ECONNABORTED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EPROTO, errno.ENOPROTOOPT}
CLIENT_LOST |= {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EOPNOTSUPP}
CLIENT_LOST |= {getattr(errno, "ENONET", errno.ENETDOWN)}
# Those that say that nothing is left for another connection.
NOTHING_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
