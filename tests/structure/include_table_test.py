"""Reads the #include lines of src/ against the table of docs/architecture.md: what a folder may include, what it must never
mention. Also reports files over 500 lines and functions over 80, which need a reason in docs/decisions.md.

    python3 tests/structure/include_table_test.py [ROOT]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])

# Folder -> folders of ours it may include besides itself.
MAY_INCLUDE = {
    "base": [],
    "math": ["base"],
    "model": ["math", "base"],
    "text": ["base"],
    "engine": ["model", "math", "base"],
    "train": ["model", "math", "text", "base"],
    "serve": ["engine", "text", "base"],
    "cli": ["base", "math", "model", "text", "train", "engine", "serve"],
}
# Inside math each room may include itself and those before it.
MATH_ROOMS = ["tensor", "quant", "kernels", "ops", "autograd"]
# Third-party headers by folder: the rest of the standard library and the system is open to all.
LIBRARIES = {
    "boost/json": ["model", "text", "train", "serve", "cli"],
    "boost/asio": ["serve", "cli/bench/load"],
    "boost/beast": ["serve", "cli/bench/load"],
    "boost/": ["model", "text", "train", "serve", "cli"],
    "openssl/": ["engine", "serve"],
    "prometheus/": ["serve"],
    "pcre2": ["text"],
    "unicode/": ["text"],
    "sentencepiece": ["text"],
    "xxhash": ["base", "model", "engine", "train"],
    "CLI/": ["cli"],
    "histedit": ["cli/chat"],
    "toml++/": ["base"],
    "immintrin": ["base", "math/kernels"],
}
# Words that give away a concept which a folder must not know, also at the beginning of a name: HttpRequest, avx2_tile.
NEVER_MENTION = {
    "base": r"(?<![a-z])(tensor|http|json|request)",
    "math": r"(?<![a-z])(http|json|request|checkpoint|(?<!_)model|file)",
    "model": r"(?<![a-z])(http|scheduler|request|avx|vnni)",
    "engine": r"(?<![a-z])(json|http|loss)",
    "train": r"(?<![a-z])(http|scheduler)",
    "text": r"(?<![a-z])(tensor)",
    "serve": r"(?<![a-z])(avx|gemm|kernel)",
}


def without_comments(text):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def include_problems(path, folder, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        where, name = f"{path}:{number}", match.group(2)
        if match.group(1) == '"':
            other = name.split("/")[0]
            if other not in MAY_INCLUDE or not (ROOT / "src" / name).exists():
                yield f'{where}: "{name}" is no header of ours by its project path'
            elif other != folder and other not in MAY_INCLUDE[folder]:
                yield f'{where}: {folder} may not include "{name}"'
            elif folder == other == "math":
                room, included = (n.split("/")[1] for n in (str(path.relative_to(ROOT / "src")), name))
                if MATH_ROOMS.index(included) > MATH_ROOMS.index(room):
                    yield f'{where}: math/{room} may not include "{name}"'
        else:
            for library, folders in LIBRARIES.items():
                if name.startswith(library):
                    if not any(str(path.relative_to(ROOT / "src")).startswith(f) for f in folders):
                        yield f"{where}: {folder} may not include <{name}>"
                    break


def long_functions(path, code):
    """A brace that opens in a namespace or class, after something with parentheses, is a function's."""
    code = re.sub(r'R"(\w*)\(.*?\)\1"', lambda m: "\n" * m.group().count("\n"), code, flags=re.S)
    code = re.sub(r'"(\\.|[^"\\\n])*"|\'(\\.|[^\'\\\n])+\'', "", code)
    code = re.sub(r"^\s*#.*$", "", code, flags=re.M)
    opened, begin, line = [], 0, 1  # of each open brace the line where its function begins, or None
    for match in re.finditer(r"[{};\n]", code):
        if match.group() == "\n":
            line += 1
            continue
        before = code[begin:match.start()]
        begin = match.end()
        if match.group() == "{":
            is_scope = re.search(r"\b(namespace|class|struct|enum|union|extern)\b[^()]*$", before)
            outside = all(start is None and scope for start, scope in opened)
            starts = outside and not is_scope and "(" in before
            opened.append((line - before.lstrip().count("\n") if starts else None, bool(is_scope)))
        elif match.group() == "}" and opened:
            start, _ = opened.pop()
            if start and line - start > 80:
                yield f"{path}:{start}: function of {line - start} lines (80 at most)"


def problems():
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".h", ".cpp", ".cu"):
            continue
        folder = path.relative_to(ROOT / "src").parts[0]
        if folder not in MAY_INCLUDE:
            yield f"{path}: folder {folder} is not in the table"
            continue
        text = path.read_text()
        code = without_comments(text)
        yield from include_problems(path, folder, code)
        if folder in NEVER_MENTION:
            for number, line in enumerate(code.splitlines(), 1):
                if not line.lstrip().startswith("#include"):
                    for match in re.finditer(NEVER_MENTION[folder], line, flags=re.I):
                        yield f"{path}:{number}: {folder} must not mention '{match.group()}'"
        lines = text.count("\n")
        if lines > 500:
            yield f"{path}: {lines} lines (500 at most)"
        yield from long_functions(path, code)


found = list(problems())
print("\n".join(found) if found else "include table: no problems")
sys.exit(1 if found else 0)
