"""Says whether a folder lies on a network file system."""

from __future__ import annotations

import os
from pathlib import Path

# Kinds of file systems that several machines mount, as the kernel names them.
NETWORK = frozenset(
    {
        "afs",
        "ceph",
        "cifs",
        "fuse.cephfs",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb3",
        "smbfs",
    }
)
MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(folder: Path) -> str:
    """Return the kind of network file system that an existing folder lies on; empty for a local or an unknown one."""
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        # Without /proc nothing is known of mounts. SQLite's own errors remain.
        return ""
    for line in lines:
        # "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw", from proc(5).
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == number and (name := kind.split()[0]) in NETWORK:
            return name
    return ""
