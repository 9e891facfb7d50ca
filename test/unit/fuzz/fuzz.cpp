//===- fuzz.cpp - Random kernels, and what is no kernel -------------------===//
//
// Each run takes a hundred seeds. For long:
//   fuzz --gtest_shuffle --gtest_repeat=100
// takes other seeds each time; a failure names its own, which
//   fuzz --gtest_random_seed=N --gtest_shuffle
// repeats.
//
//===----------------------------------------------------------------------===//
#include "RandomKernel.h"
#include "codegen/cpu/CpuExecutor.h"
#include "codegen/interpret/RandomArguments.h"
#include "codegen/interpret/TileExecutors.h"
#include "codegen/passes/Passes.h"
#include "codegen/tools/Opt.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/PrettyStackTrace.h"
#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>
#include <random>

using namespace tilewright;
using namespace tilewright::test;

namespace {

constexpr int kernelsOfRun = 100, textsOfRun = 1000;

/// Fixed, but for --gtest_shuffle.
uint64_t firstSeed() {
  return GTEST_FLAG_GET(shuffle)
             ? uint64_t(testing::UnitTest::GetInstance()->random_seed()) * 1000
             : 0;
}

/// The largest difference of an output, relative to its largest element where
/// that is more than 1; infinite where one is finite and the other is not.
double difference(const Arguments &a, const Arguments &b) {
  double result = 0;
  for (const auto &[name, tensor] : a) {
    double largest = 1, off = 0;
    for (auto [x, y] : llvm::zip_equal(tensor.values, b.at(name).values)) {
      if (std::isfinite(x))
        largest = std::max(largest, std::fabs(x));
      if (x == y || (std::isnan(x) && std::isnan(y)))
        continue;
      off = std::isfinite(x) && std::isfinite(y)
                ? std::max(off, std::fabs(x - y))
                : std::numeric_limits<double>::infinity();
    }
    result = std::max(result, off / largest);
  }
  return result;
}

class Fuzz : public testing::Test {
protected:
  static void SetUpTestSuite() {
    registerTilewrightPasses();
    mlir::registerTransformsPasses();
  }
};

/// What a kernel that one way refuses says; refusing is right where it tells
/// what to change.
bool isRefusal(const std::string &text) {
  return llvm::StringRef(text).contains("under a mask that depends on axis");
}

TEST_F(Fuzz, KernelsAgree) {
  int refused = 0;
  for (int i = 0; i < kernelsOfRun; ++i) {
    uint64_t seed = firstSeed() + uint64_t(i);
    llvm::PrettyStackTraceFormat trace("random kernel %llu",
                                       (unsigned long long)seed);
    RandomKernel random = makeRandomKernel(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + random.text);
    mlir::DialectRegistry registry;
    registerDialects(registry);
    mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
    std::string messages;
    mlir::ScopedDiagnosticHandler handler(&context,
                                          [&](mlir::Diagnostic &diagnostic) {
                                            messages += diagnostic.str() + "\n";
                                            return mlir::success();
                                          });
    auto module =
        mlir::parseSourceString<mlir::ModuleOp>(random.text, &context);
    ASSERT_TRUE(module) << messages;
    tile::KernelOp kernel = *module->getOps<tile::KernelOp>().begin();
    llvm::Expected<Arguments> inputs =
        randomArguments(kernel, random.extents, {}, seed);
    ASSERT_TRUE(static_cast<bool>(inputs))
        << llvm::toString(inputs.takeError());

    TileOptions options;
    options.extents = random.extents;
    Arguments expected = *inputs;
    if (llvm::Error error =
            createTileExecutor(options)->run(kernel, expected)) {
      ADD_FAILURE() << llvm::toString(std::move(error));
      continue;
    }
    TileOptions scheduled = options;
    scheduled.tile = scheduledTiles(kernel);
    struct Way {
      const char *name;
      std::unique_ptr<Executor> executor;
      double tolerance;
    };
    std::vector<Way> ways;
    ways.push_back(
        {"bound",
         createBoundExecutor(scheduled, "tile-place-masks,tile-analyse-masks"),
         1e-9});
    ways.push_back({"cpu", createCpuExecutor(), 5e-3});
    for (Way &way : ways) {
      Arguments got = *inputs;
      if (llvm::Error error = way.executor->run(kernel, got)) {
        std::string text = llvm::toString(std::move(error));
        if (isRefusal(text))
          ++refused;
        else
          ADD_FAILURE() << way.name << ": " << text;
        break;
      }
      EXPECT_LE(difference(expected, got), way.tolerance) << way.name;
    }
  }
  EXPECT_LE(refused, kernelsOfRun / 2);
}

/// Text with some bytes changed, cut or repeated.
std::string mutated(std::string text, std::mt19937_64 &random) {
  for (uint64_t i = 0, count = 1 + random() % 8; i < count && !text.empty();
       ++i) {
    size_t at = random() % text.size(), length = 1 + random() % 12;
    switch (random() % 4) {
    case 0:
      text[at] = static_cast<char>(random() % 256);
      break;
    case 1:
      text.erase(at, length);
      break;
    case 2:
      text.insert(at, text.substr(random() % text.size(), length));
      break;
    case 3: { // a word of it elsewhere
      const char *words[] = {"f32",        "bf16", "i1",       "[m]",
                             "tile.yield", "%v1",  "-1",       "9999999999",
                             "\"",         "}",    "over [n]", "mask"};
      text.insert(at, words[random() % std::size(words)]);
    }
    }
  }
  return text;
}

TEST_F(Fuzz, ParserSurvivesAnything) {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  int parsed = 0;
  for (int i = 0; i < textsOfRun; ++i) {
    uint64_t seed = firstSeed() + uint64_t(i);
    llvm::PrettyStackTraceFormat trace("random text %llu",
                                       (unsigned long long)seed);
    std::mt19937_64 random(seed);
    std::string text;
    if (i % 10 == 0) {
      for (uint64_t byte = 0, count = random() % 200; byte < count; ++byte)
        text += static_cast<char>(random() % 256);
    } else {
      text = mutated(makeRandomKernel(seed).text, random);
    }
    mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
    mlir::ScopedDiagnosticHandler handler(
        &context, [](mlir::Diagnostic &) { return mlir::success(); });
    parsed += bool(mlir::parseSourceString<mlir::ModuleOp>(text, &context));
  }
  // Some changes do no harm, most do.
  EXPECT_GT(parsed, 0);
  EXPECT_LT(parsed, textsOfRun);
}

} // namespace
