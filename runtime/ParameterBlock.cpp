//===- ParameterBlock.cpp - The parameters of an entry point ----*- C++ -*-===//
#include "runtime/ParameterBlock.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace llvm;

namespace tilewright {

using namespace cuda;

static TensorMapType tensorMapType(DType type) {
  switch (type) {
  case DType::f32:
    return TensorMapType::float32;
  case DType::f16:
    return TensorMapType::float16;
  case DType::bf16:
    return TensorMapType::bfloat16;
  case DType::f64:
    return TensorMapType::float64;
  case DType::i32:
    return TensorMapType::int32;
  case DType::i1:
    return TensorMapType::uint8;
  }
  return TensorMapType::uint8;
}

static TensorMapSwizzle tensorMapSwizzle(int bytes) {
  switch (bytes) {
  case 32:
    return TensorMapSwizzle::b32;
  case 64:
    return TensorMapSwizzle::b64;
  case 128:
    return TensorMapSwizzle::b128;
  default:
    return TensorMapSwizzle::none;
  }
}

TensorMapShape shapeTensorMap(const TensorMapSpec &spec,
                              const TensorRef &tensor, void *emptyAddress) {
  TensorMapShape shape;
  shape.type = tensorMapType(tensor.type);
  shape.rank = spec.dims.size();
  shape.swizzle = tensorMapSwizzle(spec.swizzleBytes);
  bool empty = is_contained(ArrayRef(tensor.sizes).take_front(tensor.rank), 0);
  shape.address = empty ? emptyAddress : tensor.data;
  int64_t elementBytes = bytesOf(tensor.type);
  for (auto [i, dim] : enumerate(spec.dims)) {
    shape.box[i] = spec.box[i];
    int64_t size = tensor.sizes[dim];
    if (empty)
      size = i == 0 ? std::clamp<int64_t>(size, 1, emptyRowBytes / elementBytes)
                    : 1;
    shape.sizes[i] = size;
    if (i == 0)
      continue;
    // The stride of a dimension of one element is the caller's whim, and may
    // be what the driver refuses.
    shape.strideBytes[i - 1] = shape.sizes[i] == 1
                                   ? alignTo(shape.sizes[0] * elementBytes, 16)
                                   : tensor.strides[dim] * elementBytes;
  }
  return shape;
}

ParameterBlock::ParameterBlock(const LaunchBinder &binder, void *emptyAddress)
    : emptyAddress(emptyAddress) {
  storage.resize(binder.plan().params.size());
  for (Slot &slot : storage)
    slots.push_back(&slot);
}

void ParameterBlock::setScratch(const LaunchBinder &binder,
                                ArrayRef<void *> scratch) {
  for (auto [parameter, slot] : zip_equal(binder.plan().params, slots))
    if (parameter.kind == Parameter::Kind::scratch) {
      std::memcpy(slot, &scratch.front(), sizeof(void *));
      scratch = scratch.drop_front();
    }
}

void ParameterBlock::setWorkspace(const LaunchBinder &binder, int number,
                                  void *address) {
  for (auto [parameter, slot] : zip_equal(binder.plan().params, slots))
    if (parameter.kind == Parameter::Kind::workspace && parameter.arg == number)
      std::memcpy(slot, &address, sizeof address);
}

Error ParameterBlock::update(
    const LaunchBinder &binder, const Binding &binding,
    function_ref<Error(const Parameter &, const TensorMapShape &,
                       CUtensorMap &)>
        encode) {
  if (!binding.anyChanged)
    return Error::success();
  for (auto [parameter, slot] : zip_equal(binder.plan().params, slots)) {
    auto store = [to = slot](auto value) {
      std::memcpy(to, &value, sizeof value);
    };
    if (parameter.kind == Parameter::Kind::extent) {
      store(int32_t(binding.extents[binder.axisNumber(parameter.axis)]));
      continue;
    }
    if (parameter.kind == Parameter::Kind::scratch ||
        parameter.kind == Parameter::Kind::workspace ||
        !binding.changed[parameter.arg])
      continue;
    const ArgumentValue &value = binding.values[parameter.arg];
    const TensorRef &tensor = value.tensor;
    switch (parameter.kind) {
    case Parameter::Kind::tensorMap:
      if (Error error = encode(
              parameter, shapeTensorMap(parameter.map, tensor, emptyAddress),
              *static_cast<CUtensorMap *>(slot)))
        return error;
      break;
    case Parameter::Kind::pointer:
      store(tensor.data);
      break;
    case Parameter::Kind::stride:
      store(int64_t(tensor.strides[parameter.dim]));
      break;
    case Parameter::Kind::scalar:
      storeScalar(value, binder.plan().args[parameter.arg].type, slot);
      break;
    case Parameter::Kind::extent:
    case Parameter::Kind::scratch:
    case Parameter::Kind::workspace:
      break;
    }
  }
  return Error::success();
}

} // namespace tilewright
