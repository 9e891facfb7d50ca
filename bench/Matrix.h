//===- Matrix.h - Kernels x shapes x targets, generated ---------*- C++ -*-===//
//
// The numeric tests of the DSL's kernels. A matrix kernel is compiled once for
// each target that is present, and then run on many problems, so that a sweep
// over shapes shows that it compiles nothing. Outputs start as NaN; a judge
// that knows the answer in fp64 looks at what comes out.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Kernel.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tilewright::matrix {

/// How a tensor lies in memory.
enum class Layout : uint8_t {
  dense,   ///< row major
  swapped, ///< the next to last dimension outermost but one: (b, n, h, d)
  gapped,  ///< rows stand apart: eight elements more than they have
  aligned, ///< rows are made of whole eights
};

/// A tensor argument on the host, as the bytes of its type.
struct Operand {
  enum class Use : uint8_t { in, out, named };

  std::string name;
  DType type = DType::f32;
  Use use = Use::in;
  std::vector<int64_t> sizes, strides; ///< in elements, outermost first
  std::vector<char> bytes;

  /// Outputs, and what lies between the elements, are all ones, which is NaN.
  static Operand make(std::string name, DType type, Use use,
                      std::vector<int64_t> sizes,
                      Layout layout = Layout::dense);
  /// The elements in row-major order, whatever the layout.
  void assign(const std::vector<double> &values);
  std::vector<double> values() const;
  /// Makes all of an output NaN again.
  void poison();
  /// True if something other than the elements was written.
  bool gapsWritten() const;
  int64_t count() const;
};

/// One launch, and who knows what it should give.
struct Problem {
  std::vector<Operand> operands; ///< positional ones in the kernel's order
  std::vector<double> scalars;   ///< positional, after the tensors
  std::vector<std::pair<std::string, int64_t>> params; ///< by name
  /// What is wrong with the operands after the launch; empty if nothing is.
  std::function<std::string(const std::vector<Operand> &)> judge;
};

struct MatrixProblem {
  std::string name; ///< "b=1 m=63 n=129 dense"
  bool quick = false;
  /// Too much work for a CPU among thousands of cases.
  bool big = false;
  std::function<Problem()> make;
};

/// What is compiled once.
struct MatrixKernel {
  std::string name; ///< "flash_forward bf16 d=64 e=64 causal"
  std::function<dsl::Kernel()> make;
  std::map<std::string, int64_t> whole; ///< extents of axes held whole
  std::vector<MatrixProblem> problems;
};

/// All kernels of the matrix, in a fixed order.
std::vector<MatrixKernel> matrixKernels();

/// The name of a case: a kernel, a problem and a target.
std::string caseName(const MatrixKernel &kernel, const MatrixProblem &problem,
                     llvm::StringRef target);

struct MatrixOptions {
  std::string filter; ///< only cases whose names contain this
  bool quick = false;
  /// In this process; else in one that may die, and is then started again.
  bool inProcess = false;
  /// Only compiles, with ptxas, for every GPU target, and runs nothing: a
  /// toolkit is enough. A kernel and target is a case.
  bool compileOnly = false;
  unsigned limitSeconds = 60; ///< of one kernel with its problems
};

struct MatrixCounts {
  int64_t passed = 0, failed = 0, kernels = 0;
};

/// Runs the cases, prints failures and the sums, and puts both into `report`.
llvm::Expected<MatrixCounts> runMatrix(const MatrixOptions &options,
                                       llvm::json::Object &report);

/// Whether any case is to run; and the names of all that are.
bool hasCases(const MatrixOptions &options);
void listCases(const MatrixOptions &options);

/// The work of the process that may die: kernels of these numbers, results as
/// lines of JSON behind `path`.
llvm::Error runMatrixWorker(const MatrixOptions &options,
                            llvm::ArrayRef<unsigned> kernels,
                            llvm::StringRef path);

} // namespace tilewright::matrix
