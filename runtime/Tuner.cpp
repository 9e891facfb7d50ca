//===- Tuner.cpp - Choosing the fastest of several kernels ------*- C++ -*-===//
#include "runtime/Tuner.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ThreadPool.h"

#include <chrono>
#include <mutex>
#include <optional>
#include <thread>

using namespace llvm;

namespace tilewright {

using Status = TunerRow::Status;

StringRef statusText(Status status) {
  switch (status) {
  case Status::waiting:
    return "waiting";
  case Status::ok:
    return "ok";
  case Status::compileFailed:
    return "compile failed";
  case Status::wrong:
    return "wrong result";
  case Status::measureFailed:
    return "failed while measured";
  case Status::outOfMemory:
    return "out of memory";
  case Status::deviceLost:
    return "not run";
  }
  return "?";
}

/// Puts why a candidate failed into its row. Returns whether the device's
/// context is lost with it.
static bool fail(TunerRow &row, Status status, Error error) {
  row.status = status;
  row.timing = {};
  bool lost = false;
  handleAllErrors(
      std::move(error),
      [&](const cuda::DriverError &e) {
        row.reason = e.message();
        if (e.code() == cuda::errorOutOfMemory)
          row.status = Status::outOfMemory;
        lost = e.code() >= cuda::errorIllegalAddress &&
               e.code() <= cuda::errorLaunchFailed;
      },
      [&](const ErrorInfoBase &e) { row.reason = e.message(); });
  return lost;
}

/// The row of the least median among those that `isIn`; -1: there is none.
static int bestOf(ArrayRef<TunerRow> rows,
                  function_ref<bool(const TunerRow &)> isIn) {
  int best = -1;
  for (auto [index, row] : enumerate(rows))
    if (row.status == Status::ok && isIn(row) &&
        (best < 0 || row.timing.medianUs < rows[best].timing.medianUs))
      best = int(index);
  return best;
}

static void rest(double ms) {
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(ms));
}

/// Times the best few again, each in every turn. One that fails now is out;
/// once the device is lost the others keep the times that they have.
static void timeInTurns(ArrayRef<Candidate> candidates, TunerResult &result,
                        const TunerOptions &options) {
  struct Finalist {
    TunerRow &row;
    Trial trial;
    std::vector<Timing> timings;
  };
  int best = bestOf(result.rows, [](const TunerRow &) { return true; });
  if (best < 0 || options.turns < 1)
    return;
  double limit = result.rows[size_t(best)].timing.medianUs * options.margin;
  std::vector<int> near;
  for (auto [index, row] : enumerate(result.rows))
    if (row.status == Status::ok && row.timing.medianUs <= limit)
      near.push_back(int(index));
  llvm::stable_sort(near, [&](int a, int b) {
    return result.rows[size_t(a)].timing.medianUs <
           result.rows[size_t(b)].timing.medianUs;
  });
  if (std::ssize(near) > options.finalists)
    near.resize(size_t(std::max(options.finalists, 0)));
  if (near.size() < 2)
    return;

  std::vector<Finalist> finalists;
  for (int index : near) {
    Expected<Trial> trial = candidates[size_t(index)].compile();
    // Without memory for all of them at a time, first times must do.
    if (!trial)
      return consumeError(trial.takeError());
    finalists.push_back({result.rows[size_t(index)], std::move(*trial), {}});
  }
  for (int turn = 0; turn < options.turns; ++turn)
    for (Finalist &finalist : finalists) {
      if (finalist.row.status != Status::ok)
        continue;
      rest(options.restInTurnsMs);
      Expected<Timing> timing = finalist.trial.measure();
      if (timing)
        finalist.timings.push_back(*timing);
      else if (fail(finalist.row, Status::measureFailed, timing.takeError()))
        return;
    }
  for (Finalist &finalist : finalists) {
    if (finalist.row.status != Status::ok)
      continue;
    llvm::stable_sort(finalist.timings, [](const Timing &a, const Timing &b) {
      return a.medianUs < b.medianUs;
    });
    finalist.row.timing = finalist.timings[finalist.timings.size() / 2];
    finalist.row.inTurns = true;
  }
}

TunerResult tune(ArrayRef<Candidate> candidates, const TunerOptions &options) {
  TunerResult result;
  result.rows.resize(candidates.size());
  std::vector<std::optional<Trial>> trials(candidates.size());
  std::mutex mutex;
  int done = 0;
  auto step = [&](const TunerRow &row) {
    std::lock_guard lock(mutex);
    ++done;
    if (options.progress)
      options.progress(done, 2 * int(candidates.size()), row);
  };

  {
    DefaultThreadPool pool(hardware_concurrency(options.compileThreads));
    for (size_t i = 0; i < candidates.size(); ++i)
      pool.async([&, i] {
        TunerRow &row = result.rows[i];
        row.name = candidates[i].name;
        auto start = std::chrono::steady_clock::now();
        Expected<Trial> trial = candidates[i].compile();
        row.compileMs = std::chrono::duration<double, std::milli>(
                            std::chrono::steady_clock::now() - start)
                            .count();
        if (trial)
          trials[i] = std::move(*trial);
        else
          fail(row, Status::compileFailed, trial.takeError());
        step(row);
      });
    pool.wait();
  }

  std::string lostBy;
  for (auto [row, trial] : zip_equal(result.rows, trials)) {
    auto run = [&, &row = row, &trial = trial]() -> bool {
      if (!trial)
        return false;
      if (!lostBy.empty()) {
        row.status = Status::deviceLost;
        row.reason = "candidate '" + lostBy +
                     "' destroyed the device's context; start a new process";
        return false;
      }
      if (Error error = trial->check())
        return fail(row, Status::wrong, std::move(error));
      rest(options.restMs);
      Expected<Timing> timing = trial->measure();
      if (!timing)
        return fail(row, Status::measureFailed, timing.takeError());
      row.status = Status::ok;
      row.timing = *timing;
      return false;
    };
    if (run())
      lostBy = row.name;
    // What the candidate holds may be what the next has no memory for.
    trial.reset();
    step(row);
  }

  if (lostBy.empty())
    timeInTurns(candidates, result, options);
  result.best =
      bestOf(result.rows, [](const TunerRow &row) { return row.inTurns; });
  if (result.best < 0)
    result.best = bestOf(result.rows, [](const TunerRow &) { return true; });
  return result;
}

} // namespace tilewright
