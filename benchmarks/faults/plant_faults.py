"""Plant small faults in the C++ kernels, one at a time: the tests must notice each of them.

    python benchmarks/faults/plant_faults.py

Each fault is a small slip of the hand: a swapped gate, a lost carry, a missed step. A copy of the sources is changed,
compiled for this machine's best instruction set, and the layers' tests are run on it. A minute or two for each.
Needs g++, cmake, ninja and nanobind. Exit code 1 if a fault is not noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from recurra.ops import native

ROOT = Path(__file__).parents[2]
FOLDERS = ("csrc", "csrc_baseline", "csrc_avx2", "csrc_avx512")


@dataclass(frozen=True)
class Fault:
    """``old``, which occurs once in ``file``, becomes ``new``."""

    what: str
    file: str
    old: str
    new: str


FAULTS = (
    Fault(
        "two gates swapped",
        "cells.h",
        "s.i = i_open() ? one : sigmoid<T>(ai);",
        "s.i = i_open() ? one : sigmoid<T>(af);",
    ),
    Fault("a lost carry of the cell", "cells.h", "s.c = s.f * before + s.i * s.g;", "s.c = s.i * s.g;"),
    Fault(
        "the peephole of o sees the old cell",
        "cells.h",
        "open_o(peep_o(a[3], s.c, u), u), s.c}",
        "open_o(peep_o(a[3], before, u), u), s.c}",
    ),
    Fault(
        "no gradient through the clip's edge",
        "cells.h",
        "dc = (free < all(-v.cell_clip))",
        "dc = (free < all(v.cell_clip))",
    ),
    Fault("coupled gates forget their minus", "cells.h", "if (coupled()) di -= df;", "if (coupled()) di += df;"),
    Fault(
        "zoneout keeps the new cell",
        "cells.h",
        "c = stay * before + (static_cast<T>(1) - stay) * c;",
        "c = stay * c + (static_cast<T>(1) - stay) * before;",
    ),
    Fault(
        "GRU: z gates the wrong one",
        "cells.h",
        "h[0] = n + z * (h_before[0] - n);",
        "h[0] = h_before[0] + z * (n - h_before[0]);",
    ),
    Fault("GRU: reset forgotten in backward", "cells.h", "da[3] = da[2] * r;", "da[3] = da[2];"),
    Fault("relu passes a gradient at 0", "cells.h", "da[k] = h[k] > V{} ? dh[k] : V{};", "da[k] = dh[k];"),
    Fault(
        "a factor of e^x is half of what it must be",
        "simd.h",
        "0x1.555a6ap-3f",
        "0x1.555a6ap-4f",
    ),
    Fault("a factor under tanh is half of what it must be", "simd.h", "0x1.a9e252p-6f", "0x1.a9e252p-7f"),
    Fault(
        "the last row of a tile is left out",
        "tile.h",
        "body(first, count);\n        first += count;",
        "body(first, groups > 1 || count == 1 ? count : count - 1);\n        first += count;",
    ),
    Fault(
        "the last feature of a product is left out",
        "tile.h",
        "for (; k < count; ++k, panel += kStep) add",
        "for (; k + 1 < count; ++k, panel += kStep) add",
    ),
    Fault(
        "a product forgets the blocks before",
        "tile.h",
        "if (from > 0) read_tile<T, n, m>(acc, sums, kPanel * W);",
        "",
    ),
    Fault(
        "one step too far back in time",
        "forward.h",
        "return f.p_.reverse ? g.length - 1 - step : step;",
        "return f.p_.reverse ? g.length - std::min(2L, g.length) - step + (step > 0) : step;",
    ),
    Fault(
        "a finished row goes on",
        "plan.h",
        "lengths_[begin_[part] + n - 1] <= step) --n;",
        "lengths_[begin_[part] + n - 1] < step) --n;",
    ),
    Fault(
        "the final state of length 0 is not set",
        "forward.h",
        "if (length == 0) store(f.out_.h + b * p.P + at, h, count);",
        "",
    ),
    Fault(
        "padding is not zeroed",
        "forward.h",
        "for (long t = length; t < p.T_; ++t) store(f.out_.y.at(t, b) + at, Vec<T>{}, count);",
        "",
    ),
    Fault(
        "dropout's mask is forgotten in backward",
        "backward.h",
        "dh *= load(mask.at(0, g.b) + at, std::max(0L, std::min(W, f.p_.P - at)));",
        "",
    ),
    Fault(
        "the gradient of the final state is lost",
        "backward.h",
        "f.g_.dh ? load(f.g_.dh + b * p.P + at, count)",
        "false ? load(f.g_.dh + b * p.P + at, count)",
    ),
    Fault(
        "the weights' gradient misses the last rows",
        "tile.h",
        "for (long k = 0; k < count; ++k, a += a_step",
        "for (long k = 0; k < count - 1; ++k, a += a_step",
    ),
    Fault(
        "the weights' gradient takes the first rows of a strip again",
        "backward.h",
        "packed + (strip.before * chunk.rows + begin * strip.vectors) * W",
        "packed + strip.before * chunk.rows * W",
    ),
    Fault(
        "the weights' gradient begins anew with each block of rows",
        "backward.h",
        "anew && begin == 0}",
        "anew}",
    ),
    Fault(
        "the weights' gradient begins with what the memory held",
        "backward.h",
        "anew && begin == 0}",
        "false}",
    ),
    Fault(
        "no gradient: the caller's memory stays as it was",
        "backward.h",
        "if (f.direct_ && anew) std::fill_n(to, width, T(0));",
        "",
    ),
    Fault(
        "one row's sums in turn: one of them is lost",
        "tile.h",
        "for (int s = 1; s < kSums; ++s) {",
        "for (int s = 2; s < kSums; ++s) {",
    ),
    Fault(
        "the last row's final state is not left",
        "forward.h",
        "for (long i = on; i < end; ++i) {",
        "for (long i = on; i < end - 1; ++i) {",
    ),
    Fault(
        "who takes over from another does what that has done already",
        "threads.cpp",
        "loop.run(loop.body, static_cast<long>(last));",
        "loop.run(loop.body, 0);",
    ),
    Fault(
        "the rows that are given away go without their first one",
        "forward.h",
        "walk(from, to, share(stay, group, groups),",
        "walk(from, to, share(stay, group, groups) + (group > 0),",
    ),
    Fault(
        "the weights' gradient lacks the last thread's share",
        "backward.h",
        "other < f.grid_.parts; ++other",
        "other < f.grid_.parts - 1; ++other",
    ),
    Fault(
        "layer norm: U h keeps its mean",
        "forward_parts.h",
        "a[j] += of_h.normalize(from_h)",
        "a[j] += (from_h * of_h.scale)",
    ),
    Fault(
        "projection: its gradient passes zoneout by",
        "backward.h",
        "store(f.dprojected_ + g.place * padded_h + at, dh);",
        "store(f.dprojected_ + g.place * padded_h + at, dh + load(g.dh + at));",
    ),
    Fault(
        "layer norm: no gradient through the variance",
        "normalized.h",
        "(dy - mean_dy - y * mean_dy_y) * moments.scale",
        "(dy - mean_dy) * moments.scale",
    ),
    Fault("full peepholes: o sees the old cell", "cells.h", "return s.c;", "return before;"),
    Fault(
        "full peepholes: their gradient takes the place of the old cell's",
        "backward.h",
        "return store(g.dc + at, load(g.dc + at) + sum);",
        "return store(g.dc + at, sum);",
    ),
    Fault(
        "GRU: z resets in place of r",
        "cells.h",
        "made = r * load(u.seen, u.count);",
        "made = z * load(u.seen, u.count);",
    ),
    Fault("GRU: no reset on the way back to h", "cells.h", "return dmade * r;", "return dmade;"),
    Fault(
        "FGR: the gradient of i comes to nothing",
        "cells.h",
        "if (u.gates) di += load(u.gates), df +=",
        "if (u.gates) df +=",
    ),
    Fault("FGR: the last gates are not returned", "forward_parts.h", "if (g.last) leave_gates(u, g.b);", ""),
    Fault(
        "FGR: the weights' gradient is of the present gates",
        "backward.h",
        "saved_place(step - 1, i, sum_of(operand))",
        "saved_place(step, i, sum_of(operand))",
    ),
    Fault(
        "a single step begins from zero gates",
        "sequence_step.h",
        "p.gates0 = before.gates;",
        "p.gates0 = after.gates;",
    ),
    Fault(
        "all vectors of a group are its first one", "layout.h", "const long at = (v + n) * W;", "const long at = v * W;"
    ),
    Fault(
        "a weight that changed in place is overlooked",
        "bindings.cpp",
        "same(address) && same(version)",
        "same(address) && (++k, true)",
    ),
    Fault(
        "the gradient of x is the second direction's alone",
        "passage.h",
        "sum.at(t, b)[k] += more.at(t, b)[k];",
        "sum.at(t, b)[k] = more.at(t, b)[k];",
    ),
    Fault("what was dropped has a gradient", "passage.h", "if (layer > 0) drop(ends, layer, din, din);", ""),
    Fault(
        "all layers have the first one's masks", "passage.h", "one.masks = ends.masks[k];", "one.masks = ends.masks[0];"
    ),
    Fault(
        "on the way back a panel is missing",
        "tile.h",
        "for (long k = step > 0 ? begin : end - 1, n",
        "for (long k = step > 0 ? begin : end - 2, n",
    ),
    Fault(
        "backward divides the rows by its own threads",
        "backward.h",
        "grid_(saved_grid(gradients.saved))",
        "grid_(choose_grid(problem, layout_.panels, true))",
    ),
    Fault(
        "the gradients of the states of all layers lie in one place",
        "passage.h",
        "const Triple dh = of_layer(ends, dbefore, k);",
        "const Triple dh = dbefore;",
    ),
    Fault("the weights' last bytes are not looked at", "fingerprint.h", "add(rest);", ""),
    Fault(
        "weights may change their places", "fingerprint.h", "sum += lanes, sums += sum;", "sum += lanes, sums += lanes;"
    ),
    Fault(
        "two vectors of bfloat16 weights change places within their words",
        "storage.h",
        "return vector / 2 * 2 * W + column % W * 2 + vector % 2;",
        "return vector / 2 * 2 * W + column % W * 2 + 1 - vector % 2;",
    ),
)


def copy_sources(place: Path) -> None:
    """The kernels once for each instruction set, so that a fault in one makes the compiler do that one again."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / "csrc", place / folder)
    recipe = (ROOT / "CMakeLists.txt").read_text()
    (place / "CMakeLists.txt").write_text(recipe.replace("csrc/kernels.cpp", "csrc_${isa}/kernels.cpp"))


def build(sources: Path, place: Path) -> Path:
    """Compile a copy of the kernels; the folder of the finished package."""
    nanobind = subprocess.run(
        [sys.executable, "-m", "nanobind", "--cmake_dir"], capture_output=True, text=True, check=True
    )
    options = [f"-Dnanobind_DIR={nanobind.stdout.strip()}", f"-DPython_EXECUTABLE={sys.executable}", "-G", "Ninja"]
    quiet = {"capture_output": True, "text": True}
    subprocess.run(["cmake", "-S", sources, "-B", place / "build", *options], check=True, **quiet)
    done = subprocess.run(["cmake", "--build", place / "build"], check=False, **quiet)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:])
    package = place / "package" / "recurra"
    shutil.copytree(ROOT / "src" / "recurra", package, ignore=shutil.ignore_patterns("*.so"), dirs_exist_ok=True)
    for module in (place / "build").glob("_native*.so"):
        shutil.copy(module, package)
    return package.parent


def run_tests(package: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of operators and layers on this package, whichever is installed."""
    code = (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'Scikit' not in type(f).__name__]; "
        f"sys.path.insert(0, {str(package)!r}); import recurra, pytest; "
        f"assert recurra.__file__.startswith({str(package)!r}), recurra.__file__; "
        "sys.exit(pytest.main(['-q', '-x', '-p', 'no:cacheprovider', 'tests/ops', 'tests/nn/test_stream.py', "
        "'tests/nn/test_compressed_steps.py', 'tests/nn/test_compiled_stack.py']))"
    )
    environment = {**os.environ, "RECURRA_ISA": native.isa() or ""}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)


def main() -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        place, sources = Path(folder), Path(folder) / "sources"
        copy_sources(sources)
        sound = run_tests(build(sources, place))
        if sound.returncode:
            raise SystemExit(f"the tests fail without any fault:\n{sound.stdout[-3000:]}")
        for fault in FAULTS:
            whole = (ROOT / "csrc" / fault.file).read_text()
            if whole.count(fault.old) != 1:
                raise SystemExit(f"{fault.what}: {fault.old!r} must occur once in {fault.file}")
            # Of what all instruction sets share, the linker takes any one: the fault must be in each.
            folders = ("csrc", f"csrc_{native.isa()}") if "RECURRA_ISA" in whole else FOLDERS
            paths = [sources / folder / fault.file for folder in folders]
            for path in paths:
                path.write_text(whole.replace(fault.old, fault.new))
            result = run_tests(build(sources, place))
            for path in paths:
                path.write_text(whole)
            noticed = result.returncode == 1
            missed += not noticed
            first = next((line for line in result.stdout.splitlines() if line.startswith("FAILED")), "")
            print(f"{'noticed' if noticed else 'MISSED '}  {fault.what}: {first[:90]}", flush=True)
    print(f"{len(FAULTS)} faults, {missed} missed")
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
