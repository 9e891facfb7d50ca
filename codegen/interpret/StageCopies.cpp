//===- StageCopies.cpp - The copy engine, both ways, and cp.async ---------===//
#include "codegen/interpret/StageMachine.h"
#include "codegen/passes/Hints.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using stage::SmemType;

bool Machine::makeBoxes(Agent &agent, Operation *op, const TileRef &ref,
                        Value tensor, OperandRange coords, ArrayAttr at,
                        int part, int parts, Copy &copy) {
  SmemType type = ref.type;
  copy.tensor = valueOf(agent, tensor).tensorPtr;
  SmallVector<int64_t> corner = numbersOf(agent, coords);
  int64_t element = bytesOf(copy.tensor->type);
  SmallVector<int64_t> extents(type.getExtents());
  if (extents[0] % parts) {
    fail("structure", op,
         "its first axis, of " + Twine(extents[0]) +
             " elements, is no multiple of the role's " + Twine(parts) +
             " warpgroups");
    return false;
  }
  extents[0] /= parts;

  size_t last = extents.size() - 1;
  if (last == 0 && parts > 1) {
    fail("unsupported", op,
         "a tile of one axis cannot be cut among warpgroups");
    return false;
  }

  // Boxes: the last axis in slabs of the swizzle's width; of the rows as many
  // as a box takes and are consecutive.
  constexpr int64_t boxSideLimit = 256;
  int64_t columns = type.getSwizzle() ? type.getSwizzle() / element
                                      : type.getExtents().back();
  int64_t rowBytes = columns * element;
  SmallVector<int64_t> side(extents.size(), 1), strides(extents.size(), 0);
  side[last] = columns;
  bool isWhole = true;
  int64_t rows = 1;
  for (size_t i = last; i-- > 0;) {
    strides[i] = rows;
    rows *= type.getExtents()[i];
    if (!isWhole)
      continue;
    side[i] = extents[i];
    while (side[i] > boxSideLimit || extents[i] % side[i])
      --side[i];
    isWhole = side[i] == type.getExtents()[i];
  }
  SmallVector<int64_t> counts;
  int64_t boxes = 1;
  for (auto [extent, length] : llvm::zip(extents, side)) {
    counts.push_back(extent / length);
    boxes *= extent / length;
  }
  for (int64_t number = 0; number < boxes; ++number) {
    // Where the box starts in the tile.
    auto place = interpret::coordinatesOf(counts, number);
    for (auto [start, length] : llvm::zip(place, side))
      start *= length;
    place[0] += part * extents[0];
    int64_t row = 0;
    for (size_t i = 0; i < last; ++i)
      row += place[i] * strides[i];
    hardware::TensorBox box;
    box.elementBytes = element;
    box.swizzleBytes = static_cast<int>(type.getSwizzle());
    box.sharedAddress =
        ref.address +
        static_cast<uint32_t>(place[last] / columns * rows * rowBytes +
                              row * rowBytes);
    for (size_t dim = corner.size(); dim-- > 0;) {
      const StringAttr *found =
          llvm::find(type.getAxes(), cast<StringAttr>(at[dim]));
      size_t axis = found - type.getAxes().begin();
      bool isAlong = found != type.getAxes().end();
      box.sizes.push_back(copy.tensor->sizes[dim]);
      box.strides.push_back(copy.tensor->strides[dim]);
      box.coords.push_back(corner[dim] + (isAlong ? place[axis] : 0));
      box.box.push_back(isAlong ? side[axis] : 1);
    }
    if (std::string error = box.error(); !error.empty()) {
      fail("tensor map", op, Twine(error));
      return false;
    }
    copy.boxes.push_back(std::move(box));
  }
  return true;
}

Machine::Step Machine::tmaLoad(Agent &agent, stage::TmaLoadOp op) {
  if (agent.group != 0)
    return Step::done;
  const TileRef &ref = valueOf(agent, op.getSlot()).ref;
  Channel &channel = *ref.channel;
  if (channel.isMulticast)
    return multicast(agent, op);
  Message &message = channel.message(ref.message);
  if (message.isIssued[ref.tile]) {
    report("copy", op, nullptr,
           describe(op) + ": a second copy into one tile of message " +
               Twine(ref.message) + " of " + channel.name() +
               "; needs stage.acquire between");
    return Step::done;
  }
  message.isIssued[ref.tile] = 1;
  Copy copy;
  copy.op = op;
  copy.channel = &channel;
  copy.message = ref.message;
  copy.tile = ref.tile;
  copy.component =
      channel
          .components[ref.message % channel.depth * channel.tiles + ref.tile];
  copy.time = ref.message / channel.depth + 1;
  copy.known = electedClock(agent);
  if (!makeBoxes(agent, op, ref, op.getTensor(), op.getCoords(), op.getAt(), 0,
                 1, copy))
    return Step::stop;
  loads.push_back(std::move(copy));
  return Step::done;
}

/// Do all blocks copy the same into a tile of a message?
bool Machine::checkSource(Agent &agent, stage::TmaLoadOp op, Message &message,
                          const TileRef &ref) {
  SmallVector<int64_t> coords = numbersOf(agent, op.getCoords());
  message.sources.resize(ref.channel->tiles);
  auto &[first, at] = message.sources[ref.tile];
  if (!first) {
    first = op;
    at.assign(coords.begin(), coords.end());
  }
  if (cast<stage::TmaLoadOp>(first).getTensor() == op.getTensor() &&
      ArrayRef(at) == ArrayRef(coords))
    return true;
  report("multicast", op, first,
         describe(op) + " of " + agent.name + ": blocks of a cluster copy " +
             "different boxes into message " + Twine(ref.message) + " of " +
             ref.channel->name() +
             "; a multicast needs messages that are the same in all blocks");
  return false;
}

/// This block's part of the tile, into the slots of all blocks.
Machine::Step Machine::multicast(Agent &agent, stage::TmaLoadOp op) {
  TileRef ref = valueOf(agent, op.getSlot()).ref;
  size_t place =
      ref.message % ref.channel->depth * ref.channel->tiles + ref.tile;
  for (Machine &block : cluster.blocks) {
    Channel &channel = *block.channelOf[ref.channel->op];
    Message &message = channel.message(ref.message);
    Copy copy;
    copy.op = op;
    copy.channel = &channel;
    copy.message = ref.message;
    copy.tile = ref.tile * channel.parts + rank;
    if (message.isIssued[copy.tile]) {
      report("copy", op, nullptr,
             describe(op) + ": a second copy into one tile of message " +
                 Twine(ref.message) + " of " + channel.name() +
                 "; needs stage.acquire between");
      return Step::done;
    }
    if (!checkSource(agent, op, message, ref))
      return Step::done;
    message.isIssued[copy.tile] = 1;
    copy.component = channel.components[place];
    copy.time = ref.message / channel.depth + 1;
    copy.known = electedClock(agent);
    ref.address = channel.addresses[place];
    if (!makeBoxes(agent, op, ref, op.getTensor(), op.getCoords(), op.getAt(),
                   static_cast<int>(rank), channel.parts, copy))
      return Step::stop;
    block.loads.push_back(std::move(copy));
  }
  return Step::done;
}

Machine::Step Machine::asyncLoad(Agent &agent, stage::AsyncLoadOp op) {
  const TileRef &ref = valueOf(agent, op.getSlot()).ref;
  Channel &channel = *ref.channel;
  Message &message = channel.message(ref.message);
  unsigned number = ref.tile * agent.groups + agent.group;
  if (message.isIssued[number]) {
    report("copy", op, nullptr,
           describe(op) + ": a second copy into one tile of message " +
               Twine(ref.message) + " of " + channel.name() +
               "; needs stage.acquire between");
    return Step::done;
  }
  message.isIssued[number] = 1;
  Copy copy;
  copy.op = op;
  copy.channel = &channel;
  copy.message = ref.message;
  copy.tile = number;
  copy.isAsync = false;
  copy.component =
      channel
          .components[ref.message % channel.depth * channel.tiles + ref.tile];
  copy.time = ref.message / channel.depth + 1;
  copy.known = agent.known;
  if (!makeRows(agent, op, ref, copy))
    return Step::stop;
  loads.push_back(std::move(copy));
  return Step::done;
}

/// The share of a warpgroup: every `groups`-th row of each slab.
bool Machine::makeRows(Agent &agent, stage::AsyncLoadOp op, const TileRef &ref,
                       Copy &copy) {
  SmemType type = ref.type;
  copy.tensor = valueOf(agent, op.getTensor()).tensorPtr;
  SmallVector<int64_t> corner = numbersOf(agent, op.getCoords());
  int64_t element = bytesOf(copy.tensor->type);
  int64_t last = static_cast<int64_t>(type.getAxes().size()) - 1;
  if (!type.getSwizzle()) {
    fail("unsupported", op, "copies into a tile without a swizzle");
    return false;
  }
  int64_t columns = type.getSwizzle() / element;
  for (int64_t row = agent.group; row < type.rows(); row += agent.groups)
    for (int64_t slab = 0; slab * columns < type.getExtents().back(); ++slab) {
      auto at = interpret::coordinatesOf(type.getExtents().drop_back(), row);
      at.push_back(slab * columns);
      hardware::TensorBox box;
      box.elementBytes = element;
      box.swizzleBytes = static_cast<int>(type.getSwizzle());
      box.sharedAddress =
          ref.address +
          static_cast<uint32_t>((slab * type.rows() + row) * type.getSwizzle());
      for (size_t dim = corner.size(); dim-- > 0;) {
        const StringAttr *found =
            llvm::find(type.getAxes(), cast<StringAttr>(op.getAt()[dim]));
        int64_t axis = found - type.getAxes().begin();
        box.sizes.push_back(copy.tensor->sizes[dim]);
        box.strides.push_back(copy.tensor->strides[dim]);
        box.coords.push_back(corner[dim] + (axis <= last ? at[axis] : 0));
        box.box.push_back(axis == last ? columns : 1);
      }
      copy.boxes.push_back(std::move(box));
    }
  return true;
}

/// Calls `visit` with the shared address of each run of 16 bytes of the box,
/// and the offset in the tensor of each of its elements.
template <class F>
static void forEachRun(const hardware::TensorBox &box, const F &visit) {
  SmallVector<std::optional<int64_t>, 16> offsets;
  uint32_t start = 0;
  box.forEach([&](uint32_t address, std::optional<int64_t> offset) {
    if (offsets.empty())
      start = address;
    offsets.push_back(offset);
    if (static_cast<int64_t>(offsets.size()) * box.elementBytes == 16) {
      visit(start, offsets);
      offsets.clear();
    }
  });
}

void Machine::land(Copy &copy) {
  Actor who{copy.component, copy.time, copy.op, copy.isAsync, &copy.known};
  // Of rows that are said to be held whole, whole pieces are copied, whatever
  // the extent is: behind it lies padding.
  bool wholePieces = copy.op->hasAttr(hints::wholeRows);
  for (const hardware::TensorBox &box : copy.boxes)
    forEachRun(box, [&](uint32_t address, auto &offsets) {
      uint8_t bytes[GlobalTensor::pieceBytes] = {};
      if (wholePieces && offsets[0])
        for (auto [i, offset] : llvm::enumerate(offsets))
          offset = *offsets[0] + int64_t(i) * box.elementBytes;
      for (auto [i, offset] : llvm::enumerate(offsets))
        if (offset)
          std::copy_n(copy.tensor->bytes.begin() + *offset, box.elementBytes,
                      bytes + i * box.elementBytes);
      memory.write(who, address, 16, -1, bytes);
    });
  Message &message = copy.channel->message(copy.message);
  message.hasLanded[copy.tile] = 1;
  message.full.join(copy.known);
  message.full.raise(copy.component, copy.time);
}

Machine::Step Machine::tmaStore(Agent &agent, stage::TmaStoreOp op) {
  const TileRef &ref = valueOf(agent, op.getSource()).ref;
  checkHeld(op, ref);
  Copy copy;
  copy.op = op;
  copy.component = agent.store;
  copy.time = ++agent.storesIssued;
  copy.tileNumber = tiles[agent.tile].number;
  copy.known = electedClock(agent);
  if (!makeBoxes(agent, op, ref, op.getTensor(), op.getCoords(), op.getAt(),
                 agent.group, agent.groups, copy))
    return Step::stop;
  agent.lastStore = op;
  agent.stores.push_back(std::move(copy));
  return Step::done;
}

void Machine::flush(Copy &copy, Agent &agent) {
  Actor who{copy.component, copy.time, copy.op, /*isAsync=*/true, &copy.known};
  for (const hardware::TensorBox &box : copy.boxes)
    forEachRun(box, [&](uint32_t address, auto &offsets) {
      uint8_t bytes[GlobalTensor::pieceBytes];
      memory.read(who, address, 16, -1, bytes);
      if (offsets.front() && !offsets.back())
        report("padding", copy.op, nullptr,
               describe(copy.op) + " of " + agent.name + " writes whole " +
                   Twine(GlobalTensor::pieceBytes) + " bytes, and a row of '" +
                   copy.tensor->name +
                   "' ends inside of them: it writes behind the row; needs "
                   "stage.global_store");
      for (auto [i, offset] : llvm::enumerate(offsets))
        if (offset)
          storeElement(agent, copy.op, *copy.tensor, copy.tileNumber, *offset,
                       decode(copy.tensor->type, bytes + i * box.elementBytes),
                       /*adds=*/false);
    });
}

Machine::Step Machine::tmaStoreWait(Agent &agent, stage::TmaStoreWaitOp op) {
  if (isDisabled(op))
    return Step::done;
  if (!agent.stores.empty()) {
    agent.waitsFor = "for its bulk stores";
    return Step::blocked;
  }
  // Bulk groups belong to the thread that issued them; the others wait for it.
  agent.known.raise(agent.store, agent.storesIssued);
  return Step::done;
}
