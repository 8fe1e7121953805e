"""Reads the kernels' object files: no two sets of kernels may define the same symbol, or the linker could give code of one ISA to another;
and no instruction of AVX-512 BF16 may stand in the set for processors that lack it.

    python3 tests/structure/isa_symbols_test.py BUILD_FOLDER
"""
import itertools
import pathlib
import re
import subprocess
import sys

KERNELS = pathlib.Path(sys.argv[1]) / "src/CMakeFiles/hone_math.dir/math/kernels"
SETS = {name: KERNELS / name for name in ("reference", "cpu/avx2", "cpu/avx512_fma", "cpu/avx512")}
BF16_INSTRUCTION = r"\bv(dpbf16ps|cvtne2?ps2?bf16)"


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def objects(folder):
    found = sorted(folder.glob("*.o"))
    assert len(found) >= 3, f"{folder} has {len(found)} objects: where do the kernels of this build lie?"
    return found


def defined(folder):
    """The symbols that other objects see."""
    return {line.split()[-1] for path in objects(folder) for line in output("nm", "--defined-only", "--extern-only", path).splitlines()
            if line and not line.endswith(":")}


def main():
    faults = []
    symbols = {name: defined(folder) for name, folder in SETS.items()}
    for (one, ours), (other, theirs) in itertools.combinations(symbols.items(), 2):
        faults += [f"{symbol} is defined in {one} and in {other}" for symbol in sorted(ours & theirs)]
    uses = {name: len(re.findall(BF16_INSTRUCTION, output("objdump", "-d", "--no-show-raw-insn", *objects(SETS[name]))))
            for name in ("cpu/avx512_fma", "cpu/avx512")}
    if uses["cpu/avx512_fma"]:
        faults.append(f"cpu/avx512_fma has {uses['cpu/avx512_fma']} instructions for bf16")
    if not uses["cpu/avx512"]:
        faults.append("cpu/avx512 has no instruction for bf16: is this test looking at anything?")
    print("\n".join(faults) or f"{sum(map(len, symbols.values()))} symbols, none of them twice")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
