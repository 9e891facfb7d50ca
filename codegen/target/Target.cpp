//===- Target.cpp - What a GPU can do, as tables --------------------------===//
#include "codegen/target/Target.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace tilewright;

static bool is16BitFloat(Type type) { return type.isF16() || type.isBF16(); }

static const MmaRow hopperMma[] = {
    {is16BitFloat, /*rows=*/64, /*columnStep=*/8, /*maxColumns=*/256,
     /*depth=*/16},
};

static const Target targets[] = {
    {"sm_90a",
     /*smemBytes=*/232448,
     /*rowBytes=*/32,
     /*copyRankLimit=*/5,
     hopperMma,
     // A persistent producer of two segments and five grid axes spills at 24.
     {{56, 240}, {40, 232}, {32, 160}, {32, 112}}},
};

const Target *tilewright::lookupTarget(StringRef name) {
  for (const Target &target : targets)
    if (target.name == name)
      return &target;
  return nullptr;
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
