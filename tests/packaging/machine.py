"""A throwaway machine: systemd as process 1 of namespaces of its own.

It sees the files of this machine, and what it writes lies in memory above
them.  Nothing of it starts by itself but systemd, it cannot change the
kernel's settings, and it has no network but its own.  When it ends, nothing
is left.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time

from support import package, run, wait_until

# The first process of the namespaces.  $1: an empty folder.
BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs weft-test "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/net dev/pts dev/shm
ln -s pts/ptmx dev/ptmx
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200; do
  number=${node#*:}
  mknod -m 666 "dev/${node%%:*}" c "${number%:*}" "${number#*:}"
done
# Nothing of the host's that systemd would start, mount or restrict.
for folder in etc lib usr/local/lib; do
  rm -rf $folder/systemd/system/*.wants $folder/systemd/system/*.requires \
    $folder/systemd/system-generators $folder/systemd/system/weft*
done
rm -f etc/fstab usr/sbin/policy-rc.d
# Nor what nodes of the host have left, which a purge would take along.
rm -rf etc/weft var/lib/weft var/lib/weft-issuer
printf '[Unit]\nDescription=Nothing\n' > etc/systemd/system/weft-test.target
mkdir old
pivot_root . old
umount -l /old
rmdir /old
exec env -i PATH="$PATH" container=weft-test chroot . /lib/systemd/systemd \
  --system --unit=weft-test.target --show-status=no --log-target=null
"""


_numbers = itertools.count()  # of a process's control groups


class Unavailable(Exception):
    """No such machine can be made here; says why."""


def _cgroups():
    """For each mounted hierarchy, the folder of this process."""
    own = {}
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            own[names] = path
    with open("/proc/self/mounts") as file:
        mounts = [line.split()[1:4] for line in file]
    for place, kind, options in mounts:
        names = {"cgroup2": [""], "cgroup": options.split(",")}.get(kind, [])
        for name in names:
            if name in own:
                path = place + own[name]
                yield path if os.path.isdir(path) else place
                break


class Machine:
    """Starts when it is made, and has to be stopped."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        if os.geteuid():
            raise Unavailable("a machine needs root")
        for program in ("/lib/systemd/systemd", "unshare", "nsenter"):
            if not shutil.which(program):
                raise Unavailable(f"there is no {program}")
        folder = tempfile.mkdtemp(prefix="weft-machine-")
        self._stack.callback(os.rmdir, folder)
        groups = [self._make_cgroup(path) for path in _cgroups()]
        log = self._stack.enter_context(tempfile.TemporaryFile("w+"))

        def enter():
            for group in groups:
                with contextlib.suppress(OSError), open(f"{group}/cgroup.procs", "w") as file:
                    file.write(str(os.getpid()))
        parent = subprocess.Popen(
            ["unshare", "--fork", "--kill-child=KILL", "--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup",
             "sh", "-c", BOOT, "boot", folder],
            preexec_fn=enter, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._stack.callback(parent.wait)
        self._stack.callback(parent.kill)

        def first_process():
            with open(f"/proc/{parent.pid}/task/{parent.pid}/children") as file:
                return file.read().split()

        def booted():
            if parent.poll() is not None:
                log.seek(0)
                raise Unavailable(f"no machine starts here: {log.read().strip()}")
            children = first_process()
            self.pid = int(children[0]) if children else None
            with contextlib.suppress(OSError):
                return self.pid and os.readlink(f"/proc/{self.pid}/exe").endswith("/systemd") \
                    and self.systemctl("is-active", "weft-test.target", check=False).returncode == 0
        try:
            wait_until(booted, "a machine starts")
        except AssertionError as error:
            raise Unavailable(str(error)) from None
        self.run("ip", "link", "set", "lo", "up")

    def _make_cgroup(self, parent):
        path = f"{parent}/weft-test-{os.getpid()}-{next(_numbers)}"
        try:
            os.mkdir(path)
        except OSError as error:
            raise Unavailable(f"this process may make no control groups: {error}") from None
        self._stack.callback(self._remove_cgroup, path)
        return path

    @staticmethod
    def _remove_cgroup(path):
        deadline = time.monotonic() + 60
        while os.path.isdir(path):
            for folder, _, _ in os.walk(path, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
            if time.monotonic() > deadline:
                raise AssertionError(f"{path} cannot be removed")
            time.sleep(0.02)

    def stop(self):
        """Whoever runs there ends at once."""
        if getattr(self, "pid", None):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._stack.close()

    def path(self, path):
        """Of a file there, for programs here."""
        return f"/proc/{self.pid}/root{path}"

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(os.open(self.path(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            file.write(text)

    def read(self, path):
        with open(self.path(path)) as file:
            return file.read()

    def run(self, *argv, **options):
        """Runs a program there, in the root folder (that of this process may not exist there)."""
        return run("nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup",
                   "--root", "--wd", *argv, **{"cwd": "/", **options})

    def install(self, *names):
        """Packages that tools/package has made."""
        for name in names:
            shutil.copy(package(name), self.path(f"/tmp/{name}.deb"))
            self.run("dpkg", "--install", f"/tmp/{name}.deb")
            os.unlink(self.path(f"/tmp/{name}.deb"))

    def systemctl(self, *arguments, **options):
        return self.run("systemctl", "--no-pager", *arguments, **options)

    def property(self, unit, name):
        return self.systemctl("show", f"--property={name}", "--value", unit).stdout.strip()
