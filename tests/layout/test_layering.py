"""Who may include what, print, exit or read the environment, how long a file may be, and that each
public header compiles alone. The table of modules is the one that CMake links by. Every rule is
checked on a copy with a planted fault too, and must see it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("REPRISE_SOURCE") or os.path.join(os.path.dirname(__file__), "..", "..")
LINES = 800

# Third-party headers, and the folders of src/ that wrap each library.
WRAPPED = {
    r"dcmtk/": "dicom", r"openjpeg": "dicom", r"jansson": "io", r"libdeflate": "io|dicom",
    r"cairo|pango": "report", r"glib": "dicom", r"cyaml|yaml": "cmd", r"openssl/": "base|dicom", r"argp": "cmd",
    r"boost/": "stats", r"cmocka": None,
}
# What only src/cmd may do.
RESERVED = {
    "prints": r"\b(?:printf|puts|putchar|vprintf|perror)\s*\(|\bstd(?:out|err)\b|\bstd::c(?:out|err)\b",
    "ends the program": r"\b(?:exit|_exit|quick_exit|abort)\s*\(",
    "asserts": r"\bassert\s*\(",
    "reads the environment": r"\b(?:secure_)?getenv\s*\(|\benviron\b",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^">]+)[">]', re.M)
# A module may have further public headers, MODULE_PART.h; no module has an underscore in its name.
PUBLIC = re.compile(r"reprise/([a-z0-9]+)(?:_\w+)?\.h$")


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_comments_and_strings(text):
    """The code alone, with its line breaks; #include lines keep their names."""
    def blank(found):
        return re.sub(r"[^\n]+", " ", found[0])
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def module_table(root):
    """Module -> the modules it may use, direct and through others, from cmake/modules.cmake."""
    direct = {}
    rule = re.compile(r"^rp_module\((\w+)([^)]*)\)", re.M)
    for name, rest in rule.findall(text_of(os.path.join(root, "cmake", "modules.cmake"))):
        words = re.split(r"\bLIBS\b", rest)[0].split()
        direct[name] = [word for word in words if word != "USES"]
    table = {}

    def reach(name):
        if name not in table:
            table[name] = set()
            for used in direct[name]:
                table[name] |= {used} | reach(used)
        return table[name]

    for name in direct:
        if name in reach(name):
            raise ValueError(f"cmake/modules.cmake: {name} uses itself")
    return table


def sources(root, folder):
    for where, folders, names in os.walk(os.path.join(root, folder)):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")))
        for name in sorted(names):
            if name.endswith((".c", ".cpp", ".h", ".hpp", ".py", ".sh", ".cmake")):
                yield os.path.join(where, name)


def check_includes(root, table):
    """Public headers along the arrows only, private ones of the own folder only."""
    count = 0
    files = [(path, os.path.basename(path)[:-2].split("_")[0])
             for path in sources(root, os.path.join("include", "reprise"))]
    files += [(path, os.path.relpath(path, os.path.join(root, "src")).split(os.sep)[0])
              for path in sources(root, "src")]
    for path, module in files:
        shown = os.path.relpath(path, root)
        if module != "cmd" and module not in table:
            yield f"{shown}: module {module} is not in cmake/modules.cmake"
            continue
        for included in INCLUDE.findall(text_of(path)):
            count += 1
            public = PUBLIC.search(included)
            if public:
                if module not in ("cmd", public[1]) and public[1] not in table[module]:
                    yield f"{shown}: {module} may not use {public[1]}"
            elif ".." in included.split("/"):
                yield f"{shown}: reaches for {included} outside its folder"
            for pattern, owner in WRAPPED.items():
                if re.match(pattern, included) and module not in (owner or "").split("|"):
                    yield f"{shown}: {included} belongs in {owner or 'tests'}"
    if not count:
        yield "no #include was found"


def check_reserved(root, _table):
    count = 0
    for path in sources(root, "src"):
        shown = os.path.relpath(path, root)
        if shown.split(os.sep)[1] == "cmd":
            continue
        count += 1
        code = without_comments_and_strings(text_of(path))
        for number, line in enumerate(code.split("\n"), 1):
            for what, pattern in RESERVED.items():
                if re.search(pattern, line):
                    yield f"{shown}:{number}: {what}, which only src/cmd may"
    if not count:
        yield "no source was found"


def check_lengths(root, _table):
    for folder in ("src", "include", "tests", "scripts", "cmake"):
        for path in sources(root, folder):
            lines = text_of(path).count("\n")
            if lines > LINES:
                yield f"{os.path.relpath(path, root)}: {lines} lines, more than {LINES}"


def check_headers(root, _table):
    """Each public header alone, as C17 and as C++17, with warnings as errors."""
    headers = list(sources(root, os.path.join("include", "reprise")))
    if not headers:
        yield "no public header was found"
    for path in headers:
        name = os.path.relpath(path, os.path.join(root, "include"))
        for compiler, language, standard in (("gcc", "c", "gnu17"), ("g++", "c++", "c++17")):
            # Included twice: a missing guard shows.
            done = subprocess.run(
                [compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror",
                 "-fsyntax-only", "-I", os.path.join(root, "include"), "-"],
                input=f'#include "{name}"\n#include "{name}"\n', capture_output=True, text=True,
                check=False)
            if done.returncode:
                yield f"include/{name} alone as {standard}: {done.stderr.strip()[:500]}"


CHECKS = [check_includes, check_reserved, check_lengths, check_headers]
# check, file to plant the fault in, what is appended to it, what the complaint must hold
FAULTS = [
    (check_includes, "src/volume/grid.c", '#include "reprise/nn.h"\n', "may not use nn"),
    (check_includes, "src/base/error.c", '#include "reprise/volume.h"\n', "may not use volume"),
    (check_includes, "include/reprise/base.h", '#include "reprise/io.h"\n', "may not use io"),
    (check_includes, "src/io/json.c", "#include <dcmtk/config/osconfig.h>\n", "belongs in dicom"),
    (check_includes, "src/learn/adapt.c", '#include "../nn/fcd.h"\n', "outside its folder"),
    (check_includes, "src/dicom/scan.cpp", "# include <cairo.h>\n", "belongs in report"),
    (check_includes, "src/response/response.c", "#include <boost/math/distributions/beta.hpp>\n",
     "belongs in stats"),
    (check_reserved, "src/measure/measure.c", 'void f(void) { printf("x"); }\n', "prints"),
    (check_reserved, "src/io/json.c", "void f(void) { fputs(0, stderr); }\n", "prints"),
    (check_reserved, "src/nn/fcd.c", "void f(void) { exit(1); }\n", "ends the program"),
    (check_reserved, "src/learn/adapt.c", "void f(int x) { assert(x); }\n", "asserts"),
    (check_reserved, "src/base/file.c", 'char *f(void) { return getenv("X"); }\n', "environment"),
    (check_lengths, "src/base/log.c", "\n" * (LINES + 1), "more than"),
    (check_headers, "include/reprise/io.h", "int f(rp_undeclared x);\n", "io.h alone"),
    (check_headers, "include/reprise/nn.h", "static inline int f(int new) { return new; }\n",
     "c++17"),
]


def plant(check, name, fault, expected):
    with tempfile.TemporaryDirectory() as folder:
        for part in ("src", "include", "cmake"):
            shutil.copytree(os.path.join(SOURCE, part), os.path.join(folder, part))
        with open(os.path.join(folder, name), "a", encoding="utf-8") as file:
            file.write(fault)
        found = list(check(folder, module_table(folder)))
    if not any(expected in complaint for complaint in found):
        yield f"{check.__name__} did not see a fault planted in {name}: {fault.strip()[:60]}"


def main():
    table = module_table(SOURCE)
    complaints = [found for check in CHECKS for found in check(SOURCE, table)]
    for fault in FAULTS:
        complaints += plant(*fault)
    print(*complaints, sep="\n")
    print(f"{len(table)} modules, {len(CHECKS)} rules, {len(FAULTS)} planted faults, "
          f"{len(complaints)} complaints")
    return 1 if complaints else 0


sys.exit(main())
