//===- NvvmShared.cpp - NvvmBuilder: shared memory, barriers, copies ------===//
#include "codegen/hopper/NvvmBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace tilewright;

/// The address space of a cluster's shared memory.
static constexpr unsigned clusterSpace = 7;

Value NvvmBuilder::smemPointer(Value offset) {
  return LLVM::GEPOp::create(builder, loc, smemBase.getType(),
                             builder.getI8Type(), smemBase, offset);
}
Value NvvmBuilder::smemAddress(Value offset) {
  return add(smemBaseAddress, offset);
}
NvvmBuilder::Values NvvmBuilder::loadShared(Type type, Value offset,
                                            unsigned count) {
  if (count == 1)
    return {LLVM::LoadOp::create(builder, loc, type, smemPointer(offset))};
  // A vector only on its way: elements are taken out at once.
  Value vector = LLVM::LoadOp::create(
      builder, loc, VectorType::get({count}, type), smemPointer(offset),
      count * type.getIntOrFloatBitWidth() / 8);
  Values values;
  for (unsigned i = 0; i < count; ++i)
    values.push_back(
        LLVM::ExtractElementOp::create(builder, loc, vector, constI32(i)));
  return values;
}
void NvvmBuilder::storeShared(ValueRange values, Value offset) {
  if (values.size() == 1) {
    LLVM::StoreOp::create(builder, loc, values.front(), smemPointer(offset));
    return;
  }
  Type type = values.front().getType();
  unsigned count = values.size();
  Value vector = poison(VectorType::get({count}, type));
  for (unsigned i = 0; i < count; ++i)
    vector = LLVM::InsertElementOp::create(builder, loc, vector, values[i],
                                           constI32(i));
  LLVM::StoreOp::create(builder, loc, vector, smemPointer(offset),
                        count * type.getIntOrFloatBitWidth() / 8);
}
/// What an address in assembly adds to its register.
static std::string displacement(int64_t plus) {
  return plus ? "+" + std::to_string(plus) : "";
}
NvvmBuilder::Values NvvmBuilder::loadMatrices(Value offset, unsigned count,
                                              bool transpose, int64_t plus) {
  std::string regs;
  for (unsigned i = 0; i < count; ++i)
    regs += (i ? ", $" : "$") + std::to_string(i);
  std::string text = "ldmatrix.sync.aligned.m8n8.x" + std::to_string(count) +
                     (transpose ? ".trans" : "") + ".shared.b16 {" + regs +
                     "}, [$" + std::to_string(count) + displacement(plus) +
                     "];";
  return assembly(text, SmallVector<Type>(count, i32), {}, smemAddress(offset));
}
void NvvmBuilder::storeMatrices(ValueRange registers, Value offset,
                                bool transpose) {
  NVVM::StMatrixOp::create(
      builder, loc, smemPointer(offset), registers,
      transpose ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(builder.getContext(), 8, 8),
      NVVM::LdStMatrixEltType::B16);
}

void NvvmBuilder::prefetchTensorMap(Value map) {
  NVVM::PrefetchOp::create(builder, loc, NVVM::PrefetchCacheLevelAttr(),
                           NVVM::CacheEvictionPriorityAttr(), map, Value(),
                           /*tensormap=*/true);
}
void NvvmBuilder::barrierInit(Value offset, int64_t count) {
  NVVM::MBarrierInitOp::create(builder, loc, smemPointer(offset),
                               constI32(count), Value());
}
void NvvmBuilder::fenceBarrierInit() {
  NVVM::FenceMbarrierInitOp::create(builder, loc);
}
void NvvmBuilder::barrierWait(Value offset, Value parity) {
  if (!waitsInHardware) {
    assembly("{\n\t.reg .pred done;\n"
             "again:\n\t"
             "mbarrier.test_wait.parity.shared.b64 done, [$0], $1;\n\t"
             "@!done bra again;\n\t}",
             {}, {}, {smemAddress(offset), parity});
    return;
  }
  // The op brings its own loop; the number is a hint in nanoseconds.
  NVVM::MBarrierTryWaitParityOp::create(builder, loc, smemPointer(offset),
                                        parity, constI32(0x989680));
}
void NvvmBuilder::barrierExpect(Value offset, int64_t bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(
      builder, loc, Type(), smemPointer(offset), constI32(bytes),
      NVVM::MemScopeKind::CTA, /*relaxed=*/false, Value());
}
void NvvmBuilder::barrierArriveIf(Value predicate, Value offset, bool early) {
  if (!waitsInHardware) {
    assembly("{\n\t.reg .b64 state;\n\t"
             "@$1 mbarrier.arrive.shared.b64 state, [$0];\n\t}",
             {}, {}, {smemAddress(offset), predicate});
    return;
  }
  Value address = early ? Value(LLVM::PtrToIntOp::create(builder, loc, i32,
                                                         smemPointer(offset)))
                        : smemAddress(offset);
  assembly("@$1 mbarrier.arrive.shared::cta.b64 _, [$0];", {}, {},
           {address, predicate});
}
Value NvvmBuilder::smemOfBlock(Value rank) {
  return assembly("mapa.shared::cluster.u32 $0, $1, $2;", i32, {},
                  {smemBaseAddress, rank})
      .front();
}
void NvvmBuilder::storeInBlock(Value value, Value smem, int64_t offset) {
  assembly("st.shared::cluster.u32 [$0], $1;", {}, {},
           {add(smem, offset), value});
}
void NvvmBuilder::barrierArriveInBlock(Value smem, int64_t offset) {
  assembly("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [$0];", {},
           {}, {add(smem, offset)});
}
void NvvmBuilder::barrierWaitInCluster(Value offset, Value parity) {
  assembly(
      "{\n\t.reg .pred done;\n"
      "again:\n\t"
      "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [$0], "
      "$1;\n\t"
      "@!done bra again;\n\t}",
      {}, {}, {smemAddress(offset), parity});
}
void NvvmBuilder::barrierArriveInBlockIf(Value predicate, Value smem,
                                         Value offset) {
  assembly("@$1 mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [$0];",
           {}, {}, {add(smem, offset), predicate});
}
void NvvmBuilder::tmaLoad(Value offset, Value map, Value barrierOffset,
                          ValueRange coordinates, int64_t blocks) {
  Value target = LLVM::AddrSpaceCastOp::create(
      builder, loc,
      LLVM::LLVMPointerType::get(builder.getContext(), clusterSpace),
      smemPointer(offset));
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      builder, loc, target, map, coordinates, smemPointer(barrierOffset), {},
      blocks > 1 ? constInt((1 << blocks) - 1, i16) : Value(), Value(),
      NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false, NVVM::CTAGroupKindAttr(),
      Value());
}
void NvvmBuilder::tmaStoreIf(Value predicate, Value offset, Value map,
                             ValueRange coordinates) {
  Values inputs{predicate, map, smemAddress(offset)};
  std::string at;
  for (Value coordinate : coordinates) {
    at += (at.empty() ? "$" : ", $") + std::to_string(inputs.size());
    inputs.push_back(coordinate);
  }
  assembly("@$0 cp.async.bulk.tensor." + std::to_string(coordinates.size()) +
               "d.global.shared::cta.bulk_group [$1, {" + at + "}], [$2];",
           {}, {}, inputs);
}
void NvvmBuilder::tmaCommitIf(Value predicate) {
  assembly("@$0 cp.async.bulk.commit_group;", {}, {}, predicate);
}
void NvvmBuilder::tmaWaitIf(Value predicate, bool readOnly) {
  assembly(readOnly ? "@$0 cp.async.bulk.wait_group.read 0;"
                    : "@$0 cp.async.bulk.wait_group 0;",
           {}, {}, predicate);
}
void NvvmBuilder::fenceAsync() {
  assembly("fence.proxy.async.shared::cta;", {}, {}, {});
}

void NvvmBuilder::copyAsync(Value offset, int64_t plus, Value pointer,
                            Value bytes, Value predicate) {
  Values inputs{smemAddress(offset), pointer, bytes};
  std::string text =
      "cp.async.cg.shared.global [$0" + displacement(plus) + "], [$1], 16, $2;";
  if (predicate) {
    text = "@$3 " + text;
    inputs.push_back(predicate);
  }
  assembly(text, {}, {}, inputs);
}
void NvvmBuilder::barrierArriveOnCopies(Value offset) {
  assembly("cp.async.mbarrier.arrive.noinc.shared.b64 [$0];", {}, {},
           smemAddress(offset));
}
