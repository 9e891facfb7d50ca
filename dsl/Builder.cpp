//===- Builder.cpp - Adds ops of the tile dialect to a kernel -------------===//
#include "dsl/Builder.h"
#include "codegen/Error.h"
#include "dsl/Module.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include <atomic>

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
// State
//===----------------------------------------------------------------------===//

namespace {

/// A parallel or a fold that is being built.
struct Scope {
  uint32_t id;
  Operation *op;
  SmallVector<StringAttr> axes;
};

struct NamedArgument {
  ArgKind kind;
  Type type;
  Handle handle;
};

/// The kernel that a thread is building.
struct State {
  uint32_t id;
  std::shared_ptr<Module> module = std::make_shared<Module>();
  OpBuilder builder{&module->context};
  tile::KernelOp kernel;
  std::vector<Value> values;
  std::vector<Scope> scopes;
  uint32_t scopeCount = 0;
  SmallVector<Attribute> argNames;
  SmallVector<int32_t> argKinds;
  llvm::StringMap<NamedArgument> named;
  /// In a modifier or a mask: the axes of what it is applied to.
  std::optional<SmallVector<StringAttr>> elements;
  bool isInMerge = false;

  Handle add(Value value) {
    values.push_back(value);
    return {id, static_cast<uint32_t>(values.size() - 1)};
  }
};

} // namespace

static thread_local std::unique_ptr<State> current;

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string place(const Site &site) {
  return std::string(site.file_name()) + ":" + std::to_string(site.line()) +
         ":" + std::to_string(site.column());
}

static std::string place(Location location) {
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return file.getFilename().str() + ":" + std::to_string(file.getLine()) +
           ":" + std::to_string(file.getColumn());
  return "";
}

static std::string list(ArrayRef<StringAttr> axes) {
  return "(" +
         llvm::join(llvm::map_range(
                        axes, [](StringAttr axis) { return axis.getValue(); }),
                    ", ") +
         ")";
}

static std::string describe(Type type) {
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

static State &state(const Site &site) {
  if (!current)
    throw Error({"this is used outside of a kernel",
                 "a call inside of the lambda that is given to kernel(...)", "",
                 place(site), "move it into the kernel's lambda"});
  return *current;
}

static Location locate(State &s, const Site &site) {
  return FileLineColLoc::get(&s.module->context, site.file_name(), site.line(),
                             site.column());
}

/// As above; a default-made site stands for the place of `first`.
static Location locate(State &s, const Site &site, Value first) {
  return site.line() ? locate(s, site) : first.getLoc();
}

static SmallVector<StringAttr> axisNames(State &s, AxisSpan axes) {
  return llvm::map_to_vector(axes, [&](const Axis &axis) {
    return s.builder.getStringAttr(axis.name);
  });
}

static ArrayAttr axisAttr(State &s, ArrayRef<StringAttr> axes) {
  return s.builder.getArrayAttr(
      SmallVector<Attribute>(axes.begin(), axes.end()));
}

static Type elementType(State &s, DType type) {
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
static Type tileType(Type element, ArrayRef<StringAttr> axes) {
  return tile::tileOrScalar(
      element, axes, SmallVector<int64_t>(axes.size(), ShapedType::kDynamic));
}

static std::string placeOr(const Site &site, Value value) {
  return site.line() ? place(site) : place(value.getLoc());
}

/// The value behind a handle, which must be visible where ops are now added.
static Value use(State &s, Handle handle, const Site &site) {
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
static size_t depthOf(State &s, ScopeId point, const Site &site) {
  if (point.kernel == s.id)
    for (auto [i, scope] : llvm::enumerate(s.scopes))
      if (scope.id == point.index)
        return i + 1;
  throw Error({"a point is used after the loop that made it has ended",
               "the point of a parallel or a fold that encloses this call", "",
               place(site), "use the point of the enclosing loop"});
}

/// Depth of the scope that binds `axis`, or 0.
static size_t binderOf(State &s, StringAttr axis) {
  for (auto [i, scope] : llvm::enumerate(s.scopes))
    if (llvm::is_contained(scope.axes, axis))
      return i + 1;
  return 0;
}

/// Axes that the point binds.
static SmallVector<StringAttr> boundAt(State &s, size_t depth) {
  SmallVector<StringAttr> axes;
  for (const Scope &scope : ArrayRef(s.scopes).take_front(depth))
    llvm::append_range(axes, scope.axes);
  return axes;
}

/// Checks that an access along `axis` means the same at the point as at the
/// place where the op will stand.
static void checkPosition(State &s, StringAttr axis, bool isInTile,
                          ScopeId point, const Twine &what, const Site &site) {
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

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

Module::Module() { context.loadDialect<tile::TileDialect>(); }

tile::KernelOp Module::kernel() const {
  return *module.get().getOps<tile::KernelOp>().begin();
}

/// Splits "name(a, b)"; names is empty if there are no parentheses.
static std::string parseSignature(StringRef signature,
                                  SmallVectorImpl<StringRef> &names) {
  auto [name, rest] = signature.split('(');
  if (rest.ends_with(")"))
    rest = rest.drop_back();
  rest.split(names, ',', -1, /*KeepEmpty=*/false);
  for (StringRef &argument : names)
    argument = argument.trim();
  return name.trim().str();
}

void dsl::detail::beginKernel(std::string_view signature,
                              std::span<const ArgumentSpec> args,
                              const Site &site) {
  if (current)
    throw Error({"a kernel is begun inside of kernel " + current->module->name,
                 "kernels side by side", "", place(site),
                 "move this kernel(...) out of the other's lambda"});
  static std::atomic<uint32_t> count;
  SmallVector<StringRef> names;
  std::string name = parseSignature(signature, names);
  if (!names.empty() && names.size() != args.size())
    throw Error(
        {"the signature of kernel " + name + " does not name its arguments",
         std::to_string(args.size()) + " names, one for each argument "
                                       "of the lambda",
         std::to_string(names.size()) + " names: " + std::string(signature),
         place(site), "name each argument once, in order"});
  auto made = std::make_unique<State>();
  State &s = *made;
  s.id = ++count;
  s.module->name = name;
  Location loc = locate(s, site);
  s.module->module = ModuleOp::create(loc);
  s.builder.setInsertionPointToEnd(s.module->module->getBody());
  s.kernel = tile::KernelOp::create(
      s.builder, loc, s.builder.getStringAttr(name), s.builder.getArrayAttr({}),
      s.builder.getDenseI32ArrayAttr({}), tile::ScheduleAttr());
  Block &body = s.kernel.getBody().emplaceBlock();
  s.builder.setInsertionPointToEnd(&body);
  for (auto [i, spec] : llvm::enumerate(args)) {
    Type element = elementType(s, spec.type);
    Type type = spec.kind == ArgKind::scalar
                    ? element
                    : tile::TensorType::get(&s.module->context, element,
                                            axisNames(s, spec.axes));
    s.add(body.addArgument(type, loc));
    std::string argName =
        names.empty() ? "arg" + std::to_string(i) : names[i].str();
    if (llvm::is_contained(s.argNames, s.builder.getStringAttr(argName)))
      throw Error({"two arguments of kernel " + name + " are called " + argName,
                   "a name of its own for each argument", "", place(site),
                   "rename one of them"});
    s.argNames.push_back(s.builder.getStringAttr(argName));
    s.argKinds.push_back(static_cast<int32_t>(spec.kind));
  }
  current = std::move(made);
}

Handle dsl::detail::argument(size_t i) {
  return {current->id, static_cast<uint32_t>(i)};
}

Handle dsl::detail::namedArgument(ArgKind kind, const std::string &name,
                                  DType type, AxisSpan axes, const Site &site) {
  State &s = state(site);
  Type argType = elementType(s, type);
  if (kind == ArgKind::table)
    argType =
        tile::TensorType::get(&s.module->context, argType, axisNames(s, axes));
  auto at = s.named.find(name);
  if (at != s.named.end()) {
    if (at->second.kind == kind && at->second.type == argType)
      return at->second.handle;
    throw Error({"two Params or Tables of kernel " + s.module->name +
                     " are called " + name,
                 describe(at->second.type) + ", as where it was first used",
                 describe(argType), place(site), "rename one of them"});
  }
  if (llvm::is_contained(s.argNames, s.builder.getStringAttr(name)))
    throw Error({"a Param or a Table and an argument of kernel " +
                     s.module->name + " are both called " + name,
                 "a name of its own for each", "", place(site),
                 "rename one of them"});
  Location loc = site.line() ? locate(s, site) : s.kernel.getLoc();
  Handle handle = s.add(s.kernel.getBody().front().addArgument(argType, loc));
  s.argNames.push_back(s.builder.getStringAttr(name));
  s.argKinds.push_back(static_cast<int32_t>(kind));
  s.named[name] = {kind, argType, handle};
  return handle;
}

/// Every axis must have an extent that a launch can know: that of an argument.
static void checkExtents(State &s) {
  llvm::SmallDenseSet<StringAttr> known;
  for (Type type : s.kernel.getBody().getArgumentTypes())
    known.insert_range(tile::axesOf(type));
  s.kernel.walk([&](Operation *op) {
    if (auto at = op->getAttrOfType<ArrayAttr>("at"))
      known.insert_range(at.getAsRange<StringAttr>());
    if (auto rename = dyn_cast<tile::RenameOp>(op))
      known.insert_range(rename.getType().getAxes());
  });
  Operation *wrong = nullptr;
  StringAttr unknown;
  auto check = [&](Operation *op, StringAttr axis) {
    if (!wrong && !known.contains(axis)) {
      wrong = op;
      unknown = axis;
    }
  };
  s.kernel.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<tile::ParallelOp, tile::FoldOp>(op))
      for (auto axis :
           op->getAttrOfType<ArrayAttr>("axes").getAsRange<StringAttr>())
        check(op, axis);
    if (auto extent = dyn_cast<tile::ExtentOp>(op))
      check(op, extent.getAxisAttr());
    for (Type type : op->getResultTypes())
      for (StringAttr axis : tile::axesOf(type))
        check(op, axis);
  });
  if (wrong)
    throw Error(
        {"the extent of axis " + unknown.getValue().str() + " is unknown",
         "an axis of a tensor or a Table that kernel " + s.module->name +
             " takes",
         "", place(wrong->getLoc()),
         "use an axis of an argument, or rename<...> one to " +
             unknown.getValue().str()});
}

std::shared_ptr<const Module> dsl::detail::endKernel(const Site &site) {
  State &s = *current;
  s.kernel.setArgNamesAttr(s.builder.getArrayAttr(s.argNames));
  s.kernel.setArgKinds(s.argKinds);
  if (s.kernel.getBody().front().getOps<tile::ParallelOp>().empty())
    throw Error({"kernel " + s.module->name + " has no parallel",
                 "one parallel<...> over the axes of its results", "none",
                 place(site), "wrap the kernel's body in parallel<...>"});
  checkExtents(s);

  std::optional<Error::Parts> failure;
  ScopedDiagnosticHandler handler(
      &s.module->context, [&](Diagnostic &diagnostic) {
        if (!failure) {
          failure = Error::Parts{diagnostic.str(), "", "",
                                 place(diagnostic.getLocation()), ""};
          for (Diagnostic &note : diagnostic.getNotes())
            failure->got += (failure->got.empty() ? "" : "; ") +
                            place(note.getLocation()) + ": " + note.str();
        }
        return success();
      });
  if (failed(verify(*s.module->module)))
    throw Error(failure.value_or(Error::Parts{
        "kernel " + s.module->name + " is invalid", "", "", place(site), ""}));
  std::shared_ptr<const Module> module = std::move(s.module);
  // The builder and the values refer to the module, which lives on.
  current.reset();
  return module;
}

void dsl::detail::abandonKernel() { current.reset(); }

std::string dsl::detail::printModule(const Module &module, bool withLocations) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  OpPrintingFlags flags;
  if (withLocations)
    flags.enableDebugInfo(true, /*prettyForm=*/false);
  module.module.get().print(stream, flags);
  stream << "\n";
  return text;
}

const std::string &dsl::detail::nameOf(const Module &module) {
  return module.name;
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

static void checkLoopAxes(State &s, ArrayRef<StringAttr> axes, StringRef what,
                          const Site &site) {
  for (StringAttr axis : axes)
    if (size_t binder = binderOf(s, axis))
      throw Error({(what + " walks axis " + axis.getValue() +
                    ", which an enclosing loop walks already")
                       .str(),
                   "axes that no enclosing loop walks",
                   list(axes) + " inside of a loop over " +
                       list(s.scopes[binder - 1].axes) + " at " +
                       place(s.scopes[binder - 1].op->getLoc()),
                   place(site),
                   "walk another axis, or rename<...> the tensor's"});
}

ScopeId dsl::detail::beginParallel(AxisSpan axisSpan, const Site &site) {
  State &s = state(site);
  if (!s.scopes.empty() ||
      !s.kernel.getBody().front().getOps<tile::ParallelOp>().empty())
    throw Error({"kernel " + s.module->name + " has a second parallel",
                 "one parallel<...> in a kernel", "", place(site),
                 "name all axes in the one parallel, or write a second "
                 "kernel"});
  SmallVector<StringAttr> axes = axisNames(s, axisSpan);
  auto op = tile::ParallelOp::create(
      s.builder, locate(s, site), axisAttr(s, axes),
      SmallVector<int64_t>(axes.size(), ShapedType::kDynamic));
  Block &body = op.getBody().emplaceBlock();
  s.builder.setInsertionPointToEnd(&body);
  s.scopes.push_back({++s.scopeCount, op, axes});
  return {s.id, s.scopeCount};
}

void dsl::detail::endParallel() {
  State &s = *current;
  s.builder.setInsertionPointAfter(s.scopes.back().op);
  s.scopes.pop_back();
}

ScopeId dsl::detail::beginFold(ScopeId at, AxisSpan axisSpan,
                               std::span<const Handle> inits,
                               const Site &site) {
  State &s = state(site);
  SmallVector<StringAttr> axes = axisNames(s, axisSpan);
  size_t depth = depthOf(s, at, site);
  if (depth != s.scopes.size())
    throw Error({"fold is given a point of an outer loop",
                 "the point of the innermost loop around the fold",
                 "a point that binds " + list(boundAt(s, depth)), place(site),
                 "pass the point of the loop made at " +
                     place(s.scopes.back().op->getLoc())});
  checkLoopAxes(s, axes, "fold", site);
  SmallVector<Value> values;
  for (Handle init : inits)
    values.push_back(use(s, init, site));
  for (Value value : values)
    for (StringAttr axis : tile::axesOf(value.getType()))
      if (llvm::is_contained(axes, axis))
        throw Error({"a fold over axis " + axis.getValue().str() +
                         " starts with a tile over it",
                     "carried values without the axes of the fold",
                     describe(value.getType()), place(site),
                     "reduce the value over " + axis.getValue().str() +
                         ", or store it in the body"});
  auto op = tile::FoldOp::create(
      s.builder, locate(s, site), axisAttr(s, axes),
      SmallVector<int64_t>(axes.size(), ShapedType::kDynamic), values);
  s.builder.setInsertionPointToEnd(&op.getBody().front());
  s.scopes.push_back({++s.scopeCount, op, axes});
  return {s.id, s.scopeCount};
}

Handle dsl::detail::regionArgument(size_t i) {
  return current->add(current->builder.getInsertionBlock()->getArgument(i));
}

void dsl::detail::yieldValues(std::span<const Handle> handles,
                              const Site &site) {
  State &s = state(site);
  SmallVector<Value> values;
  for (Handle handle : handles)
    values.push_back(use(s, handle, site));
  tile::YieldOp::create(s.builder, locate(s, site), values);
  s.elements.reset();
  s.isInMerge = false;
}

/// Axes of the tiles that the body of a fold works on: of the fold itself, of
/// what it carries, and of every value in it that no inner fold binds.
static SmallVector<StringAttr> bodyAxes(tile::FoldOp fold) {
  SmallVector<StringAttr> axes = tile::axisNames(fold.getAxes());
  llvm::SmallDenseSet<StringAttr> inner;
  fold.getBody().walk([&](tile::FoldOp op) {
    inner.insert_range(op.getAxes().getAsRange<StringAttr>());
  });
  auto add = [&](Type type) {
    for (StringAttr axis : tile::axesOf(type))
      if (isa<tile::TileType>(type) && !inner.contains(axis) &&
          !llvm::is_contained(axes, axis))
        axes.push_back(axis);
  };
  for (Value value : fold.getInits())
    add(value.getType());
  fold.getBody().walk([&](Operation *op) {
    for (Type type : op->getOperandTypes())
      add(type);
    for (Type type : op->getResultTypes())
      add(type);
  });
  return axes;
}

void dsl::detail::beginMask(const Site &site) {
  State &s = state(site);
  auto fold = cast<tile::FoldOp>(s.scopes.back().op);
  s.elements = bodyAxes(fold);
  s.builder.setInsertionPointToEnd(&fold.getMask().emplaceBlock());
}

void dsl::detail::beginMerge(const Site &site) {
  State &s = state(site);
  auto fold = cast<tile::FoldOp>(s.scopes.back().op);
  Block &block = fold.getMerge().emplaceBlock();
  for (int set = 0; set < 2; ++set)
    for (Value init : fold.getInits())
      block.addArgument(init.getType(), init.getLoc());
  s.builder.setInsertionPointToEnd(&block);
  s.isInMerge = true;
}

Handle dsl::detail::endFold() {
  State &s = *current;
  auto fold = cast<tile::FoldOp>(s.scopes.back().op);
  s.scopes.pop_back();
  s.builder.setInsertionPointAfter(fold);
  Handle first{s.id, static_cast<uint32_t>(s.values.size())};
  for (Value result : fold.getResults())
    s.add(result);
  return first;
}

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

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

tile::ScheduleAttr
dsl::detail::scheduleAttr(MLIRContext *context,
                          const Configuration &configuration) {
  Builder builder(context);
  auto dictionary =
      [&](const std::vector<std::pair<std::string, int64_t>> &entries) {
        SmallVector<NamedAttribute> attrs;
        for (const auto &[axis, extent] : entries)
          attrs.push_back(
              builder.getNamedAttr(axis, builder.getI64IntegerAttr(extent)));
        return builder.getDictionaryAttr(attrs);
      };
  return tile::ScheduleAttr::get(
      context, dictionary(configuration.tile), configuration.consumers,
      dictionary(configuration.stages), configuration.overlap,
      configuration.persistent);
}
