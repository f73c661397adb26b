"""Which files the checkers look at: what git knows, or in a plain copy everything but build output."""
import os
import re
import subprocess

SKIPPED = {"build", "node_modules", "__pycache__", ".git"}


def _from_git(root):
    if not os.path.exists(os.path.join(root, ".git")):
        return None
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if listed.returncode != 0:
        return None
    return [name for name in listed.stdout.decode().split("\0") if name]


def _from_walk(root):
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return found


def files(root, *suffixes):
    """Paths below root, sorted; all of them, or those that end in one of the suffixes."""
    names = _from_git(root)
    if names is None:
        names = _from_walk(root)
    return sorted(name for name in set(names)
                  if (not suffixes or name.endswith(suffixes))
                  and os.path.isfile(os.path.join(root, name)))


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        return file.read()


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def without_comments(text):
    """The text with comments blanked, line by line; strings are kept."""
    return _TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group()) if m.group()[0] == "/"
                      else m.group(), text)


def code_only(text):
    """Comments and the insides of strings blanked."""
    return _TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def finish(problems, done):
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problem(s)")
        raise SystemExit(1)
    print(done)
