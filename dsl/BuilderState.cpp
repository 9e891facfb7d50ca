//===- BuilderState.cpp - The kernel that a thread is building ------------===//
#include "dsl/BuilderState.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::dsl::detail;
using tilewright::dsl::Axis;
namespace tile = tilewright::tile;

thread_local std::unique_ptr<State> dsl::detail::current;

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string dsl::detail::place(const Site &site) {
  return std::string(site.file_name()) + ":" + std::to_string(site.line()) +
         ":" + std::to_string(site.column());
}

std::string dsl::detail::place(Location location) {
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return file.getFilename().str() + ":" + std::to_string(file.getLine()) +
           ":" + std::to_string(file.getColumn());
  return "";
}

std::string dsl::detail::list(ArrayRef<StringAttr> axes) {
  return "(" +
         llvm::join(llvm::map_range(
                        axes, [](StringAttr axis) { return axis.getValue(); }),
                    ", ") +
         ")";
}

std::string dsl::detail::describe(Type type) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << tile::elementTypeOf(type);
  if (!tile::axesOf(type).empty())
    stream << " over " << list(tile::axesOf(type));
  return text;
}

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

State &dsl::detail::state(const Site &site) {
  if (!current)
    throw Error({"this is used outside of a kernel",
                 "a call inside of the lambda that is given to kernel(...)", "",
                 place(site), "move it into the kernel's lambda"});
  return *current;
}

Location dsl::detail::locate(State &s, const Site &site) {
  return FileLineColLoc::get(s.context.get(), site.file_name(), site.line(),
                             site.column());
}

/// As above; a default-made site stands for the place of `first`.
Location dsl::detail::locate(State &s, const Site &site, Value first) {
  return site.line() ? locate(s, site) : first.getLoc();
}

SmallVector<StringAttr> dsl::detail::axisNames(State &s, AxisSpan axes) {
  return llvm::map_to_vector(axes, [&](const Axis &axis) {
    return s.builder.getStringAttr(axis.name);
  });
}

ArrayAttr dsl::detail::axisAttr(State &s, ArrayRef<StringAttr> axes) {
  return s.builder.getArrayAttr(
      SmallVector<Attribute>(axes.begin(), axes.end()));
}

Type dsl::detail::elementType(State &s, DType type) {
  switch (type) {
  case DType::f64:
    return s.builder.getF64Type();
  case DType::f32:
    return s.builder.getF32Type();
  case DType::f16:
    return s.builder.getF16Type();
  case DType::bf16:
    return s.builder.getBF16Type();
  case DType::i32:
    return s.builder.getI32Type();
  case DType::i1:
    return s.builder.getI1Type();
  }
  llvm_unreachable("all element types are listed");
}

/// A symbolic tile, or a scalar.
Type dsl::detail::tileType(Type element, ArrayRef<StringAttr> axes) {
  return tile::tileOrScalar(
      element, axes, SmallVector<int64_t>(axes.size(), ShapedType::kDynamic));
}

std::string dsl::detail::placeOr(const Site &site, Value value) {
  return site.line() ? place(site) : place(value.getLoc());
}

/// The value behind a handle, which must be visible where ops are now added.
Value dsl::detail::use(State &s, Handle handle, const Site &site) {
  if (handle.kernel != s.id || handle.index >= s.values.size())
    throw Error({"a tile of another kernel is used",
                 "a tile made in kernel " + s.module->name, "", place(site),
                 "make the tile inside of the lambda of the kernel that uses "
                 "it"});
  Value value = s.values[handle.index];
  if (!value.getParentRegion()->isAncestor(
          s.builder.getInsertionBlock()->getParent()))
    throw Error(
        {"a tile is used outside of the loop that it was made in",
         "a tile made in this loop or around it, or a result of fold",
         describe(value.getType()) + ", made at " + place(value.getLoc()),
         placeOr(site, value),
         "carry the tile out of the fold, or compute it here"});
  return value;
}

/// Number of scopes that enclose, and are, the point's.
size_t dsl::detail::depthOf(State &s, ScopeId point, const Site &site) {
  if (point.kernel == s.id)
    for (auto [i, scope] : llvm::enumerate(s.scopes))
      if (scope.id == point.index)
        return i + 1;
  throw Error({"a point is used after the loop that made it has ended",
               "the point of a parallel or a fold that encloses this call", "",
               place(site), "use the point of the enclosing loop"});
}

/// Depth of the scope that binds `axis`, or 0.
size_t dsl::detail::binderOf(State &s, StringAttr axis) {
  for (auto [i, scope] : llvm::enumerate(s.scopes))
    if (llvm::is_contained(scope.axes, axis))
      return i + 1;
  return 0;
}

/// Axes that the point binds.
SmallVector<StringAttr> dsl::detail::boundAt(State &s, size_t depth) {
  SmallVector<StringAttr> axes;
  for (const Scope &scope : ArrayRef(s.scopes).take_front(depth))
    llvm::append_range(axes, scope.axes);
  return axes;
}

/// Checks that an access along `axis` means the same at the point as at the
/// place where the op will stand.
void dsl::detail::checkPosition(State &s, StringAttr axis, bool isInTile,
                                ScopeId point, const Twine &what,
                                const Site &site) {
  size_t depth = depthOf(s, point, site), binder = binderOf(s, axis);
  std::string name = axis.getValue().str();
  if (binder > depth)
    throw Error({(what + " is given a point that does not bind axis " + name +
                  ", inside of a loop over " + name)
                     .str(),
                 "a point that binds " + name,
                 "a point that binds " + list(boundAt(s, depth)), place(site),
                 "pass the point of the loop over " + name + ", made at " +
                     place(s.scopes[binder - 1].op->getLoc())});
  if (!isInTile && !binder)
    throw Error(
        {(what + " needs a position along axis " + name).str(),
         "axis " + name + " among the axes of the tile, or bound by a loop",
         "a point that binds " + list(boundAt(s, depth)), place(site),
         "name " + name +
             " as an axis of the tile, or walk it with "
             "parallel<...> or fold<...>"});
}
