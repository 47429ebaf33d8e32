"""A service manager, as far as a node has to do with one."""

import contextlib
import os
import socket
import threading
import time


class Manager:
    """Keeps descriptors as systemd does, and passes them to the next process."""

    def __init__(self, test, name):
        self.path = f"{test.folder}/{name}.notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.kept = []  # (name, descriptor)
        self.main = []  # processes that it was told to watch
        self.slow_to_close = 0.0  # seconds
        self.at_first_descriptor = lambda: None  # is called when a node begins to leave something
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        test.stack.callback(self.end)

    def serve(self):
        while True:
            with contextlib.suppress(InterruptedError):
                data, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 8)
                if data == b"END":
                    return
                self.take(dict(line.split("=", 1) for line in data.decode().splitlines()), descriptors)

    def take(self, said, descriptors):
        with self.lock:
            if "MAINPID" in said:
                self.main.append(int(said["MAINPID"]))
            if "FDSTORE" in said:
                if not self.kept:
                    self.at_first_descriptor()
                self.kept += [(said["FDNAME"], descriptor) for descriptor in descriptors]
                return
            if "FDSTOREREMOVE" in said:
                gone = [descriptor for name, descriptor in self.kept if name == said["FDNAME"]]
                self.kept = [each for each in self.kept if each[0] != said["FDNAME"]]
                descriptors = descriptors + gone
        if descriptors and "BARRIER" not in said:
            time.sleep(self.slow_to_close)
        for descriptor in descriptors:
            os.close(descriptor)

    def names(self):
        with self.lock:
            return [name for name, _ in self.kept]

    def change(self, name, change):
        """Another descriptor takes the place of that one."""
        with self.lock:
            self.kept = [(each, change(descriptor) if each == name else descriptor)
                         for each, descriptor in self.kept]

    def give_up(self):
        """As with a unit that has failed for good."""
        with self.lock:
            for _, descriptor in self.kept:
                os.close(descriptor)
            self.kept = []

    def environment(self):
        return {"NOTIFY_SOCKET": self.path}

    def passes(self):
        """Words that start a program with what is kept, and its environment."""
        with self.lock:
            names = [name for name, _ in self.kept]
            # The numbers that the program is to have are free by then.
            numbers = [os.dup(descriptor) for _, descriptor in self.kept]
        return names, numbers

    def end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"END", self.path)
        self.thread.join(60)
        self.socket.close()
        self.give_up()
