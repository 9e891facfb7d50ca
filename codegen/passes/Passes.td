//===- Passes.td - Every pass of the compiler, by level -------------------===//
#ifndef TILEWRIGHT_PASSES
#define TILEWRIGHT_PASSES

include "mlir/Pass/PassBase.td"

class TilewrightPass<string flag, string op> : Pass<flag, op> {
  let dependentDialects = ["::tilewright::tile::TileDialect"];
}

#endif
