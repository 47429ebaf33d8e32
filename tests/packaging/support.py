"""What the tests of packaging share.

Environment:
  WEFT_BUILD     a complete build (default: build)
  WEFT_VERSION   of what is built
  WEFT_PACKAGES  where tools/package has put packages (default: build-release/packages)
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../../tools/python")
import programs  # noqa: E402
from programs import ROOT, SKIPPED, wait_until  # noqa: E402, F401

BUILD = os.environ.get("WEFT_BUILD", f"{ROOT}/build")
PACKAGES = os.environ.get("WEFT_PACKAGES", f"{ROOT}/build-release/packages")


def version():
    if "WEFT_VERSION" in os.environ:
        return os.environ["WEFT_VERSION"]
    with open(f"{ROOT}/CMakeLists.txt") as file:
        return re.search(r"project\(weft VERSION (\S+)", file.read()).group(1)


def run(*argv, timeout=120, **options):
    """Runs a program to its end; its result, with all that it printed in `stdout`."""
    return programs.run(*argv, timeout=timeout, **{"stderr": subprocess.STDOUT, **options})


def package(name):
    """The path of a package."""
    found = glob.glob(f"{PACKAGES}/{name}_{version()}-*.deb")
    if len(found) != 1:
        raise AssertionError(f"not one package {name} in {PACKAGES}: {found}; tools/package builds it")
    return found[0]


class FolderTest(unittest.TestCase):
    """Tests with a temporary folder that everybody may look into."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="weft-packaging-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        os.chmod(cls.folder, 0o755)


def as_nobody(*argv):
    """The command, without privileges if this process has any."""
    if os.geteuid():
        return argv
    return ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all", "--no-new-privs", *argv)


def skip_all(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def main():
    unittest.main(verbosity=2)
