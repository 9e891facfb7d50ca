//===- Matrix.cpp - Kernels x shapes x targets, generated -----------------===//
#include "bench/Matrix.h"
#include "bench/Commands.h"
#include "bench/MatrixKernels.h"
#include "bench/MatrixTargets.h"
#include "kernels/reference/Rounding.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <mutex>

using namespace llvm;
using namespace tilewright;
using namespace tilewright::matrix;

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

static void putElement(DType type, double value, char *to) {
  auto write = [&](auto bits) { std::memcpy(to, &bits, sizeof bits); };
  switch (type) {
  case DType::f64:
    return write(value);
  case DType::f32:
    return write(static_cast<float>(value));
  case DType::f16:
    return write(static_cast<_Float16>(static_cast<float>(value)));
  case DType::bf16:
    return write(
        static_cast<uint16_t>(std::bit_cast<uint32_t>(reference::roundBf16(
                                  static_cast<float>(value))) >>
                              16));
  case DType::i32:
    return write(static_cast<int32_t>(value));
  case DType::i1:
    return write(static_cast<uint8_t>(value != 0));
  }
}

static double getElement(DType type, const char *from) {
  auto read = [&](auto bits) {
    std::memcpy(&bits, from, sizeof bits);
    return bits;
  };
  switch (type) {
  case DType::f64:
    return read(double());
  case DType::f32:
    return read(float());
  case DType::f16:
    return read(_Float16());
  case DType::bf16:
    return std::bit_cast<float>(uint32_t(read(uint16_t())) << 16);
  case DType::i32:
    return read(int32_t());
  case DType::i1:
    return read(uint8_t()) != 0;
  }
  return 0;
}

Operand Operand::make(std::string name, DType type, Use use,
                      std::vector<int64_t> sizes, Layout layout) {
  Operand operand{std::move(name), type, use, std::move(sizes), {}, {}};
  auto rank = static_cast<int>(operand.sizes.size());
  // Dimensions from the innermost in memory outward.
  std::vector<int> order;
  for (int dim = rank; dim-- > 0;)
    order.push_back(dim);
  if (layout == Layout::swapped && rank > 2) {
    order.erase(order.begin() + 1);
    order.insert(order.end() - 1, rank - 2);
  }
  operand.strides.resize(operand.sizes.size());
  int64_t stride = 1;
  for (int dim : order) {
    operand.strides[size_t(dim)] = stride;
    stride *= operand.sizes[size_t(dim)];
    if (dim == rank - 1 && layout == Layout::gapped)
      stride += 8;
    if (dim == rank - 1 && layout == Layout::aligned)
      stride = int64_t(alignTo(uint64_t(stride), 8));
  }
  operand.bytes.assign(static_cast<size_t>(stride * bytesOf(type)), '\xff');
  return operand;
}

int64_t Operand::count() const {
  int64_t result = 1;
  for (int64_t size : sizes)
    result *= size;
  return result;
}

/// Calls `visit` with the offset of each element, in row-major order.
static void forEachOffset(const Operand &operand,
                          function_ref<void(int64_t)> visit) {
  std::vector<int64_t> at(operand.sizes.size());
  int64_t offset = 0;
  for (int64_t left = operand.count(); left > 0; --left) {
    visit(offset);
    for (size_t dim = at.size(); dim-- > 0;) {
      offset += operand.strides[dim];
      if (++at[dim] < operand.sizes[dim])
        break;
      offset -= at[dim] * operand.strides[dim];
      at[dim] = 0;
    }
  }
}

void Operand::assign(const std::vector<double> &values) {
  size_t next = 0;
  int64_t step = bytesOf(type);
  forEachOffset(*this, [&](int64_t offset) {
    putElement(type, values[next++], bytes.data() + offset * step);
  });
}

std::vector<double> Operand::values() const {
  std::vector<double> result;
  result.reserve(size_t(count()));
  int64_t step = bytesOf(type);
  forEachOffset(*this, [&](int64_t offset) {
    result.push_back(getElement(type, bytes.data() + offset * step));
  });
  return result;
}

void Operand::poison() { std::fill(bytes.begin(), bytes.end(), '\xff'); }

bool Operand::gapsWritten() const {
  std::vector<char> copy = bytes;
  int64_t step = bytesOf(type);
  if (int64_t(copy.size()) == count() * step)
    return false; // no gaps
  forEachOffset(*this, [&](int64_t offset) {
    std::memset(copy.data() + offset * step, 0xff, size_t(step));
  });
  return any_of(copy, [](char byte) { return byte != '\xff'; });
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

std::vector<MatrixKernel> matrix::matrixKernels() {
  std::vector<MatrixKernel> kernels;
  addAttentionKernels(kernels);
  addRowKernels(kernels);
  return kernels;
}

std::string matrix::caseName(const MatrixKernel &kernel,
                             const MatrixProblem &problem, StringRef target) {
  return formatv("matrix: {0} {1} on {2}", kernel.name, problem.name, target);
}

namespace {
struct Failure {
  std::string name, message;
};
struct KernelResult {
  MatrixCounts counts;
  std::vector<Failure> failures;
};
} // namespace

/// Whether a case is to run: on a CPU, a big one only if it is asked for by its
/// whole name.
static bool isWanted(const MatrixKernel &kernel, const MatrixProblem &problem,
                     StringRef target, const MatrixOptions &options) {
  std::string name = caseName(kernel, problem, target);
  if (name == options.filter)
    return true;
  return StringRef(name).contains(options.filter) &&
         (!options.quick || problem.quick) && (target != "cpu" || !problem.big);
}

/// Compiles a kernel for each target and runs its problems on each.
static KernelResult runKernel(const MatrixKernel &kernel,
                              ArrayRef<std::unique_ptr<MatrixTarget>> targets,
                              const MatrixOptions &options) {
  // The DSL builds one kernel at a time.
  static std::mutex building;
  KernelResult result;
  struct Slot {
    MatrixTarget *target;
    std::unique_ptr<LoadedKernel> loaded;
    std::string reason; ///< why it did not compile
  };
  std::vector<Slot> slots;
  for (const std::unique_ptr<MatrixTarget> &target : targets) {
    if (none_of(kernel.problems, [&](const MatrixProblem &problem) {
          return isWanted(kernel, problem, target->name(), options);
        }))
      continue;
    Slot &slot = slots.emplace_back(Slot{target.get(), nullptr, ""});
    try {
      std::unique_lock lock(building);
      dsl::Kernel made = kernel.make();
      lock.unlock();
      Expected<std::unique_ptr<LoadedKernel>> loaded =
          target->compile(made, kernel.whole, xxh3_64bits(kernel.name));
      if (loaded)
        slot.loaded = std::move(*loaded);
      else
        slot.reason = toString(loaded.takeError());
    } catch (const std::exception &error) {
      slot.reason = error.what();
    }
  }
  if (options.compileOnly) {
    for (Slot &slot : slots) {
      ++(slot.loaded ? result.counts.passed : result.counts.failed);
      if (!slot.loaded)
        result.failures.push_back(
            {formatv("matrix: {0} on {1}", kernel.name, slot.target->name()),
             "does not compile: " + slot.reason});
    }
    return result;
  }
  for (const MatrixProblem &problem : kernel.problems) {
    std::optional<Problem> made;
    for (Slot &slot : slots) {
      if (!isWanted(kernel, problem, slot.target->name(), options))
        continue;
      std::string message;
      if (!slot.loaded) {
        message = "does not compile: " + slot.reason;
      } else {
        if (!made)
          made = problem.make();
        for (Operand &operand : made->operands)
          if (operand.use == Operand::Use::out)
            operand.poison();
        if (llvm::Error error = slot.loaded->run(*made))
          message = toString(std::move(error));
        else
          message = made->judge(made->operands);
        for (const Operand &operand : made->operands)
          if (message.empty() && operand.use == Operand::Use::out &&
              operand.gapsWritten())
            message =
                formatv("'{0}' is written between its rows", operand.name);
      }
      if (!message.empty() && slot.loaded)
        message += " (" + slot.loaded->configuration + ")";
      if (message.empty()) {
        ++result.counts.passed;
      } else {
        ++result.counts.failed;
        result.failures.push_back(
            {caseName(kernel, problem, slot.target->name()), message});
      }
    }
  }
  return result;
}

static json::Object toJson(unsigned index, const KernelResult &result) {
  json::Array failures;
  for (const Failure &failure : result.failures)
    failures.push_back(
        json::Object{{"name", failure.name}, {"message", failure.message}});
  return json::Object{{"kernel", index},
                      {"passed", result.counts.passed},
                      {"failed", result.counts.failed},
                      {"failures", std::move(failures)}};
}

/// Runs kernels of these numbers, several at a time; `started` and `done` are
/// called in turn.
static llvm::Error runKernels(const MatrixOptions &options,
                              ArrayRef<MatrixKernel> kernels,
                              ArrayRef<unsigned> numbers,
                              function_ref<void(unsigned)> started,
                              function_ref<void(unsigned, KernelResult)> done) {
  std::vector<std::unique_ptr<MatrixTarget>> targets;
  if (options.compileOnly) {
    if (llvm::Error error = assembledTargets().moveInto(targets))
      return error;
  } else {
    std::vector<std::string> missing;
    targets = presentTargets(missing);
  }
  std::mutex telling;
  DefaultThreadPool pool;
  for (unsigned number : numbers)
    pool.async([&, number] {
      {
        std::lock_guard lock(telling);
        started(number);
      }
      KernelResult result = runKernel(kernels[number], targets, options);
      std::lock_guard lock(telling);
      done(number, std::move(result));
    });
  pool.wait();
  return llvm::Error::success();
}

llvm::Error matrix::runMatrixWorker(const MatrixOptions &options,
                                    ArrayRef<unsigned> numbers,
                                    StringRef path) {
  std::error_code code;
  raw_fd_ostream os(path, code, sys::fs::OF_Append);
  if (code)
    return createStringError(code, "cannot write " + path);
  std::vector<MatrixKernel> kernels = matrixKernels();
  auto tell = [&](json::Object line) {
    os << json::Value(std::move(line)) << "\n";
    os.flush();
  };
  return runKernels(
      options, kernels, numbers,
      [&](unsigned number) { tell(json::Object{{"start", number}}); },
      [&](unsigned number, const KernelResult &result) {
        tell(toJson(number, result));
      });
}

//===----------------------------------------------------------------------===//
// Processes
//===----------------------------------------------------------------------===//

namespace {
/// What a worker told, and how it ended.
struct WorkerReport {
  std::map<unsigned, KernelResult> done;
  SetVector<unsigned> unfinished; ///< started, but no result
  std::string ending;             ///< empty: as it should
};
} // namespace

/// Runs kernels in a process of its own.
static Expected<WorkerReport> runApart(const MatrixOptions &options,
                                       ArrayRef<unsigned> numbers,
                                       unsigned seconds) {
  SmallString<128> path;
  if (std::error_code error =
          sys::fs::createTemporaryFile("tilewright-matrix", "json", path))
    return createStringError(error, "cannot make a temporary file");
  scope_exit remove([&] { sys::fs::remove(path); });
  std::string self = sys::fs::getMainExecutable(
      nullptr, reinterpret_cast<void *>(&tilewright::runSelfTest));
  std::string list = join(
      map_range(numbers, [](unsigned n) { return std::to_string(n); }), ",");
  std::vector<StringRef> arguments = {self, "selftest",     "--matrix-to",
                                      path, "--matrix-run", list};
  if (options.quick)
    arguments.emplace_back("--quick");
  if (!options.filter.empty()) {
    arguments.emplace_back("--filter");
    arguments.emplace_back(options.filter);
  }
  std::string message;
  int status = sys::ExecuteAndWait(self, arguments, std::nullopt, {}, seconds,
                                   0, &message);
  WorkerReport report;
  if (status != 0)
    report.ending =
        message.empty()
            ? formatv("the process ended with status {0}", status).str()
            : "the process died: " + message;
  ErrorOr<std::unique_ptr<MemoryBuffer>> text = MemoryBuffer::getFile(path);
  if (!text)
    return createStringError(text.getError(), "cannot read what was found");
  for (StringRef line : split((*text)->getBuffer(), '\n')) {
    Expected<json::Value> value = json::parse(line);
    if (!value) { // the last line of a process that died
      consumeError(value.takeError());
      continue;
    }
    const json::Object *object = value->getAsObject();
    if (!object)
      continue;
    if (std::optional<int64_t> number = object->getInteger("start"))
      report.unfinished.insert(unsigned(*number));
    std::optional<int64_t> number = object->getInteger("kernel");
    if (!number)
      continue;
    report.unfinished.remove(unsigned(*number));
    KernelResult &result = report.done[unsigned(*number)];
    result.counts.passed = object->getInteger("passed").value_or(0);
    result.counts.failed = object->getInteger("failed").value_or(0);
    if (const json::Array *failures = object->getArray("failures"))
      for (const json::Value &failure : *failures)
        if (const json::Object *one = failure.getAsObject())
          result.failures.push_back(
              {one->getString("name").value_or("").str(),
               one->getString("message").value_or("").str()});
  }
  return report;
}

/// Runs kernels apart; where a process dies, each kernel that it had begun is
/// run alone, and the others go on.
static llvm::Error
runSafely(const MatrixOptions &options, std::vector<unsigned> numbers,
          ArrayRef<MatrixKernel> kernels,
          function_ref<void(unsigned, const KernelResult &)> done) {
  while (!numbers.empty()) {
    unsigned seconds = options.limitSeconds;
    if (numbers.size() > 1)
      seconds *= unsigned(numbers.size());
    Expected<WorkerReport> report = runApart(options, numbers, seconds);
    if (!report)
      return report.takeError();
    for (const auto &[number, result] : report->done)
      done(number, result);
    if (report->ending.empty() && report->done.size() == numbers.size())
      return llvm::Error::success();
    if (numbers.size() == 1) {
      KernelResult result;
      result.counts.failed = 1;
      result.failures.push_back(
          {"matrix: " + kernels[numbers[0]].name, report->ending});
      done(numbers[0], result);
      return llvm::Error::success();
    }
    if (report->done.empty() && report->unfinished.empty())
      return createStringError(report->ending);
    for (unsigned number : report->unfinished)
      if (llvm::Error error = runSafely(options, {number}, kernels, done))
        return error;
    erase_if(numbers, [&](unsigned number) {
      return report->done.contains(number) ||
             report->unfinished.contains(number);
    });
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The matrix
//===----------------------------------------------------------------------===//

/// The numbers of the kernels that have a case to run.
static std::vector<unsigned>
wantedKernels(const MatrixOptions &options, ArrayRef<MatrixKernel> kernels,
              function_ref<void(const std::string &)> found) {
  std::vector<unsigned> numbers;
  for (auto [number, kernel] : enumerate(kernels)) {
    bool hasCase = false;
    for (const MatrixProblem &problem : kernel.problems)
      for (const std::string &target : allTargetNames()) {
        if (!isWanted(kernel, problem, target, options))
          continue;
        hasCase = true;
        found(caseName(kernel, problem, target));
      }
    if (hasCase)
      numbers.push_back(unsigned(number));
  }
  return numbers;
}

bool matrix::hasCases(const MatrixOptions &options) {
  return !wantedKernels(options, matrixKernels(), [](const std::string &) {
          }).empty();
}

void matrix::listCases(const MatrixOptions &options) {
  wantedKernels(options, matrixKernels(),
                [](const std::string &name) { outs() << name << "\n"; });
}

Expected<MatrixCounts> matrix::runMatrix(const MatrixOptions &options,
                                         json::Object &report) {
  std::vector<MatrixKernel> kernels = matrixKernels();
  std::vector<unsigned> numbers =
      wantedKernels(options, kernels, [](const std::string &) {});
  MatrixCounts sums;
  json::Array failures;
  auto start = std::chrono::steady_clock::now();
  bool isShown = sys::Process::StandardErrIsDisplayed();
  size_t finished = 0;
  auto done = [&](unsigned, const KernelResult &result) {
    ++finished;
    sums.passed += result.counts.passed;
    sums.failed += result.counts.failed;
    sums.kernels += result.counts.passed + result.counts.failed > 0;
    for (const Failure &failure : result.failures) {
      outs() << "failed   " << failure.name << "\n";
      outs().indent(9) << failure.message << "\n";
      outs().indent(9) << "repeat: tilewright selftest --filter '"
                       << failure.name << "'\n";
      failures.push_back(
          json::Object{{"name", failure.name}, {"message", failure.message}});
    }
    outs().flush();
    if (isShown)
      errs() << formatv("\rmatrix: {0}/{1} kernels, {2} passed, {3} failed",
                        finished, numbers.size(), sums.passed, sums.failed);
  };
  if (options.inProcess || options.compileOnly) {
    if (llvm::Error error =
            runKernels(options, kernels, numbers, [](unsigned) {}, done))
      return error;
  } else if (llvm::Error error = runSafely(options, numbers, kernels, done))
    return error;
  if (isShown)
    errs() << "\r\033[K";
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  if (!numbers.empty()) {
    std::vector<std::string> missing;
    if (!options.compileOnly)
      (void)presentTargets(missing);
    for (const std::string &target : missing)
      outs() << "matrix: not on " << target << "\n";
    outs() << formatv("matrix: {0} kernels, {1} passed, {2} failed  {3:f1} s\n",
                      sums.kernels, sums.passed, sums.failed, seconds);
    outs().flush();
  }
  report = json::Object{{"kernels", sums.kernels},
                        {"passed", sums.passed},
                        {"failed", sums.failed},
                        {"seconds", seconds},
                        {"failures", std::move(failures)}};
  return sums;
}
