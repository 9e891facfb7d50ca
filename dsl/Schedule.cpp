//===- Schedule.cpp - Tunables and the configurations they span -----------===//
#include "dsl/Schedule.h"
#include "codegen/Error.h"
#include "dsl/SharedMembers.h"
#include <functional>
#include <memory>

using namespace tilewright;
using namespace tilewright::dsl;
using dsl::detail::Expression;
using dsl::detail::ScheduleParts;

namespace tilewright::dsl::detail {

/// What a Tune is.
struct Expression : llvm::ThreadSafeRefCountedBase<Expression> {
  using Tunables = std::map<std::string, std::vector<int64_t>>;
  Expression(std::function<int64_t(const Assignment &)> eval, std::string text,
             Tunables tunables = {})
      : eval(std::move(eval)), text(std::move(text)),
        tunables(std::move(tunables)) {}

  std::function<int64_t(const Assignment &)> eval;
  std::string text;
  Tunables tunables;
};
template class Shared<Expression>;

/// What a Schedule says.
struct ScheduleParts : llvm::ThreadSafeRefCountedBase<ScheduleParts> {
  explicit ScheduleParts(Target target) : target(target) {}

  Target target;
  std::vector<std::pair<std::string, Tune>> tiles, depths;
  std::vector<std::string> wholeAxes;
  std::vector<std::pair<Tune, std::string>> requirements;
  Roles roles{0, 1};
  Tune overlaps = 0;
  Tune persists = 0;
  Tune holds = 0;
  std::string lastFirst;
  Tune sections = 0;
  std::string clusterAxis;
  Tune clusterBlocks = 1;
  Tune earlies = 0;
  Tune skips = 0;
};
template class Shared<ScheduleParts>;

} // namespace tilewright::dsl::detail

//===----------------------------------------------------------------------===//
// Tune
//===----------------------------------------------------------------------===//

Tune::Tune(detail::Shared<Expression> expression)
    : contents(std::move(expression)) {}

Tune::Tune(int64_t value)
    : Tune(detail::Shared(
          new Expression([value](const Assignment &) { return value; },
                         std::to_string(value)))) {}

Tune::Tune(std::string name, std::vector<int64_t> values) {
  if (values.empty())
    throw Error({"tunable " + name + " has no values",
                 "at least one value to try", "none", "",
                 "give tune(\"" + name + "\", {...}) a value"});
  contents = detail::Shared(new Expression(
      [name](const Assignment &assignment) { return assignment.at(name); },
      name, {{name, std::move(values)}}));
}

Tune tilewright::dsl::tune(std::string name, std::vector<int64_t> values) {
  return Tune(std::move(name), std::move(values));
}

int64_t Tune::at(const Assignment &assignment) const {
  return contents->eval(assignment);
}
const std::string &Tune::text() const { return contents->text; }
const std::map<std::string, std::vector<int64_t>> &Tune::tunables() const {
  return contents->tunables;
}

/// Where an assignment holds the extent of an axis: no tunable is called so.
static std::string extentKey(const std::string &axis) {
  return "extent(" + axis + ")";
}

Tune tilewright::dsl::extentOf(Axis axis) {
  std::string key = extentKey(axis.name);
  return Tune(detail::Shared(new Expression(
      [key](const Assignment &assignment) {
        auto found = assignment.find(key);
        return found == assignment.end() ? 0 : found->second;
      },
      key)));
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
  // Operands that are themselves sums and the like go in parentheses.
  auto shown = [](const Tune &x) {
    return x.text().find(' ') == std::string::npos ? x.text()
                                                   : "(" + x.text() + ")";
  };
  std::string text = shown(a) + " " + std::string(op) + " " + shown(b);
  auto tunables = a.tunables();
  for (const auto &[name, values] : b.tunables()) {
    auto [at, isNew] = tunables.emplace(name, values);
    if (!isNew && at->second != values)
      throw Error({"two tunables are called " + name, "one set of values",
                   "two, in " + text, "", "rename one of them"});
  }
  return Tune(detail::Shared(new Expression(
      [op, a, b](const Assignment &assignment) {
        return compute(op, a.at(assignment), b.at(assignment));
      },
      std::move(text), std::move(tunables))));
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

Schedule::Schedule(detail::Shared<ScheduleParts> parts)
    : contents(std::move(parts)) {}
Schedule::Schedule(Target target)
    : Schedule(detail::Shared(new ScheduleParts(target))) {}

const Target &Schedule::target() const { return contents->target; }
const std::vector<std::string> &Schedule::wholeNames() const {
  return contents->wholeAxes;
}

Schedule Schedule::tile(Axis axis, Tune extent) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->tiles.emplace_back(axis.name, std::move(extent));
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::holding(detail::AxisSpan axes) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  for (Axis axis : axes)
    parts->wholeAxes.push_back(axis.name);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::stages(Axis axis, Tune depth) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->depths.emplace_back(axis.name, std::move(depth));
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::overlap(Tune on) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->overlaps = std::move(on);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::persistent(Tune on) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->persists = std::move(on);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::registers(Tune on) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->holds = std::move(on);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::descending(Axis axis, Tune section) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->lastFirst = axis.name;
  parts->sections = std::move(section);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::cluster(Axis axis, Tune blocks) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->clusterAxis = axis.name;
  parts->clusterBlocks = std::move(blocks);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::releaseEarly(Tune on) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->earlies = std::move(on);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::skipDead(Tune on) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->skips = std::move(on);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::warpSpecialize(Roles roles) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->roles = std::move(roles);
  return Schedule(detail::Shared(parts.release()));
}
Schedule Schedule::require(Tune condition, std::string why) const {
  auto parts = std::make_unique<ScheduleParts>(*contents);
  parts->requirements.emplace_back(std::move(condition), std::move(why));
  return Schedule(detail::Shared(parts.release()));
}

std::vector<Configuration>
Schedule::configurations(const std::map<std::string, int64_t> &extents) const {
  const ScheduleParts &parts = *contents;
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
  for (const auto &[axis, extent] : parts.tiles)
    gather(extent);
  for (const auto &[axis, depth] : parts.depths)
    gather(depth);
  for (const auto &[condition, why] : parts.requirements)
    gather(condition);
  for (const Tune *expression :
       {&parts.roles.producers, &parts.roles.consumers, &parts.overlaps,
        &parts.persists, &parts.holds, &parts.sections, &parts.clusterBlocks,
        &parts.earlies, &parts.skips})
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
    for (const auto &[axis, extent] : parts.tiles)
      config.tile.emplace_back(axis,
                               value("the tile extent of " + axis, extent, 1));
    for (const auto &[axis, depth] : parts.depths)
      config.stages.emplace_back(
          axis, value("the number of stages of " + axis, depth, 1));
    config.producers =
        value("the number of producers", parts.roles.producers, 0);
    config.consumers =
        value("the number of consumers", parts.roles.consumers, 1);
    config.overlap = parts.overlaps.at(assignment);
    config.persistent = parts.persists.at(assignment);
    config.registers = parts.holds.at(assignment) != 0;
    config.early = parts.earlies.at(assignment) != 0;
    config.skip = parts.skips.at(assignment) != 0;
    config.section =
        value("the number of tiles of a section", parts.sections, 0);
    if (config.section)
      config.descending = parts.lastFirst;
    config.clusterBlocks = parts.clusterBlocks.at(assignment);
    if (config.clusterBlocks != 1)
      config.clusterAxis = parts.clusterAxis;
    if (config.reason.empty() && config.clusterBlocks != 1 &&
        config.clusterBlocks != 2 && config.clusterBlocks != 4)
      config.reason = "the number of blocks of a cluster, " +
                      parts.clusterBlocks.text() + ", is " +
                      std::to_string(config.clusterBlocks) +
                      ": expected 1, 2 or 4";
    for (const auto &[condition, why] : parts.requirements)
      if (config.reason.empty() && !condition.at(assignment))
        config.reason = why + " (" + condition.text() + ")";
    result.push_back(std::move(config));
  }
  return result;
}
