//===- Error.h - What the user-facing API throws ----------------*- C++ -*-===//
//
// A user's mistake, told in full: what is wrong, what was expected, what was
// found, where in the user's source, and what to change. Internals return
// LogicalResult or llvm::Expected; only the API that users call throws.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#pragma GCC visibility push(default)
namespace tilewright {

class Error : public std::runtime_error {
public:
  /// The parts of a diagnostic; all but `what` may be empty.
  struct Parts {
    std::string what;     ///< what is wrong, one sentence without a full stop
    std::string expected; ///< what would be right
    std::string got;      ///< what was found
    std::string where;    ///< "file:line:column" of the user's source
    std::string change;   ///< what to change
  };

  explicit Error(Parts parts)
      : std::runtime_error(format(parts)), parts(std::move(parts)) {}

  const Parts &getParts() const { return parts; }

private:
  static std::string format(const Parts &parts) {
    std::string text = parts.where.empty() ? "" : parts.where + ": ";
    text += "error: " + parts.what;
    if (!parts.expected.empty())
      text += "\n  expected: " + parts.expected;
    if (!parts.got.empty())
      text += "\n  got: " + parts.got;
    if (!parts.change.empty())
      text += "\n  change: " + parts.change;
    return text;
  }

  Parts parts;
};

} // namespace tilewright
#pragma GCC visibility pop
