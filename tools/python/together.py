#!/usr/bin/python3
"""Which source files can be compiled as one.  Most of what compiling and linting takes goes into the headers of
libraries, which files that are compiled together read once.

usage: together.py FILE.cpp...     (of one target; prints the number of its group for each of them)"""

import functools
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOST_TOGETHER = 12


FUNCTION = re.compile(r"^(?!using |namespace |return\b|else\b|struct |class |enum )(?:[A-Za-z][\w:<>,&* ]*?[\s&*])?"
                      r"([a-z_]\w*)\(([^(){};]*)\)\s*(?:const)?\s*[;{]", re.M)


def type_of(parameter):
    words = re.sub(r"=.*|\bconst\b|\bweft::|[&*]", " ", parameter).split()
    return " ".join(words[:-1] or words)


def signatures(text):
    """The functions of a text that are declared at the start of a line: name and types."""
    return {(name, *map(type_of, parameters.split(","))) for name, parameters in FUNCTION.findall(text)}


def own_names(text):
    """The names that a file may not share with another one of the same source: macros, entry points,
    and what is declared at the start of a line in its unnamed namespaces.  A name too many costs little."""
    names = {f"#{name}" for name in re.findall(r"^#define (\w+)", text, re.M)}
    names.update(re.findall(r"^(?:extern \"C\" )?int\s+(\w+)\(", text, re.M))  # main and its like
    for part in re.findall(r"^namespace \{\n(.*?)^\} // namespace$", text, re.S | re.M):
        for line in part.splitlines():
            if re.match(r"(?!using |namespace )\w", line):
                names.update(re.findall(r"\b([A-Za-z_]\w*)(?= *(?:[({=;\[]|$))", line))
        names |= signatures(part)
    return names


def called_names(text):
    """What a file calls without saying whose it is: the same name of another file's own would be taken for it."""
    text = re.sub(r"//.*|\"[^\"\n]*\"", "", text)
    return set(re.findall(r"(?<![.>:\w])([A-Za-z_]\w*)(?=[(<])", text))


def aliases(text):
    """What its `using NAME = ...;` and `using SPACE::NAME;` stand for, by their names: files may have the same one."""
    return (dict(re.findall(r"^using (\w+) =\s*(.*?);", text, re.M | re.S))
            | {name: f"{space}::{name}" for space, name in re.findall(r"^using ([\w:]+)::(\w+);", text, re.M)})


def included(text):
    """The project's headers that a text includes."""
    return [path for path in re.findall(r'^#include "([^"]+)"', text, re.M) if os.path.exists(f"{ROOT}/{path}")]


@functools.cache
def names_of_header(path):
    """Its types, constants and functions: a file's own that is the same means something else.  (A function of other
    types is an overload.)"""
    with open(f"{ROOT}/{path}") as file:
        text = file.read()
    return signatures(text) | set(re.findall(r"^(?:struct|class|enum class|enum) (\w+)", text, re.M)
               + re.findall(r"^(?:inline )?constexpr [^(;]*?(\w+)(?= *[={;\[])", text, re.M))


def names_of_headers(text):
    """What is declared in the headers that a text includes, however far."""
    names, seen, left = set(), set(), included(text)
    while left:
        path = left.pop()
        if path not in seen:
            seen.add(path)
            names |= names_of_header(path)
            with open(f"{ROOT}/{path}") as file:
                left += included(file.read())
    return names


def groups_of(files):
    """Lists of paths that can be compiled as one, of {path: what else must be the same, such as flags}."""
    groups = []
    for path, kind in files.items():
        with open(path) as file:
            text = file.read()
        own, meant = own_names(text), aliases(text)
        foreign = called_names(text) | names_of_headers(text)
        for group in groups:
            if (group["kind"] == kind and len(group["paths"]) < MOST_TOGETHER
                    and not group["own"] & (own | foreign) and not group["foreign"] & own
                    and all(group["meant"].get(name, what) == what for name, what in meant.items())):
                break
        else:
            group = {"kind": kind, "paths": [], "own": set(), "foreign": set(), "meant": {}}
            groups.append(group)
        group["paths"].append(path)
        group["own"] |= own
        group["foreign"] |= foreign
        group["meant"] |= meant
    return [group["paths"] for group in groups]


if __name__ == "__main__":
    number = {path: i for i, paths in enumerate(groups_of(dict.fromkeys(sys.argv[1:]))) for path in paths}
    print("\n".join(str(number[path]) for path in sys.argv[1:]))
