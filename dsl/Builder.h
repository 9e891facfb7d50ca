//===- Builder.h - From the typed DSL to the tile dialect -------*- C++ -*-===//
//
// The boundary behind which MLIR is. The templates of the DSL check what types
// can tell and then call these plain functions, each of which adds one op to
// the kernel that this thread is building. What types cannot tell (scopes,
// positions) is checked here; every function throws tilewright::Error that
// points at `site`, a place in the user's source.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Schedule.h"
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

// Shown by the library, which is built with hidden symbols.
#pragma GCC visibility push(default)
namespace tilewright::dsl::detail {

/// A default-made site (line 0), of an operator that cannot take one, stands
/// for the place where the first operand was made.
using Site = std::source_location;

/// A value of the kernel under construction.
struct Handle {
  uint32_t kernel = 0;
  uint32_t index = 0;
};

/// A parallel or a fold whose body is being built.
struct ScopeId {
  uint32_t kernel = 0;
  uint32_t index = 0;
};

// The numbers are those of the dialect's enums.
enum class Unary : uint8_t {
  neg,
  abs,
  exp,
  exp2,
  log,
  log2,
  sqrt,
  rsqrt,
  tanh,
  sin,
  cos,
  floor,
  logicalNot
};
enum class Binary : uint8_t {
  add,
  sub,
  mul,
  div,
  max,
  min,
  rem,
  logicalAnd,
  logicalOr,
  logicalXor
};
enum class Compare : uint8_t { eq, ne, lt, le, gt, ge };
enum class Reduce : uint8_t { sum, max, min };

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// A finished kernel; defined in dsl/Module.h, which includes MLIR.
struct Module;
extern template class Shared<Module>;

struct ArgumentSpec {
  ArgKind kind;
  DType type;
  AxisSpan axes;
};

/// Begins a kernel on this thread. `signature` is a name, with the names of
/// the arguments if it goes on in parentheses: "gemm(a, b, c)".
void beginKernel(std::string_view signature, Span<ArgumentSpec> args,
                 const Site &site);
/// Argument `i` of the kernel begun.
Handle argument(size_t i);
/// Ends it, verifies it and gives it away.
Shared<Module> endKernel(const Site &site);
/// Drops the kernel under construction, if any.
void abandonKernel();

/// The argument that a Param or a Table of this name is bound to at launch.
Handle namedArgument(ArgKind kind, const std::string &name, DType type,
                     AxisSpan axes, const Site &site);

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

ScopeId beginParallel(AxisSpan axes, const Site &site);
void endParallel();

/// `at` is the point around the fold.
ScopeId beginFold(ScopeId at, AxisSpan axes, Span<Handle> inits,
                  const Site &site);
/// Carried value `i` of the innermost region of a fold.
Handle regionArgument(size_t i);
void yieldValues(Span<Handle> values, const Site &site);
/// After the body's yield: what follows is the mask, until yieldValues. In it
/// `index` sees the axes of the tiles of the body.
void beginMask(const Site &site);
/// After the body's (and the mask's) yield: what follows is the merge.
void beginMerge(const Site &site);
/// Ends the fold; its results are endFold() .. + the number of inits - 1.
Handle endFold();

//===----------------------------------------------------------------------===//
// Memory and positions
//===----------------------------------------------------------------------===//

/// `at` names one axis for each dimension of the tensor.
Handle load(Handle tensor, AxisSpan at, AxisSpan tile, DType type,
            ScopeId point, const Site &site);
void store(Handle value, Handle tensor, AxisSpan at, ScopeId point,
           const Site &site);
void accumulate(Handle value, Handle tensor, AxisSpan at, ScopeId point,
                const Site &site);
/// As load, but the axes of the tile are those that the modifier under
/// construction works on.
Handle loadElements(Handle tensor, AxisSpan at, DType type, ScopeId point,
                    const Site &site);

/// The position of each element of the current tile along `axis`.
Handle indexTile(const Axis &axis, ScopeId point, const Site &site);
/// In a modifier over `axis`, as indexTile; else the position of the tile.
Handle index(const Axis &axis, ScopeId point, const Site &site);
Handle extent(const Axis &axis, const Site &site);

/// A modifier is applied to a tile over `axes`, until endElements, which gives
/// `value` over all of them.
void beginElements(AxisSpan axes, const Site &site);
Handle endElements(Handle value, const Site &site);

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Handle constant(double value, DType type, AxisSpan axes, const Site &site);
Handle unary(Unary kind, Handle x, const Site &site);
Handle binary(Binary kind, Handle x, Handle y, const Site &site);
Handle compare(Compare kind, Handle x, Handle y, const Site &site);
Handle select(Handle condition, Handle x, Handle y, const Site &site);
Handle cast(Handle x, DType type, const Site &site);
/// Repeats or reorders: the result has `axes`, in this order.
Handle broadcast(Handle x, AxisSpan axes, const Site &site);
Handle rename(Handle x, AxisSpan axes, const Site &site);
Handle reduce(Reduce kind, Handle x, AxisSpan axes, const Site &site);
/// `acc` may be null.
Handle dot(Handle x, Handle y, const Handle *acc, AxisSpan contracted,
           const Site &site);

} // namespace tilewright::dsl::detail
#pragma GCC visibility pop
