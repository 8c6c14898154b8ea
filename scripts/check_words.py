#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_words.py [FILE...]: finds words that docs/glossary.md says are not used.

Reads what people read: messages and help (string literals of C), comments of C and Python, texts
and comments of SQL, configuration files and packs, the schemas' documentation, shell scripts and
Markdown. Without FILE it reads the whole repository. Prints "FILE:LINE: WORD: use ..." for each
word found, and ends with 1 when there is one. Needs nothing but Python.
"""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
PROGRAMS = ("aggregator/", "broker/", "common/", "producer/", "worker/")


@dataclass
class Text:
    """One message or paragraph: its parts with the line that each begins on."""

    path: str
    parts: list[tuple[int, str]] = field(default_factory=list)
    joint: str = " "
    whole: bool = False  # a log message, which a word in quotes may refuse as a whole

    @property
    def text(self):
        return self.joint.join(part for _, part in self.parts)

    def line_at(self, position):
        for line, part in self.parts:
            if position <= len(part):
                return line + part[:position].count("\n")
            position -= len(part) + len(self.joint)
        return self.parts[-1][0]


@dataclass
class Word:
    shown: str
    use: str
    pattern: re.Pattern
    whole: bool
    allowed: list[str]


# ---- the glossary ----
def word_of(entry, use, allowed):
    whole = entry.startswith('"')
    shown = entry.strip('"')
    body = r"\s+".join(re.escape(part).replace(r"\*", r"[\w-]*") for part in shown.split())
    body = rf"\s*{body}\s*" if whole else rf"(?<![\w-]){body}(?![\w-])"
    return Word(shown, use, re.compile(body, re.I), whole, allowed)


def glossary(text):
    """The words of the table "Words not used"."""
    words = []
    table = text[text.index("## Words not used") :]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or cells[0] in ("not used", "---"):
            continue
        allowed = [phrase.lower() for phrase in re.findall(r"`([^`]+)`", cells[2])]
        words += [word_of(entry.strip(), cells[1], allowed) for entry in cells[0].split(",")]
    return words


# ---- what people read, by kind of file ----
C_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<char>'(?:[^'\\\n]|\\.)+')"""
    r"""|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<include>^[ \t]*\#[ \t]*include[^\n]*)"""
    r"""|(?P<space>\s+)|(?P<macro>[A-Z][A-Z0-9_a-z]*)|(?P<other>.)""",
    re.S | re.M,
)
C_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]+|[0-7]{1,3}|\n|.)")
LOG_CALL = re.compile(r"\blog_(?:debug|info|warn|error|write)\s*\([^;\"]*$")
SQL_LITERAL = re.compile(
    r"\s*(?:select|insert into|update [\w.]+ |delete from|with \w+ as|create |alter |declare |"
    r"set |lock |grant |truncate |drop )"
)


def unescaped(literal):
    simple = {"\n": "", '"': '"', "'": "'", "\\": "\\"}
    return C_ESCAPE.sub(lambda m: simple.get(m[1], " "), literal[1:-1])


def c_texts(path, source):
    """String literals, adjacent ones joined; macros between them (PRIu64, LOG_Q) are a value."""
    texts, current, gap = [], None, False
    for token in C_TOKEN.finditer(source):
        kind = token.lastgroup
        if kind == "string":
            line = source.count("\n", 0, token.start()) + 1
            if current is None:
                before = source[max(0, token.start() - 200) : token.start()]
                current = Text(path, joint="", whole=bool(LOG_CALL.search(before)))
                texts.append(current)
            elif gap:
                current.parts.append((line, "0"))
            current.parts.append((line, unescaped(token[0])))
            gap = False
        elif kind == "macro" and current is not None:
            gap = True
        elif kind not in ("space", "comment"):
            current, gap = None, False
    return [
        t for t in texts if (t.whole or " " in t.text.strip()) and not SQL_LITERAL.match(t.text)
    ]


def c_comments(path, source):
    found = [
        (source.count("\n", 0, t.start()) + 1, t[0])
        for t in C_TOKEN.finditer(source)
        if t.lastgroup == "comment"
    ]
    return joined_comments(path, found)


def c_texts_and_comments(path, source):
    return c_texts(path, source) + c_comments(path, source)


def python_comments(path, source):
    """Comments, and the texts that say what a module, class or function is for."""
    found = [
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    purposes = [
        Text(path, [(node.body[0].lineno, ast.get_docstring(node))])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
    ]
    return joined_comments(path, found) + purposes


def joined_comments(path, found):
    """Comments on consecutive lines are one text."""
    texts, last = [], None
    for line, comment in found:
        clean = "\n".join(
            re.sub(r"^[ \t]*(?://|/\*+|\*/|\*|--|#+)?", "", part).replace("*/", "")
            for part in comment.split("\n")
        )
        if last is not None and line == last + 1:
            texts[-1].parts.append((line, clean))
        else:
            texts.append(Text(path, [(line, clean)]))
        last = line + comment.count("\n")
    return texts


SQL_TOKEN = re.compile(r"(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<string>'(?:[^']|'')*')", re.S)
CFG_TOKEN = re.compile(r'(?P<comment>(?:#|//)[^\n]*|/\*.*?\*/)|(?P<string>"(?:[^"\\]|\\.)*")', re.S)
SHELL_TOKEN = re.compile(
    r"""(?P<comment>(?<![^\s;])\#[^\n]*)|(?P<string>"(?:[^"\\]|\\.)*"|'[^']*')""", re.S
)


def tokens(pattern):
    def texts_of(path, source):
        comments, texts = [], []
        for token in pattern.finditer(source):
            line = source.count("\n", 0, token.start()) + 1
            if token.lastgroup == "comment":
                comments.append((line, token[0]))
            elif " " in token[0]:
                texts.append(Text(path, [(line, token[0][1:-1])]))
        return texts + joined_comments(path, comments)

    return texts_of


def markdown_texts(path, source):
    """Paragraphs, list items, table rows; without code."""
    texts, fenced, current = [], False, None
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced, current = not fenced, None
            continue
        new = re.match(r"\s*(?:[-*|#]|\d+\.)", line)
        if fenced or not line.strip() or re.match(r" {4,}\S", line) and current is None:
            current = None
            continue
        if current is None or new:
            current = Text(path)
            texts.append(current)
        current.parts.append((number, line.strip()))
    for text in texts:
        whole = text.text
        for code in re.findall(r"`[^`]*`|\]\([^)]*\)", whole):
            whole = whole.replace(code, " " * len(code))
        position = 0
        for at, (line, part) in enumerate(text.parts):
            text.parts[at] = (line, whole[position : position + len(part)])
            position += len(part) + 1
    return texts


def schema_texts(path, source):
    found = []
    for match in re.finditer(r'"doc"\s*:\s*("(?:[^"\\]|\\.)*")', source):
        found.append(Text(path, [(source.count("\n", 0, match.start()) + 1, json.loads(match[1]))]))
    return found


def reader_of(path):
    suffix = Path(path).suffix
    if suffix in (".c", ".h"):
        return c_texts_and_comments if path.startswith(PROGRAMS) else c_comments
    if path.startswith("config/packs/"):
        return {".cfg": comments_only(CFG_TOKEN), ".sql": comments_only(SQL_TOKEN)}.get(suffix)
    if path == "docs/glossary.md":
        return lambda p, source: markdown_texts(p, source[: source.index("## Words not used")])
    if path.endswith("/001_rollcall.sql"):
        return None  # released: its text does not change
    if suffix == ".py":
        return python_comments
    if path.startswith(("tests/", "bench/")) and suffix != ".md":
        return None
    if path in ("check", "demo") or path.startswith(("scripts/", "docker/")) and not suffix:
        return tokens(SHELL_TOKEN)
    return {
        ".avsc": schema_texts,
        ".cfg": tokens(CFG_TOKEN),
        ".md": markdown_texts,
        ".sh": tokens(SHELL_TOKEN),
        ".sql": tokens(SQL_TOKEN),
    }.get(suffix)


# ---- looking ----
def findings(text, words):
    """(position, word) of each word in a text that does not stand in an allowed phrase."""
    whole = text.text
    lower = re.sub(r"\s", " ", whole.lower())
    for word in words:
        if word.whole:
            if text.whole and word.pattern.fullmatch(whole):
                yield 0, word
            continue
        for match in word.pattern.finditer(whole):
            if "=" + lower.strip() in word.allowed:
                continue
            if not any(stands_in(lower, phrase, match) for phrase in word.allowed):
                yield match.start(), word


def stands_in(text, phrase, match):
    at = text.find(phrase)
    while at >= 0:
        if at <= match.start() and match.end() <= at + len(phrase):
            return True
        at = text.find(phrase, at + 1)
    return False


def report(text, words):
    lines = []
    for at, word in findings(text, words):
        found = " ".join(word.pattern.search(text.text, at)[0].split())
        lines.append(f"{text.path}:{text.line_at(at)}: {found}: use {word.use}")
    return lines


def texts_of(path, source):
    reader = reader_of(path)
    return reader(path, source) if reader else []


def comments_only(pattern):
    """A pack's own texts are its organisation's wording."""
    return lambda path, source: tokens(pattern)(path, pattern.sub(without_text, source))


def without_text(token):
    if token.lastgroup == "comment":
        return token[0]
    return "".join("\n" if c == "\n" else "_" for c in token[0])


def all_files(repo):
    out = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=repo, text=True
    )
    return [path for path in out.splitlines() if (repo / path).is_file()]


def check(repo, paths, words):
    """The lines to print for the words found in these files."""
    lines = []
    for path in paths:
        if reader_of(path) is None:
            continue
        for text in texts_of(path, (repo / path).read_text()):
            lines += report(text, words)
    return lines


def main(args):
    words = glossary((REPO / "docs/glossary.md").read_text())
    lines = check(REPO, args or all_files(REPO), words)
    print("\n".join(lines) if lines else 'no word of the glossary\'s "not used" column')
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
