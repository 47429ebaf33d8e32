#!/usr/bin/python3
"""Which source files can be compiled as one.  Most of what compiling and linting takes goes into the headers of
libraries, which files that are compiled together read once.

usage: together.py FILE.cpp...     (of one target; prints the number of its group for each of them)"""

import re
import sys

MOST_TOGETHER = 12


def own_names(text):
    """The names that a file may not share with another one of the same source: macros, entry points,
    and what is declared at the start of a line in its unnamed namespaces.  A name too many costs little."""
    names = {f"#{name}" for name in re.findall(r"^#define (\w+)", text, re.M)}
    names.update(re.findall(r"^(?:extern \"C\" )?int\s+(\w+)\(", text, re.M))  # main and its like
    for part in re.findall(r"^namespace \{\n(.*?)^\} // namespace$", text, re.S | re.M):
        for line in part.splitlines():
            if re.match(r"(?!using |namespace )\w", line):
                names.update(re.findall(r"\b([A-Za-z_]\w*)(?= *(?:[({=;\[]|$))", line))
    return names


def called_names(text):
    """What a file calls without saying whose it is: the same name of another file's own would be taken for it."""
    text = re.sub(r"//.*|\"[^\"\n]*\"", "", text)
    return set(re.findall(r"(?<![.>:\w])([A-Za-z_]\w*)(?=[(<])", text))


def aliases(text):
    """What its `using NAME = ...;` stand for, by their names: files may have the same one."""
    return dict(re.findall(r"^using (\w+) =\s*(.*?);", text, re.M | re.S))


def groups_of(files):
    """Lists of paths that can be compiled as one, of {path: what else must be the same, such as flags}."""
    groups = []
    for path, kind in files.items():
        with open(path) as file:
            text = file.read()
        own, called, meant = own_names(text), called_names(text), aliases(text)
        for group in groups:
            if (group["kind"] == kind and len(group["paths"]) < MOST_TOGETHER
                    and not group["own"] & (own | called) and not group["called"] & own
                    and all(group["meant"].get(name, what) == what for name, what in meant.items())):
                break
        else:
            group = {"kind": kind, "paths": [], "own": set(), "called": set(), "meant": {}}
            groups.append(group)
        group["paths"].append(path)
        group["own"] |= own
        group["called"] |= called
        group["meant"] |= meant
    return [group["paths"] for group in groups]


if __name__ == "__main__":
    number = {path: i for i, paths in enumerate(groups_of(dict.fromkeys(sys.argv[1:]))) for path in paths}
    print("\n".join(str(number[path]) for path in sys.argv[1:]))
