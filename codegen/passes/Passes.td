//===- Passes.td - Every pass of the compiler, by level -------------------===//
#ifndef TILEWRIGHT_PASSES
#define TILEWRIGHT_PASSES

include "mlir/Pass/PassBase.td"

class TilewrightPass<string flag, string op> : Pass<flag, op> {
  let dependentDialects = ["::tilewright::tile::TileDialect"];
}

//===----------------------------------------------------------------------===//
// Tile
//===----------------------------------------------------------------------===//

def TileBind : TilewrightPass<"tile-bind", "::tilewright::tile::KernelOp"> {
  let summary = "symbolic tile IR to bound tile IR, by the kernel's schedule";
  let options = [
    ListOption<"extents", "extents", "std::string",
      "extent of each axis that is held whole, as d=128,e=64">
  ];
}

#endif
