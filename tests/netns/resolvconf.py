"""openresolv for one process and its children: a package that is not installed, as installing it takes the host's own
/etc/resolv.conf over."""

import glob
import os
import unittest

import harness

PACKAGES = os.environ.get("WEFT_TEST_PACKAGES", "/var/cache/weft-tests")

VIEW = """
mount -t overlay overlay -o lowerdir=$1/sbin:/usr/sbin /usr/sbin
mount -t overlay overlay -o lowerdir=$1/lib:/usr/lib /usr/lib
mount -t overlay overlay -o lowerdir=/etc,upperdir=$1/etc,workdir=$1/work /etc
mkdir -p /run/resolvconf
mount -t tmpfs tmpfs /run/resolvconf
umount /etc/resolv.conf 2>/dev/null || true
rm -f /etc/resolv.conf
echo nameserver 192.0.2.53 | resolvconf -a net0
shift
exec "$@"
"""


def view(test):
    """Words before those of a program, which sees openresolv with one server, 192.0.2.53."""
    found = glob.glob(f"{PACKAGES}/openresolv_*.deb")
    if not found:
        raise unittest.SkipTest(f"there is no package of openresolv in {PACKAGES}; tools/setup downloads it")
    package = f"{test.folder}/openresolv"
    harness.run("dpkg", "-x", found[0], package)
    os.makedirs(f"{package}/work")
    return ["unshare", "--mount", "sh", "-ec", VIEW, "view", package]


def servers(*enter):
    """The lines of /etc/resolv.conf as whoever is entered sees them."""
    text = harness.run(*enter, "cat", "/etc/resolv.conf").stdout
    return [line for line in text.splitlines() if line and not line.startswith("#")]
