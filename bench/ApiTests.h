//===- ApiTests.h - compile() on the devices present ------------*- C++ -*-===//
#pragma once

#include "bench/SelfTest.h"

#include <vector>

namespace tilewright {

/// The public interface, as a user's program calls it.
std::vector<SelfTest> apiTests();

} // namespace tilewright
