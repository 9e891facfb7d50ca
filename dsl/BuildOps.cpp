//===- BuildOps.cpp - Builds accesses to memory and arithmetic ------------===//
#include "dsl/BuilderState.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::dsl::detail;
using tilewright::dsl::Axis;
namespace tile = tilewright::tile;

// The enums of the boundary are those of the dialect.
static_assert(int(Unary::floor) == int(tile::UnaryKind::floor) &&
              int(Unary::logicalNot) == int(tile::UnaryKind::logical_not) &&
              int(Binary::rem) == int(tile::BinaryKind::rem) &&
              int(Binary::logicalXor) == int(tile::BinaryKind::logical_xor) &&
              int(Compare::ge) == int(tile::CompareKind::ge) &&
              int(Reduce::min) == int(tile::ReduceKind::min) &&
              int(ArgKind::table) == int(tile::ArgumentKind::table));

//===----------------------------------------------------------------------===//
// Memory and positions
//===----------------------------------------------------------------------===//

/// Checks the position of an access along each of its axes.
static void checkAccess(State &s, Value tensor, ArrayRef<StringAttr> at,
                        ArrayRef<StringAttr> inTile, ScopeId point,
                        StringRef what, const Site &site) {
  if (s.isInMerge)
    throw Error({(what + " in the merge of a fold").str(),
                 "a merge that combines its arguments only", "", place(site),
                 (what + " outside of the merge").str()});
  std::string tensorName =
      cast<StringAttr>(s.argNames[cast<BlockArgument>(tensor).getArgNumber()])
          .getValue()
          .str();
  for (StringAttr axis : at)
    checkPosition(s, axis, llvm::is_contained(inTile, axis), point,
                  what + " of " + tensorName, site);
}

Handle dsl::detail::load(Handle tensor, AxisSpan at, AxisSpan tileAxes,
                         DType type, ScopeId point, const Site &site) {
  State &s = state(site);
  Value from = use(s, tensor, site);
  SmallVector<StringAttr> names = axisNames(s, at), in = axisNames(s, tileAxes);
  checkAccess(s, from, names, in, point, "load", site);
  return s.add(tile::LoadOp::create(s.builder, locate(s, site),
                                    tileType(elementType(s, type), in), from,
                                    axisAttr(s, names)));
}

Handle dsl::detail::loadElements(Handle tensor, AxisSpan at, DType type,
                                 ScopeId point, const Site &site) {
  State &s = state(site);
  Value from = use(s, tensor, site);
  SmallVector<StringAttr> names = axisNames(s, at), in;
  if (s.elements)
    llvm::copy_if(names, std::back_inserter(in), [&](StringAttr axis) {
      return llvm::is_contained(*s.elements, axis);
    });
  checkAccess(s, from, names, in, point, "an element", site);
  return s.add(tile::LoadOp::create(s.builder, locate(s, site),
                                    tileType(elementType(s, type), in), from,
                                    axisAttr(s, names)));
}

void dsl::detail::store(Handle value, Handle tensor, AxisSpan at, ScopeId point,
                        const Site &site) {
  State &s = state(site);
  Value what = use(s, value, site), to = use(s, tensor, site);
  SmallVector<StringAttr> names = axisNames(s, at);
  checkAccess(s, to, names, tile::axesOf(what.getType()), point, "store", site);
  tile::StoreOp::create(s.builder, locate(s, site), what, to,
                        axisAttr(s, names));
}

void dsl::detail::accumulate(Handle value, Handle tensor, AxisSpan at,
                             ScopeId point, const Site &site) {
  State &s = state(site);
  Value what = use(s, value, site), to = use(s, tensor, site);
  SmallVector<StringAttr> names = axisNames(s, at);
  checkAccess(s, to, names, tile::axesOf(what.getType()), point, "accumulate",
              site);
  tile::AccumulateOp::create(s.builder, locate(s, site), what, to,
                             axisAttr(s, names));
}

Handle dsl::detail::indexTile(const Axis &axis, ScopeId point,
                              const Site &site) {
  State &s = state(site);
  StringAttr name = s.builder.getStringAttr(axis.name);
  checkPosition(s, name, /*isInTile=*/true, point, "index", site);
  return s.add(tile::IndexOp::create(s.builder, locate(s, site),
                                     tileType(s.builder.getI32Type(), {name}),
                                     name));
}

Handle dsl::detail::index(const Axis &axis, ScopeId point, const Site &site) {
  State &s = state(site);
  StringAttr name = s.builder.getStringAttr(axis.name);
  if (s.elements && llvm::is_contained(*s.elements, name))
    return indexTile(axis, point, site);
  if (!binderOf(s, name)) {
    std::string text = name.getValue().str();
    throw Error(
        {(s.elements ? "a modifier names axis " : "a position names axis ") +
             text + ", which is not in scope",
         s.elements ? "an axis of what it is applied to, " + list(*s.elements) +
                          ", or one that a loop binds"
                    : "an axis that a loop binds",
         "loops over " + list(boundAt(s, s.scopes.size())), place(site),
         "apply the modifier where " + text +
             " is walked, or name another axis"});
  }
  checkPosition(s, name, /*isInTile=*/false, point, "a position", site);
  return s.add(tile::IndexOp::create(s.builder, locate(s, site),
                                     s.builder.getI32Type(), name));
}

Handle dsl::detail::extent(const Axis &axis, const Site &site) {
  State &s = state(site);
  return s.add(tile::ExtentOp::create(s.builder, locate(s, site),
                                      s.builder.getI32Type(),
                                      s.builder.getStringAttr(axis.name)));
}

void dsl::detail::beginElements(AxisSpan axes, const Site &site) {
  State &s = state(site);
  if (s.elements)
    throw Error({"a modifier is applied inside of a modifier", "", "",
                 place(site), "call the inner modifier as a function"});
  s.elements = axisNames(s, axes);
}

Handle dsl::detail::endElements(Handle value, const Site &site) {
  State &s = state(site);
  Value result = use(s, value, site);
  SmallVector<StringAttr> axes = std::move(*s.elements);
  s.elements.reset();
  Type wanted = tileType(tile::elementTypeOf(result.getType()), axes);
  if (result.getType() == wanted)
    return value;
  for (StringAttr axis : tile::axesOf(result.getType()))
    if (!llvm::is_contained(axes, axis))
      throw Error({"a modifier gives a value over axis " +
                       axis.getValue().str() +
                       ", which what it is applied to lacks",
                   "axes among " + list(axes), describe(result.getType()),
                   place(site), "use the modifier's own arguments only"});
  return s.add(
      tile::BroadcastOp::create(s.builder, locate(s, site), wanted, result));
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Handle dsl::detail::constant(double value, DType type, AxisSpan axes,
                             const Site &site) {
  State &s = state(site);
  Type element = elementType(s, type);
  TypedAttr attr;
  if (isa<FloatType>(element))
    attr = s.builder.getFloatAttr(element, value);
  else
    attr = s.builder.getIntegerAttr(element, static_cast<int64_t>(value));
  Location loc = site.line() ? locate(s, site) : s.kernel.getLoc();
  return s.add(tile::ConstantOp::create(
      s.builder, loc, tileType(element, axisNames(s, axes)), attr));
}

Handle dsl::detail::unary(Unary kind, Handle x, const Site &site) {
  State &s = state(site);
  Value operand = use(s, x, site);
  return s.add(tile::UnaryOp::create(s.builder, locate(s, site, operand),
                                     static_cast<tile::UnaryKind>(kind),
                                     operand));
}

/// Whether the axes of `type` follow the order of `order`.
static bool isOrdered(ArrayRef<StringAttr> axes, ArrayRef<StringAttr> order) {
  return llvm::is_sorted(axes, [&](StringAttr a, StringAttr b) {
    return llvm::find(order, a) < llvm::find(order, b);
  });
}

Handle dsl::detail::binary(Binary kind, Handle x, Handle y, const Site &site) {
  State &s = state(site);
  Value lhs = use(s, x, site), rhs = use(s, y, site);
  Location loc = locate(s, site, lhs);
  // In a modifier, the axes keep the order of what it is applied to where
  // swapping the operands does that.
  bool commutes =
      kind != Binary::sub && kind != Binary::div && kind != Binary::rem;
  if (s.elements && commutes) {
    Type element = tile::elementTypeOf(lhs.getType());
    Type given = tile::broadcastType(element, {lhs.getType(), rhs.getType()});
    Type swapped = tile::broadcastType(element, {rhs.getType(), lhs.getType()});
    if (!isOrdered(tile::axesOf(given), *s.elements) &&
        isOrdered(tile::axesOf(swapped), *s.elements))
      std::swap(lhs, rhs);
  }
  return s.add(tile::BinaryOp::create(
      s.builder, loc, static_cast<tile::BinaryKind>(kind), lhs, rhs));
}

Handle dsl::detail::compare(Compare kind, Handle x, Handle y,
                            const Site &site) {
  State &s = state(site);
  Value lhs = use(s, x, site), rhs = use(s, y, site);
  return s.add(tile::CompareOp::create(s.builder, locate(s, site, lhs),
                                       static_cast<tile::CompareKind>(kind),
                                       lhs, rhs));
}

Handle dsl::detail::select(Handle condition, Handle x, Handle y,
                           const Site &site) {
  State &s = state(site);
  Value c = use(s, condition, site), a = use(s, x, site), b = use(s, y, site);
  return s.add(tile::SelectOp::create(s.builder, locate(s, site, c), c, a, b));
}

Handle dsl::detail::cast(Handle x, DType type, const Site &site) {
  State &s = state(site);
  Value operand = use(s, x, site);
  return s.add(tile::CastOp::create(
      s.builder, locate(s, site, operand),
      tileType(elementType(s, type), tile::axesOf(operand.getType())),
      operand));
}

Handle dsl::detail::broadcast(Handle x, AxisSpan axes, const Site &site) {
  State &s = state(site);
  Value operand = use(s, x, site);
  Type wanted =
      tileType(tile::elementTypeOf(operand.getType()), axisNames(s, axes));
  if (operand.getType() == wanted)
    return x;
  return s.add(tile::BroadcastOp::create(s.builder, locate(s, site, operand),
                                         wanted, operand));
}

Handle dsl::detail::rename(Handle x, AxisSpan axes, const Site &site) {
  State &s = state(site);
  Value operand = use(s, x, site);
  return s.add(tile::RenameOp::create(
      s.builder, locate(s, site, operand),
      tileType(tile::elementTypeOf(operand.getType()), axisNames(s, axes)),
      operand));
}

Handle dsl::detail::reduce(Reduce kind, Handle x, AxisSpan axes,
                           const Site &site) {
  State &s = state(site);
  Value operand = use(s, x, site);
  SmallVector<StringAttr> names = axisNames(s, axes);
  return s.add(tile::ReduceOp::create(s.builder, locate(s, site, operand),
                                      tile::dropAxes(operand.getType(), names),
                                      static_cast<tile::ReduceKind>(kind),
                                      operand, axisAttr(s, names)));
}

Handle dsl::detail::dot(Handle x, Handle y, const Handle *acc,
                        AxisSpan contracted, const Site &site) {
  State &s = state(site);
  Value lhs = use(s, x, site), rhs = use(s, y, site);
  Value sum = acc ? use(s, *acc, site) : Value();
  SmallVector<StringAttr> names = axisNames(s, contracted);
  Type element = tile::elementTypeOf(lhs.getType());
  if (!element.isF64())
    element = s.builder.getF32Type();
  Type type = tile::dropAxes(
      tile::broadcastType(element, {lhs.getType(), rhs.getType()}), names);
  return s.add(tile::DotOp::create(s.builder, locate(s, site, lhs), type, lhs,
                                   rhs, sum, axisAttr(s, names)));
}
