//===- Arguments.h - What a kernel is launched with -------------*- C++ -*-===//
//
// Plain values that a caller makes per launch: no allocation, no CUDA, no LLVM.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

namespace tilewright {

/// The device index of CPU memory.
constexpr int hostDevice = -1;

/// A tensor that someone else owns. Sizes and strides are in elements,
/// outermost first.
struct TensorRef {
  static constexpr int maxRank = 8;

  void *data = nullptr;
  DType type = DType::f32;
  int rank = 0;
  int device = hostDevice;
  std::array<int64_t, maxRank> sizes = {};
  std::array<int64_t, maxRank> strides = {};

  TensorRef() = default;
  /// At most maxRank dimensions are taken; a launch reports the rank.
  TensorRef(void *data, DType type, std::span<const int64_t> sizeList,
            std::span<const int64_t> strideList, int device = hostDevice)
      : data(data), type(type), rank(int(sizeList.size())), device(device) {
    for (int i = 0; i < storedRank(); ++i) {
      sizes[i] = sizeList[i];
      strides[i] = strideList[i];
    }
  }
  /// A dense row-major tensor.
  static TensorRef dense(void *data, DType type,
                         std::span<const int64_t> sizeList,
                         int device = hostDevice) {
    TensorRef tensor(data, type, sizeList, sizeList, device);
    int64_t stride = 1;
    for (int i = tensor.storedRank() - 1; i >= 0; --i) {
      tensor.strides[i] = stride;
      stride *= tensor.sizes[i];
    }
    return tensor;
  }

  /// The same tensor, in the memory of GPU `index`.
  TensorRef on(int index) const {
    TensorRef tensor = *this;
    tensor.device = index;
    return tensor;
  }

  bool operator==(const TensorRef &other) const {
    return data == other.data && sameShape(other);
  }
  int storedRank() const { return rank < maxRank ? rank : maxRank; }
  /// Everything but the address.
  bool sameShape(const TensorRef &other) const {
    return type == other.type && rank == other.rank && device == other.device &&
           sizes == other.sizes && strides == other.strides;
  }
};

/// One argument: a tensor or a number.
struct ArgumentValue {
  enum class Kind : uint8_t { none, tensor, integer, real };

  Kind kind = Kind::none;
  union {
    int64_t integer;
    double real;
  };
  TensorRef tensor;

  ArgumentValue() : integer(0) {}
  ArgumentValue(const TensorRef &tensor)
      : kind(Kind::tensor), integer(0), tensor(tensor) {}
  ArgumentValue(std::integral auto value)
      : kind(Kind::integer), integer(int64_t(value)) {}
  ArgumentValue(std::floating_point auto value)
      : kind(Kind::real), real(double(value)) {}

  bool operator==(const ArgumentValue &other) const {
    if (kind != other.kind)
      return false;
    if (kind == Kind::tensor)
      return tensor == other.tensor;
    if (kind == Kind::real) // as bits: a NaN equals itself
      return std::bit_cast<int64_t>(real) == std::bit_cast<int64_t>(other.real);
    return integer == other.integer;
  }
};

/// A parameter or table bound by name.
struct NamedArgument {
  std::string_view name;
  ArgumentValue value;
};

constexpr bool isFloat(DType type) {
  return type != DType::i32 && type != DType::i1;
}

} // namespace tilewright
