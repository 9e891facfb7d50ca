//===- LaunchBinder.h - Arguments checked against a plan --------*- C++ -*-===//
//
// Between the caller's values and the parameters of an entry point. It knows
// no driver, so every complaint is tested without one. A caller's mistake is
// an error that names the argument, what was expected, what it got, and what
// to change. Binding what is right allocates nothing.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Arguments.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace tilewright {

/// The arguments of the latest launch, in the order of the plan.
struct Binding {
  llvm::SmallVector<ArgumentValue, 0> values;
  /// What the latest bind changed, by argument; and whether any shape did.
  llvm::SmallVector<bool> changed;
  bool anyChanged = false;
  bool shapesChanged = false;
  llvm::SmallVector<int64_t> extents; ///< by LaunchBinder's axis numbers
  int64_t tiles = 0;                  ///< work items; 0: nothing to do
};

/// A tensor lies in memory as the copy engine cannot read it. The kernel,
/// compiled without the step "copies", may take it.
class NotCopyable : public llvm::ErrorInfo<NotCopyable, llvm::StringError> {
public:
  static char ID;
  explicit NotCopyable(const llvm::Twine &text)
      : ErrorInfo(text, llvm::inconvertibleErrorCode()) {}
};

class LaunchBinder {
public:
  /// Fails if the plan contradicts itself, which is a fault of the compiler.
  static llvm::Expected<LaunchBinder> create(const LaunchPlan &plan);

  const LaunchPlan &plan() const { return thePlan; }
  Binding emptyBinding() const;

  /// Checks the arguments and brings `binding` up to date. `device` is where
  /// tensors must be. After an error the binding is empty.
  llvm::Error bind(llvm::ArrayRef<ArgumentValue> positional,
                   llvm::ArrayRef<NamedArgument> named, int device,
                   Binding &binding) const;

  /// Number of an axis in Binding::extents.
  int axisNumber(llvm::StringRef axis) const;

  /// What workspace `number` of the plan takes for a launch.
  llvm::Expected<int64_t> workspaceBytes(int number,
                                         const Binding &binding) const;

private:
  /// What the entry point needs of a tensor argument.
  struct Need {
    bool pointer = false;
    bool tensorMap = false;
    bool replaceable = false; ///< all its tensor maps are
    int64_t alignBytes = 1;
    unsigned stridesPassed = 0; ///< bit per dimension with a stride parameter
    int innermost = -1;         ///< innermost dimension of its tensor maps
  };

  explicit LaunchBinder(const LaunchPlan &plan) : thePlan(plan) {}
  llvm::Error analyse();
  llvm::Error planError(const llvm::Twine &what) const;
  llvm::Error argumentError(int arg, const llvm::Twine &what) const;
  llvm::Error collect(llvm::ArrayRef<ArgumentValue> positional,
                      llvm::ArrayRef<NamedArgument> named,
                      llvm::MutableArrayRef<const ArgumentValue *> byArg) const;
  llvm::Error checkScalar(int arg, const ArgumentValue &value) const;
  llvm::Error checkTensor(int arg, const ArgumentValue &value,
                          int device) const;
  llvm::Error checkLayout(int arg, const TensorRef &tensor) const;
  llvm::Error findFault(int arg, const TensorRef &tensor) const;
  llvm::Error checkExtents(llvm::ArrayRef<const ArgumentValue *> byArg,
                           llvm::MutableArrayRef<int64_t> extents) const;
  llvm::Expected<int64_t> countTiles(llvm::ArrayRef<int64_t> extents) const;

  LaunchPlan thePlan;
  llvm::SmallVector<std::string> axes;
  /// Axis number of each dimension of each argument.
  llvm::SmallVector<llvm::SmallVector<int, 5>> axisOf;
  llvm::SmallVector<Need> needs;
};

/// Writes a number as the kernel wants it: as many bytes as `type` has.
void storeScalar(const ArgumentValue &value, DType type, void *slot);

} // namespace tilewright
