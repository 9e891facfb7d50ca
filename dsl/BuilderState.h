//===- BuilderState.h - The kernel that a thread is building ----*- C++ -*-===//
//
// Shared by the files that implement dsl/Builder.h: the state of the kernel
// under construction, and the checks that every function makes.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/Error.h"
#include "dsl/Builder.h"
#include "dsl/Module.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

namespace tilewright::dsl::detail {

/// A parallel or a fold that is being built.
struct Scope {
  uint32_t id;
  mlir::Operation *op;
  llvm::SmallVector<mlir::StringAttr> axes;
};

/// What a Param or a Table became.
struct BoundName {
  ArgKind kind;
  mlir::Type type;
  Handle handle;
};

struct State {
  uint32_t id;
  std::shared_ptr<mlir::MLIRContext> context =
      std::make_shared<mlir::MLIRContext>();
  std::unique_ptr<Module> module = std::make_unique<Module>();
  mlir::OpBuilder builder{context.get()};
  tile::KernelOp kernel;
  std::vector<mlir::Value> values;
  std::vector<Scope> scopes;
  uint32_t scopeCount = 0;
  llvm::SmallVector<mlir::Attribute> argNames;
  llvm::SmallVector<int32_t> argKinds;
  llvm::StringMap<BoundName> named;
  /// In a modifier or a mask: the axes of what it is applied to.
  std::optional<llvm::SmallVector<mlir::StringAttr>> elements;
  bool isInMerge = false;

  Handle add(mlir::Value value) {
    values.push_back(value);
    return {id, static_cast<uint32_t>(values.size() - 1)};
  }
};

/// Null if this thread builds no kernel.
extern thread_local std::unique_ptr<State> current;
/// As above, or an error that points at `site`.
State &state(const Site &site);

//===----------------------------------------------------------------------===//
// Text and places
//===----------------------------------------------------------------------===//

/// "file:line:column", empty if unknown.
std::string place(const Site &site);
std::string place(mlir::Location location);
/// The site, or where the value was made if the site is default-made.
std::string placeOr(const Site &site, mlir::Value value);
/// "(b, m)"
std::string list(llvm::ArrayRef<mlir::StringAttr> axes);
/// "f32 over (m, n)"
std::string describe(mlir::Type type);

mlir::Location locate(State &s, const Site &site);
/// As above; a default-made site stands for the place of `first`.
mlir::Location locate(State &s, const Site &site, mlir::Value first);

//===----------------------------------------------------------------------===//
// Names and types
//===----------------------------------------------------------------------===//

llvm::SmallVector<mlir::StringAttr> axisNames(State &s, AxisSpan axes);
mlir::ArrayAttr axisAttr(State &s, llvm::ArrayRef<mlir::StringAttr> axes);
mlir::Type elementType(State &s, DType type);
/// A symbolic tile, or a scalar.
mlir::Type tileType(mlir::Type element, llvm::ArrayRef<mlir::StringAttr> axes);

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// The value behind a handle, which must be visible where ops are now added.
mlir::Value use(State &s, Handle handle, const Site &site);
/// Number of scopes that enclose, and are, the point's.
size_t depthOf(State &s, ScopeId point, const Site &site);
/// Depth of the scope that binds `axis`, or 0.
size_t binderOf(State &s, mlir::StringAttr axis);
/// Axes that the outermost `depth` scopes bind.
llvm::SmallVector<mlir::StringAttr> boundAt(State &s, size_t depth);
/// Checks that an access along `axis` means the same at the point as at the
/// place where the op will stand.
void checkPosition(State &s, mlir::StringAttr axis, bool isInTile,
                   ScopeId point, const llvm::Twine &what, const Site &site);

} // namespace tilewright::dsl::detail
