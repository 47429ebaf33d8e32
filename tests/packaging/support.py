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
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("WEFT_BUILD", f"{ROOT}/build")
PACKAGES = os.environ.get("WEFT_PACKAGES", f"{ROOT}/build-release/packages")
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def version():
    if "WEFT_VERSION" in os.environ:
        return os.environ["WEFT_VERSION"]
    with open(f"{ROOT}/CMakeLists.txt") as file:
        return re.search(r"project\(weft VERSION (\S+)", file.read()).group(1)


def run(*argv, check=True, timeout=120, **options):
    """Runs a program to its end; its result, with what it printed."""
    options.setdefault("stdin", subprocess.DEVNULL)
    result = subprocess.run([str(a) for a in argv], text=True, timeout=timeout, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, **options)
    if check and result.returncode:
        raise AssertionError(f"{' '.join(map(str, argv))}: exit code {result.returncode}\n{result.stdout}")
    return result


def wait_until(condition, what, seconds=10.0):
    """Waits for a true value of `condition` and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


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
