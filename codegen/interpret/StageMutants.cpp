//===- StageMutants.cpp - Is every wait, arrival and fence needed? --------===//
#include "codegen/interpret/StageMutants.h"

using namespace mlir;
using namespace tilewright;

std::vector<Operation *> tilewright::findMutants(stage::KernelOp kernel) {
  std::vector<Operation *> ops;
  kernel.walk([&](Operation *op) {
    if (isa<stage::AcquireOp, stage::GetOp, stage::ReleaseOp, stage::MmaFenceOp,
            stage::MmaCommitOp, stage::MmaWaitOp, stage::FenceAsyncOp,
            stage::BarrierOp, stage::TmaStoreWaitOp>(op))
      ops.push_back(op);
  });
  return ops;
}

llvm::Expected<std::vector<MutantResult>>
tilewright::checkMutants(stage::KernelOp kernel, const Arguments &arguments,
                         int seeds, const StageOptions &base) {
  std::set<Operation *> waits;
  auto run = [&](Operation *disabled, int seed) -> llvm::Expected<StageReport> {
    StageOptions options = base;
    options.seed = static_cast<uint64_t>(seed);
    options.disabled = disabled;
    Arguments copy = arguments;
    return interpretStage(kernel, copy, options);
  };
  for (int seed = 1; seed <= seeds; ++seed) {
    llvm::Expected<StageReport> report = run(nullptr, seed);
    if (!report)
      return report.takeError();
    if (!report->passed())
      return llvm::createStringError("the kernel itself breaks a rule: " +
                                     report->text());
    waits.insert(report->waits.begin(), report->waits.end());
  }
  std::vector<MutantResult> results;
  for (Operation *op : findMutants(kernel)) {
    MutantResult &result = results.emplace_back();
    result.op = op;
    if (isa<stage::AcquireOp>(op) && !waits.count(op)) {
      result.outcome = MutantResult::idle;
      result.report = interpret::describe(op) +
                      " orders nothing: its channel has a slot for every "
                      "message, or another acquire tells as much";
      continue;
    }
    for (int seed = 1; seed <= seeds; ++seed) {
      llvm::Expected<StageReport> report = run(op, seed);
      if (!report)
        return report.takeError();
      if (report->passed())
        continue;
      result.outcome = MutantResult::caught;
      result.seed = static_cast<uint64_t>(seed);
      result.report = report->text();
      break;
    }
    if (result.outcome == MutantResult::survived)
      result.report = "nothing changes without " + interpret::describe(op) +
                      ": either it is superfluous, and the kernel should not "
                      "have it, or the interpreter has a hole";
  }
  return results;
}
