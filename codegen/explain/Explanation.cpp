//===- Explanation.cpp - The report as text and as JSON -------------------===//
#include "codegen/explain/Explanation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace tilewright;

StringRef tilewright::nameOf(Unit unit) {
  static constexpr StringLiteral names[] = {"MMA",   "MUFU",   "FMA", "ALU",
                                            "issue", "shared", "L2",  "HBM"};
  return names[int(unit)];
}

void Work::add(const Work &other, double times) {
  for (int unit = 0; unit < unitCount; ++unit)
    cycles[unit] += other.cycles[unit] * times;
  flops += other.flops * times;
  loaded += other.loaded * times;
  stored += other.stored * times;
}

Unit Work::bound() const {
  return Unit(std::max_element(cycles, cycles + unitCount) - cycles);
}

double Work::serial() const {
  double sum = 0;
  for (Unit unit : {Unit::mma, Unit::mufu, Unit::fma, Unit::alu, Unit::shared})
    sum += (*this)[unit];
  return sum + std::max((*this)[Unit::cache], (*this)[Unit::memory]);
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

/// Some digits of a number, whatever its size.
static std::string brief(double value) {
  if (value == 0)
    return "-";
  if (value < 10)
    return formatv("{0:f1}", value);
  return formatv("{0:f0}", value);
}

static std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto i = int(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(size_t(i), ",");
  return digits;
}

static void printCycles(const Work &work, int units, raw_ostream &os) {
  for (int unit = 0; unit < units; ++unit)
    os << formatv("{0,8}", brief(work.cycles[unit]));
}

static void printShared(const Explanation &e, raw_ostream &os) {
  os << formatv("shared memory: {0} of {1} bytes", grouped(e.sharedBytes),
                grouped(e.sharedLimit));
  if (e.blocksByShared)
    os << formatv(", room for {0} block{1} on a multiprocessor",
                  e.blocksByShared, e.blocksByShared == 1 ? "" : "s");
  os << "\n";
  int64_t rest = e.sharedBytes;
  for (const Explanation::Buffer &buffer : e.buffers) {
    os << formatv("  {0,-12}{1,10} bytes  {2} x {3,-32} {4}\n", buffer.name,
                  grouped(buffer.bytes), buffer.stages, buffer.type,
                  buffer.where);
    rest -= buffer.bytes;
  }
  if (rest > 0)
    os << formatv("  {0,-12}{1,10} bytes  barriers, scratch, alignment\n", "",
                  grouped(rest));
}

static void printRegisters(const Explanation &e, raw_ostream &os) {
  os << "registers of a thread\n";
  for (const Explanation::Role &role : e.roles) {
    os << formatv("  {0,-12}{1} warps, ", role.name, role.warps);
    if (role.budget)
      os << formatv("budget {0}, ", role.budget);
    os << formatv("{0} of tiles at most", role.live);
    for (size_t i = 0; i < std::min<size_t>(role.values.size(), 6); ++i)
      os << (i ? ", " : ": ") << role.values[i].second << " "
         << role.values[i].first;
    os << "\n";
  }
}

static void printScopes(const Explanation &e, raw_ostream &os) {
  constexpr int units = int(Unit::memory); // known of a whole launch only
  os << formatv("\n{0,-40}", "cycles of a multiprocessor, a turn");
  for (int unit = 0; unit < units; ++unit)
    os << formatv("{0,8}", nameOf(Unit(unit)));
  os << formatv("  {0,-8}{1}\n", "bound",
                e.prediction ? "turns a tile" : "source");
  for (const Explanation::Scope &scope : e.scopes) {
    std::string what =
        std::string(size_t(2 * scope.depth), ' ') +
        (scope.depth ? scope.what
                     : e.roles[scope.role].name + ", " + scope.what);
    os << formatv("{0,-40}", what);
    printCycles(scope.work, units, os);
    bool idle = scope.work.cycles[int(scope.work.bound())] == 0;
    os << formatv("  {0,-8}", idle ? "-" : nameOf(scope.work.bound()));
    if (e.prediction) {
      double mean = scope.turns / e.prediction->tiles;
      os << brief(mean);
      if (scope.fewest != scope.most)
        os << " (" << brief(scope.fewest) << " to " << brief(scope.most) << ")";
      if (scope.assumed)
        os << ", assumed: it depends on data or on a parameter";
    } else {
      os << scope.where;
    }
    os << "\n";
  }
}

static std::string speed(double flops, double bytes, double us) {
  return flops > 0 ? formatv("{0:f1} TFLOP/s, {1:f0} GB/s", flops / us * 1e-6,
                             bytes / us * 1e-3)
                         .str()
                   : formatv("{0:f0} GB/s", bytes / us * 1e-3).str();
}

static void printPrediction(const Explanation &e, raw_ostream &os) {
  if (!e.prediction) {
    if (!e.missing.empty())
      os << "\nfor totals, give the extents of " << join(e.missing, ", ")
         << " too\n";
    return;
  }
  const Explanation::Prediction &p = *e.prediction;
  os << "\nat ";
  ListSeparator comma;
  for (const auto &[axis, extent] : p.extents)
    os << comma << axis << " = " << extent;
  os << formatv(": {0:f0} tiles, {1:f2} waves of {2} multiprocessors\n",
                p.tiles, p.tiles / double(e.multiprocessors),
                e.multiprocessors);
  os << formatv("  products {0:f3} TFLOP, from global memory {1:f1} MB and to "
                "it {2:f1} MB, tensors {3:f1} MB\n",
                p.total.flops * 1e-12, p.total.loaded * 1e-6,
                p.total.stored * 1e-6, p.tensorBytes * 1e-6);
  os << "  cycles of the busiest multiprocessor:";
  for (int unit = 0; unit < unitCount; ++unit)
    os << formatv("{0} {1} {2}", unit ? "," : "", nameOf(Unit(unit)),
                  brief(p.busiest.cycles[unit]));
  double us = p.us(e.clockMHz);
  os << formatv("\n  bound by {0}: at best {1:f1} us at {2:f0} MHz, {3}\n",
                nameOf(p.busiest.bound()), us, e.clockMHz,
                speed(p.total.flops, p.tensorBytes, us));
  os << formatv("  if no unit worked beside another: {0:f1} us\n",
                p.busiest.serial() / e.clockMHz);
  if (!e.measurement)
    return;
  const Explanation::Measurement &m = *e.measurement;
  double clock = m.clockMHz > 0 ? m.clockMHz : e.clockMHz;
  os << formatv("  measured: {0:f1} us at {1:f0} MHz, {2:f0} cycles, {3}\n",
                m.us, clock, m.us * clock,
                speed(p.total.flops, p.tensorBytes, m.us));
  os << formatv("  measured / best: {0:f2} in cycles, {1:f2} in time\n",
                m.us * clock / p.cycles(), m.us / us);
}

void tilewright::print(const Explanation &e, raw_ostream &os) {
  os << e.kernel << " for " << e.target << ", tile [";
  ListSeparator comma;
  for (const GridAxis &axis : e.grid)
    os << comma << axis.axis << " = " << axis.tile;
  os << formatv("], {0} threads{1}", e.threads,
                e.persistent ? ", persistent" : "");
  for (const GridAxis &axis : e.grid)
    if (axis.multiple > 1)
      os << formatv(", clusters of {0} along {1}", axis.multiple, axis.axis);
  os << "\n\n";
  printShared(e, os);
  printRegisters(e, os);
  printScopes(e, os);
  printPrediction(e, os);
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static json::Object cyclesJson(const Work &work) {
  json::Object object;
  for (int unit = 0; unit < unitCount; ++unit)
    object[nameOf(Unit(unit)).lower()] = work.cycles[unit];
  return object;
}

json::Value tilewright::toJson(const Explanation &e) {
  json::Object grid;
  int64_t blocksOfCluster = 1;
  for (const GridAxis &axis : e.grid) {
    grid[axis.axis] = axis.tile;
    blocksOfCluster *= axis.multiple;
  }
  json::Array buffers, roles, scopes;
  for (const Explanation::Buffer &buffer : e.buffers)
    buffers.push_back(json::Object{{"name", buffer.name},
                                   {"type", buffer.type},
                                   {"bytes", buffer.bytes},
                                   {"stages", buffer.stages},
                                   {"source", buffer.where}});
  for (const Explanation::Role &role : e.roles) {
    json::Array values;
    for (const auto &[type, registers] : role.values)
      values.push_back(json::Object{{"type", type}, {"registers", registers}});
    roles.push_back(json::Object{{"name", role.name},
                                 {"warps", role.warps},
                                 {"register_budget", role.budget},
                                 {"registers_of_tiles", role.live},
                                 {"values", std::move(values)}});
  }
  for (const Explanation::Scope &scope : e.scopes) {
    json::Object object{{"role", e.roles[scope.role].name},
                        {"depth", scope.depth},
                        {"what", scope.what},
                        {"source", scope.where},
                        {"cycles", cyclesJson(scope.work)},
                        {"flop", scope.work.flops},
                        {"bytes_loaded", scope.work.loaded},
                        {"bytes_stored", scope.work.stored}};
    if (e.prediction) {
      object["turns"] = scope.turns;
      object["fewest_turns_of_a_tile"] = scope.fewest;
      object["most_turns_of_a_tile"] = scope.most;
      object["turns_assumed"] = scope.assumed;
    }
    scopes.push_back(std::move(object));
  }
  json::Object object{{"kernel", e.kernel},
                      {"target", e.target},
                      {"tile", std::move(grid)},
                      {"threads", e.threads},
                      {"persistent", e.persistent},
                      {"blocks_of_cluster", blocksOfCluster},
                      {"shared_bytes", e.sharedBytes},
                      {"shared_bytes_limit", e.sharedLimit},
                      {"buffers", std::move(buffers)},
                      {"roles", std::move(roles)},
                      {"scopes", std::move(scopes)}};
  if (e.prediction) {
    const Explanation::Prediction &p = *e.prediction;
    json::Object extents;
    for (const auto &[axis, extent] : p.extents)
      extents[axis] = extent;
    double us = p.us(e.clockMHz);
    object["prediction"] =
        json::Object{{"extents", std::move(extents)},
                     {"tiles", p.tiles},
                     {"flop", p.total.flops},
                     {"bytes_loaded", p.total.loaded},
                     {"bytes_stored", p.total.stored},
                     {"tensor_bytes", p.tensorBytes},
                     {"cycles", cyclesJson(p.busiest)},
                     {"bound", nameOf(p.busiest.bound()).lower()},
                     {"clock_mhz", e.clockMHz},
                     {"us", us},
                     {"us_without_overlap", p.busiest.serial() / e.clockMHz},
                     {"flops_per_second", p.total.flops / us * 1e6},
                     {"bytes_per_second", p.tensorBytes / us * 1e6}};
  }
  if (e.prediction && e.measurement) {
    const Explanation::Measurement &m = *e.measurement;
    double clock = m.clockMHz > 0 ? m.clockMHz : e.clockMHz;
    object["measurement"] = json::Object{
        {"us", m.us},
        {"clock_mhz", clock},
        {"cycles", m.us * clock},
        {"cycles_over_prediction", m.us * clock / e.prediction->cycles()}};
  }
  return object;
}
