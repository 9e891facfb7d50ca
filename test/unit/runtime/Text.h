//===- Text.h - Tests of error texts ----------------------------*- C++ -*-===//
#pragma once

#include "llvm/Support/Error.h"

#include <gtest/gtest.h>
#include <string>

namespace tilewright {

/// The text of an error; "success" if there is none.
inline std::string textOf(llvm::Error error) {
  return error ? llvm::toString(std::move(error)) : "success";
}
template <class T> std::string textOf(llvm::Expected<T> value) {
  return value ? "success" : llvm::toString(value.takeError());
}

#define EXPECT_CONTAINS(text, part)                                            \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

} // namespace tilewright
