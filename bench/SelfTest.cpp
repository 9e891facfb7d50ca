//===- SelfTest.cpp - `tilewright selftest`: does all work here? ----------===//
//
// Numeric tests of the runtime and of compiled kernels on the devices present.
// Each runs in a process of its own, so that one that hangs or destroys the
// device's context costs only itself. The matrix (Matrix.h) sees to that
// itself.
//
//===----------------------------------------------------------------------===//
#include "bench/SelfTest.h"
#include "bench/ApiTests.h"
#include "bench/Commands.h"
#include "bench/Matrix.h"
#include "bench/Options.h"
#include "bench/ReferenceTests.h"
#include "bench/RepeatTests.h"
#include "bench/ZooTests.h"
#include "runtime/SelfTest.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace llvm;

namespace tilewright {
namespace {

using Status = TestResult::Status;

// What a test's own process tells by its exit status.
constexpr int exitFailed = 1, exitSkipped = 77;

StringRef statusText(Status status) {
  switch (status) {
  case Status::passed:
    return "passed";
  case Status::failed:
    return "failed";
  case Status::skipped:
    return "skipped";
  }
  return "";
}

std::vector<SelfTest> allTests() {
  std::vector<SelfTest> tests;
  for (const DeviceCheck &check : deviceChecks())
    tests.push_back({"runtime: " + check.name.str(), /*needsGpu=*/true,
                     check.quick, [check]() -> Expected<std::string> {
                       Expected<Device &> device = Device::get();
                       if (!device)
                         return device.takeError();
                       if (check.hopperOnly &&
                           device->properties().computeMajor != 9)
                         return "needs compute capability 9.0";
                       if (Error error = check.run(*device))
                         return error;
                       return "";
                     }});
  llvm::append_range(tests, apiTests());
  llvm::append_range(tests, referenceTests());
  llvm::append_range(tests, zooTests());
  llvm::append_range(tests, repeatTests());
  return tests;
}

TestResult runHere(const SelfTest &test) {
  Expected<std::string> skipped = test.run();
  if (!skipped)
    return {Status::failed, toString(skipped.takeError())};
  return {skipped->empty() ? Status::passed : Status::skipped, *skipped};
}

/// Runs a test in a process of its own, for so many seconds at most.
TestResult runApart(const SelfTest &test, unsigned seconds) {
  SmallString<128> output;
  if (std::error_code error =
          sys::fs::createTemporaryFile("tilewright-selftest", "txt", output))
    return {Status::failed, "cannot make a temporary file: " + error.message()};
  scope_exit remove([&] { sys::fs::remove(output); });

  std::string self = sys::fs::getMainExecutable(
      nullptr, reinterpret_cast<void *>(&tilewright::runSelfTest));
  const std::optional<StringRef> redirects[] = {"", StringRef(output),
                                                StringRef(output)};
  std::string message;
  int status = sys::ExecuteAndWait(
      self, {self, "selftest", "--in-process", "--only", test.name},
      std::nullopt, redirects, seconds, 0, &message);
  std::string text;
  if (ErrorOr<std::unique_ptr<MemoryBuffer>> buffer =
          MemoryBuffer::getFile(output, /*IsText=*/true))
    text = (*buffer)->getBuffer().trim().str();
  if (status == 0)
    return {Status::passed, text};
  if (status == exitSkipped)
    return {Status::skipped, text};
  if (status < 0) // it did not end by itself
    text = (text.empty() ? "" : text + "\n") +
           formatv("did not end ({0}; the limit is {1} s)", message, seconds)
               .str();
  return {Status::failed, text};
}

} // namespace

int runSelfTest(int argc, char **argv) {
  cl::OptionCategory category("tilewright selftest");
  cl::opt<std::string> filter("filter",
                              cl::desc("only tests whose names contain this"),
                              cl::cat(category));
  cl::opt<std::string> only("only", cl::desc("only the test of this name"),
                            cl::cat(category));
  cl::opt<bool> quick("quick", cl::cat(category),
                      cl::desc("only small problems, as for a sanitizer; in "
                               "this process"));
  cl::opt<bool> inProcess(
      "in-process",
      cl::desc("run the tests in this process, not each in its own"),
      cl::cat(category));
  cl::opt<bool> compileOnly(
      "compile-only", cl::cat(category),
      cl::desc("compile the matrix's kernels for every GPU target, with ptxas, "
               "and run nothing: needs no GPU"));
  cl::opt<bool> list("list", cl::desc("print the names of the tests"),
                     cl::cat(category));
  cl::opt<unsigned> limit("limit", cl::desc("seconds that one test may take"),
                          cl::init(60), cl::cat(category));
  cl::opt<std::string> jsonPath("json",
                                cl::desc("also write the results as JSON"),
                                cl::value_desc("file"), cl::cat(category));
  cl::opt<std::string> matrixTo("matrix-to", cl::Hidden, cl::cat(category),
                                cl::desc("append results of --matrix-run"));
  cl::list<unsigned> matrixRun("matrix-run", cl::Hidden, cl::CommaSeparated,
                               cl::cat(category),
                               cl::desc("only these kernels of the matrix"));
  parseOptions(argc, argv, category,
               "Tests the devices present: exit status 0 if none failed.\n");

  matrix::MatrixOptions ofMatrix{filter, quick, inProcess || quick, compileOnly,
                                 limit};
  if (!matrixTo.empty()) {
    if (Error error = matrix::runMatrixWorker(
            ofMatrix, std::vector<unsigned>(matrixRun.begin(), matrixRun.end()),
            matrixTo))
      return fail(std::move(error));
    return 0;
  }
  std::vector<SelfTest> tests = allTests();
  erase_if(tests, [&](const SelfTest &test) {
    return !StringRef(test.name).contains(filter) ||
           (!only.empty() && test.name != only) || (quick && !test.quick) ||
           compileOnly;
  });
  bool hasMatrix = only.empty() && matrix::hasCases(ofMatrix);
  if (tests.empty() && !hasMatrix) {
    errs() << "tilewright: error: no test of this name; see --list\n";
    return 2;
  }
  if (list) {
    for (const SelfTest &test : tests)
      outs() << test.name << "\n";
    if (hasMatrix)
      matrix::listCases(ofMatrix);
    return 0;
  }

  std::string noGpu;
  if (Expected<int> count = Device::count(); !count)
    noGpu = toString(count.takeError());
  json::Array rows;
  int counts[3] = {};
  for (const SelfTest &test : tests) {
    auto start = std::chrono::steady_clock::now();
    TestResult result = test.needsGpu && !noGpu.empty()
                            ? TestResult{Status::skipped, "no GPU"}
                        : inProcess || quick ? runHere(test)
                                             : runApart(test, limit);
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count();
    ++counts[int(result.status)];
    if (!only.empty()) {
      outs() << result.message << "\n";
      outs().flush();
      return result.status == Status::passed    ? 0
             : result.status == Status::skipped ? exitSkipped
                                                : exitFailed;
    }
    outs() << formatv("{0,-8} {1}", statusText(result.status), test.name);
    if (result.status == Status::skipped)
      outs() << " (" << result.message << ")\n";
    else
      outs() << formatv("  {0:f1} s\n", seconds);
    if (result.status != Status::skipped && !result.message.empty())
      outs().indent(9) << result.message << "\n";
    outs().flush();
    rows.push_back(json::Object{{"name", test.name},
                                {"status", statusText(result.status)},
                                {"seconds", seconds},
                                {"message", result.message}});
  }
  json::Object matrixReport;
  if (hasMatrix) {
    Expected<matrix::MatrixCounts> sums =
        matrix::runMatrix(ofMatrix, matrixReport);
    if (!sums)
      return fail(sums.takeError());
    counts[int(Status::passed)] += int(sums->passed);
    counts[int(Status::failed)] += int(sums->failed);
  }
  if (!noGpu.empty())
    outs() << "no GPU: " << noGpu << "\n";
  auto [passed, failed, skipped] = counts;
  outs() << formatv("{0} passed, {1} failed, {2} skipped\n", passed, failed,
                    skipped);
  if (!jsonPath.empty())
    if (Error error = writeJson(
            jsonPath, json::Object{{"tests", std::move(rows)},
                                   {"matrix", std::move(matrixReport)},
                                   {"passed", passed},
                                   {"failed", failed},
                                   {"skipped", skipped}}))
      return fail(std::move(error));
  return failed ? 1 : 0;
}

} // namespace tilewright
