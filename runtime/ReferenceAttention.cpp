//===- ReferenceAttention.cpp - Hand-written attention on a GPU -*- C++ -*-===//
#include "runtime/ReferenceAttention.h"
#include "runtime/FlashReference.h"
#include "runtime/NaiveAttention.h"

using namespace llvm;

namespace tilewright {
namespace {

class NaiveReference : public ReferenceAttention {
public:
  explicit NaiveReference(Device &device) : device(device) {}

  StringRef name() const override { return "naive CUDA"; }
  std::string whyNot(const AttentionShape &, DType type) const override {
    if (type == DType::f32 || type == DType::bf16)
      return "";
    return ("needs inputs of f32 or bf16, got " + nameOf(type)).str();
  }
  Error prepare(const AttentionShape &newShape, DType newType,
                const AttentionTensors &newTensors) override {
    shape = newShape;
    type = newType;
    tensors = newTensors;
    if (naive)
      return Error::success();
    Expected<std::unique_ptr<NaiveAttention>> created =
        NaiveAttention::create(device);
    if (!created)
      return created.takeError();
    naive = std::move(*created);
    return Error::success();
  }
  Error launch(cuda::CUstream stream) override {
    return naive->run(shape, type, type, tensors.q, tensors.k, tensors.v,
                      tensors.o, tensors.lse, stream);
  }

private:
  Device &device;
  std::unique_ptr<NaiveAttention> naive;
  AttentionShape shape;
  DType type = DType::f32;
  AttentionTensors tensors = {};
};

} // namespace

std::vector<std::unique_ptr<ReferenceAttention>>
referenceAttentions(Device &device) {
  std::vector<std::unique_ptr<ReferenceAttention>> all;
  for (FlashFamily family :
       {FlashFamily::hopper, FlashFamily::ampere, FlashFamily::tiled})
    all.push_back(makeFlashReference(family, device));
  all.push_back(std::make_unique<NaiveReference>(device));
  return all;
}

} // namespace tilewright
