//===- HostData.cpp - Host tensors as the bytes of their types ------------===//
#include "runtime/HostData.h"

#include "llvm/ADT/APFloat.h"

#include <cstring>

using namespace llvm;
using namespace tilewright;

static const fltSemantics &halfSemantics(DType type) {
  return type == DType::f16 ? APFloat::IEEEhalf() : APFloat::BFloat();
}

template <class T> static void put(char *to, double value) {
  T typed = static_cast<T>(value);
  std::memcpy(to, &typed, sizeof typed);
}
template <class T> static double get(const char *from) {
  T typed;
  std::memcpy(&typed, from, sizeof typed);
  return static_cast<double>(typed);
}

static void putElement(DType type, double value, char *to) {
  switch (type) {
  case DType::f64:
    return put<double>(to, value);
  case DType::f32:
    return put<float>(to, value);
  case DType::i32:
    return put<int32_t>(to, value);
  case DType::i1:
    return put<uint8_t>(to, value != 0);
  case DType::f16:
  case DType::bf16: {
    APFloat number(value);
    bool inexact;
    number.convert(halfSemantics(type), APFloat::rmNearestTiesToEven, &inexact);
    auto bits = static_cast<uint16_t>(number.bitcastToAPInt().getZExtValue());
    std::memcpy(to, &bits, sizeof bits);
    return;
  }
  }
}

static double getElement(DType type, const char *from) {
  switch (type) {
  case DType::f64:
    return get<double>(from);
  case DType::f32:
    return get<float>(from);
  case DType::i32:
    return get<int32_t>(from);
  case DType::i1:
    return get<uint8_t>(from);
  case DType::f16:
  case DType::bf16: {
    uint16_t bits;
    std::memcpy(&bits, from, sizeof bits);
    APFloat number(halfSemantics(type), APInt(16, bits));
    bool inexact;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                   &inexact);
    return number.convertToDouble();
  }
  }
  return 0;
}

std::vector<char> tilewright::toBytes(const HostTensor &tensor) {
  auto step = static_cast<size_t>(bytesOf(tensor.type));
  std::vector<char> bytes(tensor.values.size() * step);
  for (size_t i = 0; i < tensor.values.size(); ++i)
    putElement(tensor.type, tensor.values[i], bytes.data() + i * step);
  return bytes;
}

void tilewright::fromBytes(const std::vector<char> &bytes, HostTensor &tensor) {
  auto step = static_cast<size_t>(bytesOf(tensor.type));
  for (size_t i = 0; i < tensor.values.size(); ++i)
    tensor.values[i] = getElement(tensor.type, bytes.data() + i * step);
}
