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
    "fabric": ["base", "math"],
    "model": ["math", "fabric", "base"],
    "text": ["base"],
    "engine": ["model", "text", "math", "base"],
    "train": ["model", "math", "base"],
    "serve": ["engine", "train", "text", "base"],
    "cli": ["base", "math", "fabric", "model", "text", "engine", "train", "serve"],
}
# Inside math each room may include itself and those before it.
MATH_ROOMS = ["tensor", "quant", "kernels", "ops", "autograd"]
# Third-party headers by folder: the rest of the standard library and the system is open to all.
LIBRARIES = {
    "boost/json": ["model", "text", "serve", "cli"],
    "boost/asio": ["serve"],
    "boost/beast": ["serve"],
    "boost/": ["model", "text", "serve", "cli"],
    "openssl/": ["serve"],
    "prometheus/": ["serve"],
    "pcre2": ["text"],
    "unicode/": ["text"],
    "sentencepiece": ["text"],
    "xxhash": ["base", "model", "engine"],
    "CLI/": ["cli"],
    "immintrin": ["base", "math/kernels"],
}
# Words that give away a concept which a folder must not know.
NEVER_MENTION = {
    "math": r"\b(http|json|request|checkpoint)\b",
    "model": r"\b(http|scheduler|avx2|avx512|vnni)\b",
    "engine": r"\b(json|http|loss)\b",
    "text": r"\b(tensor)\b",
    "serve": r"\b(avx2|avx512|gemm)\b",
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
            elif folder == "engine" and other == "text" and not name.startswith("text/grammar/"):
                yield f'{where}: engine may include only grammars of text, not "{name}"'
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


def long_functions(path, text):
    """Functions by their closing brace: a definition begins at a line that ends with '{' at the namespace or class level."""
    start = None
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        if start is None and indent <= 4 and line.rstrip().endswith("{") and "(" in line + " " and not re.match(
                r"\s*(namespace|class|struct|enum|union|extern|switch|if|for|while|do|else|constexpr \w+ k|const \w+ k)\b", line):
            start, level = number, indent
        elif start is not None and line.startswith(" " * level + "}") and indent == level:
            if number - start > 80:
                yield f"{path}:{start}: function of {number - start} lines (80 at most)"
            start = None


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
                if not line.lstrip().startswith("#include") and "kernels" not in path.parts:
                    for match in re.finditer(NEVER_MENTION[folder], line, flags=re.I):
                        yield f"{path}:{number}: {folder} must not mention '{match.group()}'"
        lines = text.count("\n")
        if lines > 500:
            yield f"{path}: {lines} lines (500 at most)"
        yield from long_functions(path, code)


found = list(problems())
print("\n".join(found) if found else "include table: no problems")
sys.exit(1 if found else 0)
