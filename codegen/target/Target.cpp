//===- Target.cpp - What a GPU can do, as tables --------------------------===//
#include "codegen/target/Target.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace tilewright;

static bool is16BitFloat(Type type) { return type.isF16() || type.isBF16(); }

static const MmaRow hopperMma[] = {
    {is16BitFloat, /*rows=*/64, /*columnStep=*/8, /*maxColumns=*/256,
     /*depth=*/16, /*synchronous=*/false, /*flops=*/4096},
};
/// mma.sync.m16n8k16: a warp goes on to as many columns as it has.
static const MmaRow ampereMma[] = {
    {is16BitFloat, /*rows=*/16, /*columnStep=*/8, /*maxColumns=*/1 << 20,
     /*depth=*/16, /*synchronous=*/true, /*flops=*/2048},
};

// Instructions: CUDA C++ Programming Guide, "Throughput of Native Arithmetic
// Instructions", columns 9.0 and 8.0. Tensor cores: 989.5 TFLOP/s dense at 132
// x 1.83 GHz (H100 datasheet; the H200 has the same), 312 at 108 x 1.41 (A100).
// Memory: the datasheets' 4.8 TB/s (H200) and 2.04 TB/s (A100, 80 GB). L2: 5120
// bytes a cycle (A100 whitepaper); NVIDIA gives none for Hopper, where a GEMM
// on an H200 (2026-11-21, 4096^3, tiles of 128 x 128) drew 42 bytes a cycle for
// each multiprocessor: taken are the 64 of its port.
static constexpr Rates h200 = {
    /*multiprocessors=*/132,
    /*clockMHz=*/1980,
    /*fma=*/128,
    /*alu=*/64,
    /*mufu=*/16,
    /*issue=*/4,
    /*sharedBytes=*/128,
    /*cacheBytes=*/64,
    /*memoryBytes=*/4.8e12,
    /*sharedTotal=*/233472};
static constexpr Rates a100 = {
    /*multiprocessors=*/108,
    /*clockMHz=*/1410,
    /*fma=*/64,
    /*alu=*/64,
    /*mufu=*/16,
    /*issue=*/4,
    /*sharedBytes=*/128,
    /*cacheBytes=*/5120.0 / 108,
    /*memoryBytes=*/2.039e12,
    /*sharedTotal=*/167936};

static const Target targets[] = {
    {"sm_90a",
     /*smemBytes=*/232448,
     /*rowBytes=*/32,
     /*copyRankLimit=*/5,
     /*copyBoxLimit=*/256,
     hopperMma,
     /*copyEngine=*/true,
     /*storesMatrices=*/true,
     // A persistent producer of two segments and five grid axes spills at 24.
     {{56, 240}, {40, 232}, {32, 160}, {32, 112}},
     h200},
    {"sm_80",
     /*smemBytes=*/166912,
     /*rowBytes=*/32,
     /*copyRankLimit=*/8,
     /*copyBoxLimit=*/INT64_MAX, ampereMma,
     /*copyEngine=*/false,
     /*storesMatrices=*/false,
     /*registerBudget=*/{}, a100},
};

const Target *tilewright::lookupTarget(StringRef name) {
  for (const Target &target : targets)
    if (target.name == name)
      return &target;
  return nullptr;
}

std::string tilewright::targetNames() {
  return llvm::join(
      llvm::map_range(targets,
                      [](const Target &target) { return target.name.str(); }),
      ", ");
}

const Target *tilewright::targetOf(stage::KernelOp kernel) {
  return lookupTarget(kernel.getTarget().value_or("sm_90a"));
}

const MmaRow *tilewright::findMma(const Target &target, Type element,
                                  int64_t rows, int64_t columns,
                                  int64_t depth) {
  for (const MmaRow &row : target.mma)
    if (row.takes(element) && rows % row.rows == 0 &&
        columns % row.columnStep == 0 && columns <= row.maxColumns &&
        depth % row.depth == 0)
      return &row;
  return nullptr;
}
