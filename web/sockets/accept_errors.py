"""Groups the errors of accept(2) by what a worker does about them."""

from __future__ import annotations

import errno

# The listening socket is unusable for ever. All other errors pass.
LISTENER_UNUSABLE = {errno.EBADF, errno.EFAULT, errno.EINVAL, errno.ENOTSOCK}
# Errors of the connection that would have been accepted, which the kernel has removed: the next one may be sound. The
# manual page lists them as errors of the network. ENONET exists on Linux only.
CLIENT_LOST = {errno.ECONNABORTED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EPROTO, errno.ENOPROTOOPT}
CLIENT_LOST |= {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EOPNOTSUPP}
CLIENT_LOST |= {getattr(errno, "ENONET", errno.ENETDOWN)}
# No descriptor or memory is left for another connection.
NOTHING_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
