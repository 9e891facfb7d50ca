//===- RepeatTests.cpp - The same inputs give the same bits ---------------===//
//
// No kernel here adds to memory in an order that may change, so whatever warps
// and blocks overtake each other, a launch must write what the first one did. A
// missing wait shows as a bit that moves.
//
//===----------------------------------------------------------------------===//
#include "bench/RepeatTests.h"
#include "bench/Machine.h"

#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace tilewright;
using namespace tilewright::bench;

static constexpr int launches = 100;

/// Launches one configuration of `work` again and again.
static Error repeat(Machine &machine, Workload &work,
                    const dsl::Configuration &configuration,
                    const Machine::Launch &launch) {
  std::vector<std::vector<char>> first;
  for (int i = 0; i < launches; ++i) {
    if (Error error = machine.run(launch))
      return error;
    if (i == 0) {
      Accuracy accuracy = work.judge(work.tensors);
      if (!accuracy.problem.empty())
        return createStringError(configuration.label() + ": " +
                                 accuracy.problem);
      for (const HostArray &tensor : work.tensors)
        first.push_back(tensor.bytes);
    }
    for (auto [tensor, bytes] : zip_equal(work.tensors, first))
      if (tensor.bytes != bytes)
        return createStringError(
            formatv("{0}: launch {1} of {2} gives other bits of '{3}'",
                    configuration.label(), i + 1, launches, tensor.name));
  }
  return Error::success();
}

/// A fifth or so of the configurations of the workload that `make` makes; one
/// that the assembler refuses, as it needs too many registers, is no failure.
static Expected<std::string> check(function_ref<Workload()> make) {
  Expected<std::unique_ptr<Machine>> machine = Machine::create("");
  if (!machine)
    return machine.takeError();
  if ((*machine)->target() == dsl::cpu)
    return "no kernels can be compiled for this GPU";
  Workload work = make();
  if (Error error = (*machine)->load(work))
    return std::move(error);
  std::vector<dsl::Configuration> feasible;
  for (dsl::Configuration &configuration :
       work.kernel.configurations((*machine)->target(), work.extents))
    if (configuration.feasible())
      feasible.push_back(std::move(configuration));
  Error refused = Error::success();
  bool checked = false;
  for (size_t i = 0; i < feasible.size(); i += 1 + feasible.size() / 5) {
    Expected<Machine::Launch> launch =
        (*machine)->compile(work.kernel.configured(feasible[i]).mlir());
    if (!launch) {
      refused = joinErrors(std::move(refused), launch.takeError());
      continue;
    }
    if (Error error = repeat(**machine, work, feasible[i], *launch))
      return joinErrors(std::move(error), std::move(refused));
    checked = true;
  }
  if (!checked)
    return std::move(refused);
  consumeError(std::move(refused));
  return "";
}

std::vector<SelfTest> tilewright::repeatTests() {
  std::vector<SelfTest> tests;
  auto add = [&](StringRef name, std::function<Workload()> make) {
    tests.push_back(
        {formatv("{0} launches, the same bits: {1}", launches, name),
         /*needsGpu=*/true, /*quick=*/false,
         [make = std::move(make)] { return check(make); }});
  };
  // More tiles than multiprocessors, and lengths that tiles do not divide.
  for (StringRef variant : {"full", "causal", "documents"})
    for (int64_t d : {64, 128})
      add(formatv("attention, {0}, head dimension {1}", variant, d).str(), [=] {
        FlashProblem problem{
            DType::bf16, variant != "full", 2, 4, 2, 1100, 1300, d, d};
        if (variant == "documents")
          problem.variant = variant.str();
        return makeFlash(problem);
      });
  add("matrix product",
      [] { return makeGemm({DType::bf16, 1500, 2104, 1032}); });
  return tests;
}
