//===- Target.cpp - What a GPU can do, as tables --------------------------===//
#include "codegen/target/Target.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace tilewright;

static bool is16BitFloat(Type type) { return type.isF16() || type.isBF16(); }

static const MmaRow hopperMma[] = {
    {is16BitFloat, /*rows=*/64, /*columnStep=*/8, /*maxColumns=*/256,
     /*depth=*/16, /*synchronous=*/false},
};
/// mma.sync.m16n8k16: a warp goes on to as many columns as it has.
static const MmaRow ampereMma[] = {
    {is16BitFloat, /*rows=*/16, /*columnStep=*/8, /*maxColumns=*/1 << 20,
     /*depth=*/16, /*synchronous=*/true},
};

static const Target targets[] = {
    {"sm_90a",
     /*smemBytes=*/232448,
     /*rowBytes=*/32,
     /*copyRankLimit=*/5,
     hopperMma,
     /*copyEngine=*/true,
     /*storesMatrices=*/true,
     // A persistent producer of two segments and five grid axes spills at 24.
     {{56, 240}, {40, 232}, {32, 160}, {32, 112}}},
    {"sm_80",
     /*smemBytes=*/166912,
     /*rowBytes=*/32,
     /*copyRankLimit=*/8, ampereMma,
     /*copyEngine=*/false,
     /*storesMatrices=*/false,
     /*registerBudget=*/{}},
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
