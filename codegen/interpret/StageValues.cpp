//===- StageValues.cpp - Registers, and the layouts they follow -----------===//
#include "codegen/interpret/StageValues.h"
#include <cstring>

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using stage::FragAttr;
using tile::TileType;

SmallVector<int64_t, 4> interpret::coordinatesOf(ArrayRef<int64_t> extents,
                                                 int64_t element) {
  SmallVector<int64_t, 4> result(extents.size());
  for (size_t i = extents.size(); i-- > 0;) {
    result[i] = element % extents[i];
    element /= extents[i];
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

const Layout *Layouts::find(TileType type, std::string &why) {
  std::unique_ptr<Layout> &slot = layouts[type];
  if (slot)
    return slot.get();
  auto attr = dyn_cast_or_null<FragAttr>(type.getLayout());
  if (!attr) {
    why = "a tile in registers needs a #stage.frag layout";
    return nullptr;
  }
  if (!type.isBound()) {
    why = "a tile in registers needs known extents";
    return nullptr;
  }
  if (!covers(type)) {
    why = "its layout holds elements outside the tile, or not all of it";
    return nullptr;
  }
  auto layout = std::make_unique<Layout>();
  layout->type = type;
  layout->registers = static_cast<int>(numRegisters(attr));
  layout->threads = static_cast<int>(numWarps(attr) * 32);

  // Coordinates add up over the three resources, and so do element numbers.
  auto linear = [&](ArrayRef<Digit> digits, int64_t value) {
    Coordinates at;
    addCoordinates(digits, value, at);
    int64_t result = 0;
    for (auto [axis, extent] : llvm::zip(type.getAxes(), type.getExtents()))
      result = result * extent + at.lookup(axis);
    return static_cast<int32_t>(result);
  };
  size_t cells = static_cast<size_t>(layout->registers) * layout->threads;
  layout->element.resize(cells);
  layout->isOwner.resize(cells);
  for (int reg = 0; reg < layout->registers; ++reg)
    for (int thread = 0; thread < layout->threads; ++thread)
      layout->element[static_cast<size_t>(reg) * layout->threads + thread] =
          linear(attr.getReg(), reg) + linear(attr.getLane(), thread % 32) +
          linear(attr.getWarp(), thread / 32);
  std::vector<int> owner(static_cast<size_t>(type.numElements()), -1);
  for (int thread = 0; thread < layout->threads; ++thread)
    for (int reg = 0; reg < layout->registers; ++reg) {
      int &first = owner[static_cast<size_t>(layout->elementOf(reg, thread))];
      if (first < 0) {
        first = thread;
        layout->isOwner[static_cast<size_t>(reg) * layout->threads + thread] =
            1;
      } else if (first / kGroupThreads != thread / kGroupThreads) {
        layout->repeatsAcrossGroups = true;
      }
    }
  slot = std::move(layout);
  return slot.get();
}

const SmallVector<int64_t> *Layouts::match(TileType result, TileType operand) {
  std::unique_ptr<SmallVector<int64_t>> &slot = matches[{result, operand}];
  if (!slot) {
    FailureOr<SmallVector<int64_t>> map = matchRegisters(result, operand);
    if (failed(map))
      return nullptr;
    slot = std::make_unique<SmallVector<int64_t>>(std::move(*map));
  }
  return slot.get();
}

ReductionPlan interpret::planReduction(TileType operand,
                                       ArrayRef<StringAttr> axes) {
  auto attr = cast<FragAttr>(operand.getLayout());
  ReductionPlan plan;
  plan.partOf.resize(numWarps(attr));
  int64_t below = 1;
  for (const Digit &digit : attr.getWarp()) {
    if (digit.axis && digit.size > 1 && llvm::is_contained(axes, digit.axis)) {
      for (auto [warp, part] : llvm::enumerate(plan.partOf))
        part +=
            static_cast<int>(static_cast<int64_t>(warp) / below % digit.size) *
            plan.parts;
      plan.parts *= static_cast<int>(digit.size);
    }
    below *= digit.size;
  }
  int bit = 0;
  for (const Digit &digit : attr.getLane())
    for (int64_t size = digit.size; size > 1; size /= 2, ++bit)
      if (digit.axis && llvm::is_contained(axes, digit.axis))
        plan.laneBits.push_back(1 << bit);

  llvm::DenseMap<int64_t, int> registerOf;
  auto key = [&](TileType type, const Coordinates &at) {
    int64_t result = 0;
    for (auto [axis, extent] : llvm::zip(type.getAxes(), type.getExtents()))
      result = result * extent + at.lookup(axis);
    return result;
  };
  plan.result = rowsOf(operand, axes);
  if (plan.result) {
    plan.registers =
        static_cast<int>(numRegisters(cast<FragAttr>(plan.result.getLayout())));
    for (int reg = 0; reg < plan.registers; ++reg)
      registerOf.try_emplace(
          key(plan.result, tilewright::coordinatesOf(plan.result, reg, 0, 0)),
          reg);
  }
  llvm::DenseSet<int64_t> seen;
  for (int64_t reg = 0; reg < numRegisters(attr); ++reg) {
    Coordinates at = tilewright::coordinatesOf(operand, reg, 0, 0);
    bool isNew = seen.insert(key(operand, at)).second;
    int target = plan.result ? registerOf.lookup(key(plan.result, at)) : 0;
    plan.target.push_back(isNew ? target : -1);
  }
  return plan;
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

template <class T> static void put(uint8_t *bytes, T value) {
  std::memcpy(bytes, &value, sizeof value);
}
template <class T> static T take(const uint8_t *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

void interpret::encode(DType type, double value, uint8_t *bytes) {
  value = roundTo(type, value);
  switch (type) {
  case DType::f64:
    return put(bytes, value);
  case DType::f32:
    return put(bytes, static_cast<float>(value));
  case DType::i32:
    return put(bytes, static_cast<int32_t>(value));
  case DType::i1:
    return put(bytes, static_cast<uint8_t>(value != 0));
  case DType::f16:
    return put(bytes, static_cast<_Float16>(value));
  case DType::bf16: {
    float single = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &single, sizeof bits);
    return put(bytes, static_cast<uint16_t>(bits >> 16));
  }
  }
}

double interpret::decode(DType type, const uint8_t *bytes) {
  switch (type) {
  case DType::f64:
    return take<double>(bytes);
  case DType::f32:
    return take<float>(bytes);
  case DType::i32:
    return take<int32_t>(bytes);
  case DType::i1:
    return bytes[0];
  case DType::f16:
    return static_cast<double>(take<_Float16>(bytes));
  case DType::bf16: {
    uint32_t bits = static_cast<uint32_t>(take<uint16_t>(bytes)) << 16;
    float single;
    std::memcpy(&single, &bits, sizeof single);
    return single;
  }
  }
  return 0;
}
