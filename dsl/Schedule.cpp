//===- Schedule.cpp - Tunables and the configurations they span -----------===//
#include "dsl/Schedule.h"
#include "codegen/Error.h"
#include <algorithm>

using namespace tilewright;
using namespace tilewright::dsl;

//===----------------------------------------------------------------------===//
// Tune
//===----------------------------------------------------------------------===//

Tune::Tune(int64_t value)
    : eval([value](const Assignment &) { return value; }),
      shown(std::to_string(value)) {}

Tune::Tune(std::string name, std::vector<int64_t> values) : shown(name) {
  if (values.empty())
    throw Error({"tunable " + name + " has no values",
                 "at least one value to try", "none", "",
                 "give tune(\"" + name + "\", {...}) a value"});
  eval = [name](const Assignment &assignment) { return assignment.at(name); };
  uses.emplace(std::move(name), std::move(values));
}

/// Where an assignment holds the extent of an axis: no tunable is called so.
static std::string extentKey(const std::string &axis) {
  return "extent(" + axis + ")";
}

Tune tilewright::dsl::extentOf(Axis axis) {
  Tune result;
  result.shown = extentKey(axis.name);
  result.eval = [key = result.shown](const Assignment &assignment) {
    auto found = assignment.find(key);
    return found == assignment.end() ? 0 : found->second;
  };
  return result;
}

static int64_t compute(std::string_view op, int64_t a, int64_t b) {
  switch (op[0]) {
  case '+':
    return a + b;
  case '-':
    return a - b;
  case '*':
    return a * b;
  case '/':
    return b ? a / b : 0;
  case '%':
    return b ? a % b : 0;
  case '<':
    return op.size() == 1 ? a < b : a <= b;
  case '>':
    return op.size() == 1 ? a > b : a >= b;
  case '=':
    return a == b;
  case '!':
    return a != b;
  case '&':
    return a && b;
  default:
    return a || b;
  }
}

Tune Tune::combine(std::string_view op, const Tune &a, const Tune &b) {
  Tune result;
  result.eval = [op, a = a.eval, b = b.eval](const Assignment &assignment) {
    return compute(op, a(assignment), b(assignment));
  };
  // Operands that are themselves sums and the like go in parentheses.
  auto shown = [](const Tune &x) {
    return x.shown.find(' ') == std::string::npos ? x.shown
                                                  : "(" + x.shown + ")";
  };
  result.shown = shown(a) + " " + std::string(op) + " " + shown(b);
  result.uses = a.uses;
  for (const auto &[name, values] : b.uses) {
    auto [at, isNew] = result.uses.emplace(name, values);
    if (!isNew && at->second != values)
      throw Error({"two tunables are called " + name, "one set of values",
                   "two, in " + result.shown, "", "rename one of them"});
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

std::string Configuration::label() const {
  std::string text;
  for (const auto &[name, value] : tunables)
    text += (text.empty() ? "" : ", ") + name + " = " + std::to_string(value);
  return text;
}

Schedule Schedule::tile(Axis axis, Tune extent) const {
  Schedule result = *this;
  result.tiles.emplace_back(axis.name, std::move(extent));
  return result;
}
Schedule Schedule::stages(Axis axis, Tune depth) const {
  Schedule result = *this;
  result.depths.emplace_back(axis.name, std::move(depth));
  return result;
}
Schedule Schedule::overlap(Tune on) const {
  Schedule result = *this;
  result.overlaps = std::move(on);
  return result;
}
Schedule Schedule::persistent(Tune on) const {
  Schedule result = *this;
  result.persists = std::move(on);
  return result;
}
Schedule Schedule::registers(Tune on) const {
  Schedule result = *this;
  result.holds = std::move(on);
  return result;
}
Schedule Schedule::descending(Axis axis, Tune section) const {
  Schedule result = *this;
  result.lastFirst = axis.name;
  result.sections = std::move(section);
  return result;
}
Schedule Schedule::warpSpecialize(Roles given) const {
  Schedule result = *this;
  result.roles = std::move(given);
  return result;
}
Schedule Schedule::require(Tune condition, std::string why) const {
  Schedule result = *this;
  result.requirements.emplace_back(std::move(condition), std::move(why));
  return result;
}

std::vector<Configuration>
Schedule::configurations(const std::map<std::string, int64_t> &extents) const {
  std::map<std::string, std::vector<int64_t>> tunables;
  auto gather = [&](const Tune &expression) {
    for (const auto &[name, values] : expression.tunables()) {
      auto [at, isNew] = tunables.emplace(name, values);
      if (!isNew && at->second != values)
        throw Error({"two tunables of a schedule are called " + name,
                     "one set of values",
                     "two, the second in " + expression.text(), "",
                     "rename one of them"});
    }
  };
  for (const auto &[axis, extent] : tiles)
    gather(extent);
  for (const auto &[axis, depth] : depths)
    gather(depth);
  for (const auto &[condition, why] : requirements)
    gather(condition);
  for (const Tune *expression : {&roles.producers, &roles.consumers, &overlaps,
                                 &persists, &holds, &sections})
    gather(*expression);

  std::vector<Assignment> assignments(1);
  for (const auto &[name, values] : tunables) {
    std::vector<Assignment> longer;
    for (const Assignment &assignment : assignments)
      for (int64_t value : values) {
        longer.push_back(assignment);
        longer.back()[name] = value;
      }
    assignments = std::move(longer);
  }

  std::vector<Configuration> result;
  for (Assignment &assignment : assignments) {
    Configuration config;
    config.tunables = assignment;
    for (const auto &[axis, extent] : extents)
      assignment[extentKey(axis)] = extent;
    auto value = [&](const std::string &what, const Tune &expression,
                     int64_t least) {
      int64_t number = expression.at(assignment);
      if (number < least && config.reason.empty())
        config.reason = what + ", " + expression.text() + ", is " +
                        std::to_string(number) + ": expected at least " +
                        std::to_string(least);
      return number;
    };
    for (const auto &[axis, extent] : tiles)
      config.tile.emplace_back(axis,
                               value("the tile extent of " + axis, extent, 1));
    for (const auto &[axis, depth] : depths)
      config.stages.emplace_back(
          axis, value("the number of stages of " + axis, depth, 1));
    config.producers = value("the number of producers", roles.producers, 0);
    config.consumers = value("the number of consumers", roles.consumers, 1);
    config.overlap = overlaps.at(assignment) != 0;
    config.persistent = persists.at(assignment) != 0;
    config.registers = holds.at(assignment) != 0;
    config.section = value("the number of tiles of a section", sections, 0);
    if (config.section)
      config.descending = lastFirst;
    for (const auto &[condition, why] : requirements)
      if (config.reason.empty() && !condition.at(assignment))
        config.reason = why + " (" + condition.text() + ")";
    result.push_back(std::move(config));
  }
  return result;
}
