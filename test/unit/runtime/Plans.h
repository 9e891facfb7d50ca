//===- Plans.h - Launch plans for tests -------------------------*- C++ -*-===//
#pragma once

#include "runtime/Arguments.h"

#include <initializer_list>

namespace tilewright {

/// A kernel over q [b, m, d] through a tensor map, k [b, n, d] likewise,
/// o [b, m, d] through a pointer with strides, a scalar, a parameter and a
/// table [b].
inline LaunchPlan attentionPlan() {
  using Kind = Parameter::Kind;
  LaunchPlan plan;
  plan.entry = "attend";
  plan.target = "sm_90a";
  plan.args = {{"q", ArgKind::in, DType::bf16, {"b", "m", "d"}},
               {"k", ArgKind::in, DType::bf16, {"b", "n", "d"}},
               {"o", ArgKind::out, DType::f32, {"b", "m", "d"}},
               {"scale", ArgKind::scalar, DType::f32, {}},
               {"window", ArgKind::param, DType::i32, {}},
               {"slopes", ArgKind::table, DType::f32, {"b"}}};
  plan.fixed = {{"d", 64}};
  auto tensorMap = [](int arg, int64_t rows) {
    Parameter parameter;
    parameter.kind = Kind::tensorMap;
    parameter.arg = arg;
    parameter.map = {{2, 1, 0}, {64, rows, 1}, 128};
    return parameter;
  };
  auto of = [](Kind kind, int arg, int dim = -1) {
    Parameter parameter;
    parameter.kind = kind;
    parameter.arg = arg;
    parameter.dim = dim;
    return parameter;
  };
  auto extent = [](const char *axis) {
    Parameter parameter;
    parameter.kind = Kind::extent;
    parameter.axis = axis;
    return parameter;
  };
  Parameter scratch;
  scratch.kind = Kind::scratch;
  scratch.scratchBytes = 64;
  plan.params = {tensorMap(0, 128),
                 tensorMap(1, 80),
                 of(Kind::pointer, 2),
                 of(Kind::stride, 2, 0),
                 of(Kind::stride, 2, 1),
                 extent("m"),
                 extent("n"),
                 of(Kind::scalar, 3),
                 of(Kind::scalar, 4),
                 of(Kind::pointer, 5),
                 scratch};
  plan.grid = {{"b", 1}, {"m", 128}};
  plan.threads = 384;
  plan.smemBytes = 100000;
  return plan;
}

/// Memory that is never read: aligned addresses at will.
inline void *address(uintptr_t value) {
  return reinterpret_cast<void *>(value);
}

inline TensorRef dense(uintptr_t at, DType type,
                       std::initializer_list<int64_t> sizes, int device = 0) {
  return TensorRef::dense(address(at), type,
                          std::span(sizes.begin(), sizes.size()), device);
}

} // namespace tilewright
