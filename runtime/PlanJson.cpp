//===- PlanJson.cpp - Launch plans as JSON ----------------------*- C++ -*-===//
#include "runtime/PlanJson.h"
#include "runtime/Arguments.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"

using namespace llvm;

namespace tilewright {
namespace {

// The names of enumerators, in their order.
constexpr StringLiteral argKinds[] = {"in",    "out",   "inout",   "scalar",
                                      "param", "table", "positive"};
constexpr StringLiteral parameterKinds[] = {"tensorMap", "pointer", "stride",
                                            "extent",    "scalar",  "scratch",
                                            "workspace"};
constexpr StringLiteral types[] = {"f32", "f16", "bf16", "f64", "i32", "i1"};

template <class T>
bool readName(const json::Value &value, ArrayRef<StringLiteral> names, T &to,
              json::Path path) {
  if (std::optional<StringRef> text = value.getAsString())
    if (auto found = find(names, *text); found != names.end()) {
      to = T(found - names.begin());
      return true;
    }
  path.report("expected one of the known names");
  return false;
}

} // namespace

static bool fromJSON(const json::Value &value, ArgKind &to, json::Path path) {
  return readName(value, argKinds, to, path);
}
static bool fromJSON(const json::Value &value, DType &to, json::Path path) {
  return readName(value, types, to, path);
}
static bool fromJSON(const json::Value &value, Parameter::Kind &to,
                     json::Path path) {
  return readName(value, parameterKinds, to, path);
}

static bool fromJSON(const json::Value &value, Argument &to, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("name", to.name) && map.map("kind", to.kind) &&
         map.map("type", to.type) && map.map("axes", to.axes);
}

static bool fromJSON(const json::Value &value, FixedExtent &to,
                     json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("axis", to.axis) && map.map("extent", to.extent);
}

static bool fromJSON(const json::Value &value, GridAxis &to, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("axis", to.axis) && map.map("tile", to.tile) &&
         map.mapOptional("multiple", to.multiple);
}

static bool fromJSON(const json::Value &value, TensorMapSpec &to,
                     json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("dims", to.dims) && map.map("box", to.box) &&
         map.map("swizzleBytes", to.swizzleBytes) &&
         map.mapOptional("replaceable", to.replaceable);
}

static bool fromJSON(const json::Value &value, Parameter &to, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("kind", to.kind) && map.mapOptional("arg", to.arg) &&
         map.mapOptional("dim", to.dim) && map.mapOptional("axis", to.axis) &&
         map.mapOptional("map", to.map) &&
         map.mapOptional("scratchBytes", to.scratchBytes) &&
         map.mapOptional("alignBytes", to.alignBytes);
}

static bool fromJSON(const json::Value &value, Workspace &to, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("records", to.records) && map.map("walked", to.walked);
}

static bool fromJSON(const json::Value &value, LaunchPlan &to,
                     json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("entry", to.entry) && map.map("target", to.target) &&
         map.map("args", to.args) && map.map("fixed", to.fixed) &&
         map.map("params", to.params) && map.map("grid", to.grid) &&
         map.mapOptional("workspaces", to.workspaces) &&
         map.map("persistent", to.persistent) &&
         map.mapOptional("maySpill", to.maySpill) &&
         map.map("blocksPerSm", to.blocksPerSm) &&
         map.map("threads", to.threads) && map.map("smemBytes", to.smemBytes) &&
         map.map("cluster", to.cluster);
}

static json::Value toJSON(const Argument &argument) {
  return json::Object{{"name", argument.name},
                      {"kind", argKinds[size_t(argument.kind)]},
                      {"type", types[size_t(argument.type)]},
                      {"axes", argument.axes}};
}

static json::Value toJSON(const FixedExtent &fixed) {
  return json::Object{{"axis", fixed.axis}, {"extent", fixed.extent}};
}

static json::Value toJSON(const GridAxis &axis) {
  return json::Object{
      {"axis", axis.axis}, {"tile", axis.tile}, {"multiple", axis.multiple}};
}

static json::Value toJSON(const Workspace &workspace) {
  return json::Object{{"records", workspace.records},
                      {"walked", toJSON(workspace.walked)}};
}

static json::Value toJSON(const Parameter &parameter) {
  json::Object object{{"kind", parameterKinds[size_t(parameter.kind)]}};
  switch (parameter.kind) {
  case Parameter::Kind::tensorMap:
    object["map"] = json::Object{{"dims", parameter.map.dims},
                                 {"box", parameter.map.box},
                                 {"swizzleBytes", parameter.map.swizzleBytes},
                                 {"replaceable", parameter.map.replaceable}};
    break;
  case Parameter::Kind::pointer:
    object["alignBytes"] = parameter.alignBytes;
    break;
  case Parameter::Kind::stride:
    object["dim"] = parameter.dim;
    break;
  case Parameter::Kind::extent:
    object["axis"] = parameter.axis;
    break;
  case Parameter::Kind::scratch:
    object["scratchBytes"] = parameter.scratchBytes;
    break;
  case Parameter::Kind::scalar:
  case Parameter::Kind::workspace:
    break;
  }
  if (parameter.arg >= 0)
    object["arg"] = parameter.arg;
  return object;
}

json::Value toJson(const LaunchPlan &plan) {
  return json::Object{{"entry", plan.entry},
                      {"target", plan.target},
                      {"args", plan.args},
                      {"fixed", plan.fixed},
                      {"params", plan.params},
                      {"grid", plan.grid},
                      {"workspaces", plan.workspaces},
                      {"persistent", plan.persistent},
                      {"maySpill", plan.maySpill},
                      {"blocksPerSm", plan.blocksPerSm},
                      {"threads", plan.threads},
                      {"smemBytes", plan.smemBytes},
                      {"cluster", plan.cluster}};
}

Expected<LaunchPlan> planFromJson(const json::Value &value) {
  LaunchPlan plan;
  json::Path::Root root("launch plan");
  if (!fromJSON(value, plan, root))
    return root.getError();
  return plan;
}

} // namespace tilewright
