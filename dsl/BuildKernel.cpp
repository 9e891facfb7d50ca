//===- BuildKernel.cpp - Builds kernels, loops and their regions ----------===//
#include "dsl/BuilderState.h"
#include "mlir/IR/Verifier.h"
#include <atomic>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::dsl::detail;
using tilewright::dsl::Axis;
namespace tile = tilewright::tile;

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

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
                              Span<ArgumentSpec> args, const Site &site) {
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
  s.context->loadDialect<tile::TileDialect>();
  s.module->context = s.context;
  s.id = ++count;
  s.module->name = name;
  Location loc = locate(s, site);
  s.module->owner =
      std::make_shared<OwningOpRef<ModuleOp>>(ModuleOp::create(loc));
  s.builder.setInsertionPointToEnd(s.module->module().getBody());
  s.kernel = tile::KernelOp::create(
      s.builder, loc, s.builder.getStringAttr(name), s.builder.getArrayAttr({}),
      s.builder.getDenseI32ArrayAttr({}), tile::ScheduleAttr());
  Block &body = s.kernel.getBody().emplaceBlock();
  s.builder.setInsertionPointToEnd(&body);
  for (auto [i, spec] : llvm::enumerate(args)) {
    Type element = elementType(s, spec.type);
    Type type = spec.kind == ArgKind::scalar || spec.kind == ArgKind::positive
                    ? element
                    : tile::TensorType::get(s.context.get(), element,
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
        tile::TensorType::get(s.context.get(), argType, axisNames(s, axes));
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

Shared<Module> dsl::detail::endKernel(const Site &site) {
  State &s = *current;
  s.kernel.setArgNamesAttr(s.builder.getArrayAttr(s.argNames));
  s.kernel.setArgKinds(s.argKinds);
  if (s.kernel.getBody().front().getOps<tile::ParallelOp>().empty())
    throw Error({"kernel " + s.module->name + " has no parallel",
                 "one parallel<...> over the axes of its results", "none",
                 place(site), "wrap the kernel's body in parallel<...>"});
  checkExtents(s);

  std::optional<Error::Parts> failure;
  ScopedDiagnosticHandler handler(s.context.get(), [&](Diagnostic &diagnostic) {
    if (!failure) {
      failure = Error::Parts{diagnostic.str(), "", "",
                             place(diagnostic.getLocation()), ""};
      for (Diagnostic &note : diagnostic.getNotes())
        failure->got += (failure->got.empty() ? "" : "; ") +
                        place(note.getLocation()) + ": " + note.str();
    }
    return success();
  });
  if (failed(verify(s.module->module())))
    throw Error(failure.value_or(Error::Parts{
        "kernel " + s.module->name + " is invalid", "", "", place(site), ""}));
  return Shared<Module>(s.module.release());
}

void dsl::detail::abandonKernel() { current.reset(); }

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
                               Span<Handle> inits, const Site &site) {
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

void dsl::detail::yieldValues(Span<Handle> handles, const Site &site) {
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
