//===- TileInterpreter.cpp - Runs the tile dialect on the host ------------===//
#include "codegen/interpret/TileInterpreter.h"
#include "codegen/interpret/TileArithmetic.h"
#include "codegen/interpret/TileProgram.h"
#include <cmath>
#include <numeric>

using namespace tilewright;
using namespace tilewright::interpret;

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

int64_t Loop::numTiles() const {
  int64_t count = 1;
  for (const AxisState *axis : axes)
    count *= (axis->extent + axis->tile - 1) / axis->tile;
  return count;
}

void Loop::enter(int64_t tile, bool explicitDomain) {
  for (size_t i = axes.size(); i-- > 0;) {
    AxisState &axis = *axes[i];
    // The first axis takes what is left: segments may go beyond the extent.
    int64_t count = (axis.extent + axis.tile - 1) / axis.tile;
    int64_t number = i == 0 ? tile : tile % count;
    tile = i == 0 ? 0 : tile / count;
    axis.base = number * axis.tile;
    axis.valid = explicitDomain ? INT64_MAX : axis.extent - axis.base;
  }
}

static void copy(const std::vector<Slot *> &from,
                 const std::vector<Slot *> &to) {
  for (size_t i = 0; i < from.size(); ++i)
    to[i]->data = from[i]->data;
}

void Program::fail(const llvm::Twine &message) {
  if (error.empty())
    error = message.str();
}

llvm::Error Program::run() {
  for (const Step &step : scalars)
    step();
  if (failed())
    return llvm::createStringError(error);
  return llvm::Error::success();
}

void Program::runParallel(Loop &loop) {
  std::vector<int64_t> tiles(static_cast<size_t>(loop.numTiles()));
  std::iota(tiles.begin(), tiles.end(), 0);
  if (options.shuffleSeed) {
    std::mt19937_64 random(options.shuffleSeed);
    std::shuffle(tiles.begin(), tiles.end(), random);
  }
  for (int64_t tile : tiles) {
    loop.enter(tile, options.explicitDomain);
    currentTile = static_cast<int32_t>(tile + 1);
    for (const Step &step : loop.body)
      step();
    if (failed())
      return;
  }
}

bool Program::anyPoint(Fold &fold) {
  bool any = false;
  walk<1>(validSizesOf(fold.live->dims), {&fold.live->strides}, {},
          [&](auto at) { any |= fold.live->data[at[0]] != 0; });
  return any;
}

/// The body has made fold.next of the `number`-th tile walked: what it says it
/// leaves alone is as it was. Rows that do not exist may change.
void Program::checkSkips(Fold &fold, size_t number, int64_t tile) {
  for (size_t part = 0; part < fold.skips.size(); ++part) {
    if (double(number) >= fold.skips[part]->data[0])
      continue;
    for (auto [i, slot] : llvm::enumerate(fold.carried)) {
      const auto *dim = llvm::find_if(slot->dims, [&](const Dim &d) {
        return d.axis == fold.skipAxis->name;
      });
      if (dim == slot->dims.end())
        continue;
      int64_t stride = slot->strides[dim - slot->dims.begin()];
      int64_t rows = dim->size / static_cast<int64_t>(fold.skips.size());
      walk<1>(sizesOf(slot->dims), {&slot->strides}, {}, [&](auto at) {
        int64_t row = at[0] / stride % dim->size;
        double before = slot->data[at[0]], after = fold.next[i][at[0]];
        if (row / rows == static_cast<int64_t>(part) &&
            fold.skipAxis->base + row < fold.skipAxis->extent &&
            before != after && !(std::isnan(before) && std::isnan(after)))
          fail("tile " + llvm::Twine(tile) +
               " of a fold changes what it says it leaves out");
      });
    }
  }
}

/// Folds `tiles` in the given order into `carried`, starting from the inits.
/// A tile is a number and whether its segment is full.
void Program::runPart(Fold &fold,
                      llvm::ArrayRef<std::pair<int64_t, bool>> tiles) {
  copy(fold.inits, fold.carried);
  for (auto [number, walked] : llvm::enumerate(tiles)) {
    auto [tile, isFull] = walked;
    fold.enter(tile, options.explicitDomain);
    fold.isFull = isFull;
    fold.isMasked = fold.live && !isFull;
    if (fold.isMasked) {
      for (const Step &step : fold.mask)
        step();
      if (!anyPoint(fold))
        continue;
    }
    if (options.walkedTiles)
      ++*options.walkedTiles;
    for (const Step &step : fold.body)
      step();
    if (failed())
      return;
    // In two steps: a yield may pass one carried value on as another.
    fold.next.resize(fold.yielded.size());
    for (size_t i = 0; i < fold.next.size(); ++i)
      fold.next[i] = fold.yielded[i]->data;
    if (!options.splitSeed) // else in another order
      checkSkips(fold, number, tile);
    for (size_t i = 0; i < fold.next.size(); ++i)
      fold.carried[i]->data.swap(fold.next[i]);
  }
}

/// Whether a segment walks `tile` of its range.
bool Program::isWalked(Fold &fold, int64_t tile, bool isFull) {
  if (!fold.someLive)
    return true;
  fold.enter(tile, options.explicitDomain);
  for (const Step &step : fold.liveness)
    step();
  bool some = fold.someLive->data[0] != 0, all = fold.allLive->data[0] != 0;
  return isFull ? all : some && !all;
}

void Program::runFold(Fold &fold) {
  std::vector<std::pair<int64_t, bool>> tiles;
  if (fold.hasSegments) {
    for (const Fold::Segment &segment : fold.segments)
      for (auto tile = static_cast<int64_t>(segment.begin->data[0]);
           tile < segment.end->data[0]; ++tile) {
        if (tile < 0)
          return fail("a segment of a fold walks tile " + llvm::Twine(tile));
        if (isWalked(fold, tile, segment.isFull))
          tiles.emplace_back(tile, segment.isFull);
      }
    const Fold::Segment *first =
        fold.segments.empty() ? nullptr : &fold.segments.front();
    auto length = first ? first->end->data[0] - first->begin->data[0] : 0.0;
    if (fold.isBackward)
      std::reverse(tiles.begin(),
                   tiles.begin() + std::max<int64_t>(int64_t(length), 0));
    for (Slot *skip : fold.skips)
      if (skip->data[0] > std::max(length, 0.0) ||
          (skip->data[0] > 0 && skip->data[0] >= double(tiles.size())))
        return fail("a fold leaves out more than its first segment, or all");
  } else {
    for (int64_t tile = 0; tile < fold.numTiles(); ++tile)
      tiles.emplace_back(tile, false);
  }
  if (!options.splitSeed || fold.merge.empty()) {
    runPart(fold, tiles);
    return copy(fold.carried, fold.results);
  }
  std::shuffle(tiles.begin(), tiles.end(), order);
  auto rest = llvm::ArrayRef(tiles);
  bool isFirst = true;
  while (isFirst || !rest.empty()) {
    // Now and then a part is empty: then it is the init.
    size_t length = order() % (rest.size() + 1);
    runPart(fold, rest.take_front(length));
    rest = rest.drop_front(length);
    if (isFirst) {
      copy(fold.carried, fold.results);
    } else {
      copy(fold.results, fold.left);
      copy(fold.carried, fold.right);
      for (const Step &step : fold.merge)
        step();
      copy(fold.merged, fold.results);
    }
    isFirst = false;
  }
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

llvm::Error tilewright::interpretTile(mlir::Operation *kernel,
                                      Arguments &arguments,
                                      const TileOptions &options) {
  Program program(options);
  if (llvm::Error error = program.build(kernel, arguments))
    return error;
  return program.run();
}

static double difference(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b)))
    return 0;
  if (!std::isfinite(a) || !std::isfinite(b))
    return std::numeric_limits<double>::infinity();
  return std::fabs(a - b) / std::max({1.0, std::fabs(a), std::fabs(b)});
}

double tilewright::maxDifference(const HostTensor &a, const HostTensor &b) {
  if (a.sizes != b.sizes || a.values.size() != b.values.size())
    return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < a.values.size(); ++i)
    largest = std::max(largest, difference(a.values[i], b.values[i]));
  return largest;
}

llvm::Error tilewright::checkMerges(mlir::Operation *kernel,
                                    Arguments &arguments,
                                    const TileOptions &options, int trials,
                                    double tolerance) {
  Arguments inputs = arguments;
  if (llvm::Error error = interpretTile(kernel, arguments, options))
    return error;
  for (int trial = 1; trial <= trials; ++trial) {
    Arguments split = inputs;
    TileOptions splitting = options;
    splitting.splitSeed = static_cast<uint64_t>(trial);
    if (llvm::Error error = interpretTile(kernel, split, splitting))
      return error;
    for (const auto &[name, tensor] : arguments) {
      double largest = maxDifference(tensor, split[name]);
      if (!(largest <= tolerance))
        return llvm::createStringError(
            "a merge does not agree with its fold: argument '%s' differs by "
            "%g when the fold is split (seed %d)",
            name.c_str(), largest, trial);
    }
  }
  return llvm::Error::success();
}
