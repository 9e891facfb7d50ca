//===- tilewright.h - The DSL -----------------------------------*- C++ -*-===//
//
// The one header that a kernel includes: `using namespace tilewright::dsl;`.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/Error.h"
#include "dsl/Axis.h"
#include "dsl/Kernel.h"
#include "dsl/Modifier.h"
#include "dsl/Param.h"
#include "dsl/Schedule.h"
#include "dsl/Tile.h"
