//===- TileDialect.h - The tile dialect in C++ ------------------*- C++ -*-===//
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "codegen/dialect/TileDialect.h.inc"
#include "codegen/dialect/TileEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "codegen/dialect/TileTypes.h.inc"
#define GET_ATTRDEF_CLASSES
#include "codegen/dialect/TileAttrs.h.inc"

namespace tilewright::tile {

class ParallelOp;
class YieldOp;

/// Element type of a tile, or the scalar type itself.
mlir::Type elementTypeOf(mlir::Type type);
/// Axes of a tile or a tensor; none for a scalar.
llvm::ArrayRef<mlir::StringAttr> axesOf(mlir::Type type);
/// Extent of `axis` in a tile; kDynamic if the type lacks it or is symbolic.
int64_t extentOf(mlir::Type type, mlir::StringAttr axis);
bool hasAxis(mlir::Type type, mlir::StringAttr axis);
/// A tile, or the element type itself where there are no axes.
mlir::Type tileOrScalar(mlir::Type elementType,
                        llvm::ArrayRef<mlir::StringAttr> axes,
                        llvm::ArrayRef<int64_t> extents,
                        mlir::Attribute layout = {});
/// The type that element-wise ops give: union of the axes of `types` in order
/// of appearance. The layout is that of the first type that has all axes.
/// Null if two types disagree on an extent.
mlir::Type broadcastType(mlir::Type elementType, mlir::TypeRange types);
/// The axes and extents without `axes`.
mlir::Type dropAxes(mlir::Type type, llvm::ArrayRef<mlir::StringAttr> axes);
/// Same elements, axes (in order) and extents; layouts may differ.
bool sameUpToLayout(mlir::Type a, mlir::Type b);
/// As ArrayAttr::getAsRange<StringAttr>, in a vector.
llvm::SmallVector<mlir::StringAttr> axisNames(mlir::ArrayAttr axes);
/// The parallel or fold around `op` that binds `axis`; null if the axis is held
/// whole there.
mlir::Operation *findBinder(mlir::Operation *op, mlir::StringAttr axis);
/// The op in whose scope the type of `value` is to be read: the loops around
/// that op bind its axes. Carried values live outside their fold.
mlir::Operation *scopeOf(mlir::Value value);

} // namespace tilewright::tile

#define GET_OP_CLASSES
#include "codegen/dialect/TileOps.h.inc"
