"""A wall clock that a test sets, for programs that run: the C library's calls of it are shifted, timers are not."""

import os
import shutil
import struct
import time

import harness

# The shift, in seconds, lies in a file that it maps: it changes while the program runs.
SHIFTED_CALLS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static const volatile int64_t *shift;

__attribute__((constructor)) static void begin(void) {
  int file = open(getenv("SHIFT_OF_CLOCK"), O_RDONLY | O_CLOEXEC);
  void *mapped = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED)
    abort();
  shift = mapped;
}

int clock_gettime(clockid_t which, struct timespec *now) {
  if (real_clock_gettime == NULL)
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real_clock_gettime(which, now);
  if (failed == 0 && shift != NULL && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
    now->tv_sec += *shift;
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *now) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (now != NULL)
    *now = exact.tv_sec;
  return exact.tv_sec;
}
"""


class ShiftedClock:
    """For programs that are started with its environment."""

    def __init__(self, test):
        compiler = shutil.which("cc") or shutil.which("clang")
        if compiler is None or harness.is_sanitized(harness.WEFTD):
            test.skipTest("no C compiler, or AddressSanitizer, which must be the first library")
        source, library = test.text_file("shifted_clock.c", SHIFTED_CALLS), f"{test.folder}/shifted_clock.so"
        harness.run(compiler, "-O1", "-shared", "-fPIC", source, "-o", library, "-ldl")
        self.path = f"{test.folder}/clock.shift"
        self.shift(0)
        self.environment = {"LD_PRELOAD": library, "SHIFT_OF_CLOCK": self.path}

    def shift(self, seconds):
        with open(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(struct.pack("=q", seconds))

    def set(self, seconds_since_1970):
        self.shift(seconds_since_1970 - int(time.time()))
