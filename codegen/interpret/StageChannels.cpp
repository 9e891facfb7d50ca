//===- StageChannels.cpp - Channels, copies, barriers and fences ----------===//
#include "codegen/interpret/StageMachine.h"
#include "codegen/passes/Hints.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;
using stage::SmemType;

Message &Channel::message(unsigned number) {
  while (number >= messages.size()) {
    messages.emplace_back();
    messages.back().isIssued.resize(copies());
    messages.back().hasLanded.resize(copies());
  }
  return messages[number];
}

Machine::Step Machine::executeSync(Agent &agent, Operation &op) {
  return llvm::TypeSwitch<Operation *, Step>(&op)
      .Case([&](stage::ChannelOp op) { return makeChannel(agent, op); })
      .Case([&](stage::BufferOp op) { return makeBuffer(agent, op); })
      .Case([&](stage::AcquireOp op) { return acquire(agent, op); })
      .Case([&](stage::GetOp op) { return get(agent, op); })
      .Case([&](stage::ReleaseOp op) { return release(agent, op); })
      .Case([&](stage::TmaLoadOp op) { return tmaLoad(agent, op); })
      .Case([&](stage::AsyncLoadOp op) { return asyncLoad(agent, op); })
      .Case([&](stage::TmaStoreOp op) { return tmaStore(agent, op); })
      .Case([&](stage::TmaStoreWaitOp op) { return tmaStoreWait(agent, op); })
      .Case([&](stage::BarrierOp op) { return barrier(agent, op); })
      .Case([&](stage::TurnOp op) { return turn(agent, op); })
      .Case([&](stage::ViewOp view) {
        RtValue value = valueOf(agent, view.getSource());
        value.ref.type = view.getType();
        agent.values[view.getResult()] = std::move(value);
        return Step::done;
      })
      .Case([&](stage::FenceAsyncOp) {
        if (!isDisabled(&op))
          memory.fence(agent.component(), ++agent.now);
        return Step::done;
      })
      .Case([&](stage::MmaFenceOp) {
        if (!isDisabled(&op)) {
          agent.isFenced = true;
          agent.fencedAt = ++agent.now;
        }
        return Step::done;
      })
      .Default([&](Operation *) {
        return fail("unsupported", &op,
                    "the stage interpreter does not know it");
      });
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Where the widest swizzle's pattern repeats.
constexpr int64_t kAlignment = 1024;

/// Do threads read the tile by ordinary loads?
static bool isReadByThreads(Value tile) {
  return llvm::any_of(tile.getUsers(), [](Operation *user) {
    if (auto view = dyn_cast<stage::ViewOp>(user))
      return isReadByThreads(view);
    return isa<stage::ReadOp, stage::SimtDotOp, stage::MmaSyncOp>(user);
  });
}

/// Is the channel filled by all threads of the role, not by the copy engine?
static bool isFilledByThreads(stage::ChannelOp op) {
  return llvm::any_of(op.getResult().getUsers(), [](Operation *user) {
    auto acquire = dyn_cast<stage::AcquireOp>(user);
    return acquire && llvm::any_of(acquire->getUsers(), [](Operation *copy) {
             return isa<stage::AsyncLoadOp>(copy);
           });
  });
}

/// Slabs must start where the pattern does, or the type's offsets and the
/// hardware's, which go by address, part.
static bool slabsAreAligned(SmemType type) {
  int64_t rowBytes = type.sizeInBytes() / type.rows();
  return !type.getSwizzle() || rowBytes == type.getSwizzle() ||
         type.rows() % 8 == 0;
}

Machine::Step Machine::makeChannel(Agent &agent, stage::ChannelOp op) {
  // In all blocks: others may come to it first.
  for (Machine &block : cluster.blocks) {
    Channel *&channel = block.channelOf[op];
    if (channel)
      continue;
    channel = &block.channels.emplace_back();
    if (Step step = block.allocateChannel(*channel, op, agent.groups);
        step != Step::done)
      return step;
  }
  RtValue &slot = agent.values[op.getResult()];
  slot = {};
  slot.kind = RtValue::channel;
  slot.channelPtr = channelOf[op];
  return Step::done;
}

Machine::Step Machine::allocateChannel(Channel &channel, stage::ChannelOp op,
                                       int groups) {
  channel.op = op;
  channel.depth = static_cast<unsigned>(op.getDepth());
  channel.arrivals = static_cast<int>(op.getArrivals());
  channel.tiles = op.getType().getMessage().size();
  if (isFilledByThreads(op))
    channel.parts = groups;
  if (op.getMulticast()) {
    channel.isMulticast = true;
    channel.parts = static_cast<int>(cluster.blocks.size());
    channel.arrivals *= channel.parts;
  }
  for (Operation *user : op.getResult().getUsers())
    if (auto get = dyn_cast<stage::GetOp>(user))
      channel.isReadByThreads |= llvm::any_of(get.getSlots(), isReadByThreads);
  for (unsigned slot = 0; slot < channel.depth; ++slot)
    for (auto [i, message] : llvm::enumerate(op.getType().getMessage())) {
      auto type = cast<SmemType>(message);
      std::string name = channel.name() + " slot " + std::to_string(slot);
      if (channel.tiles > 1)
        name += " tile " + std::to_string(i);
      if (cluster.blocks.size() > 1)
        name += " of block " + std::to_string(rank);
      channel.addresses.push_back(
          memory.allocate(type.sizeInBytes(), kAlignment, name));
      channel.components.push_back(components.size());
      components.push_back(
          {ComponentKind::bulkLoad, "the copy engine (" + name + ")", ~0u});
      if (!slabsAreAligned(type))
        return fail("layout", op,
                    "a swizzled tile of several slabs needs a multiple of 8 "
                    "rows");
    }
  if (memory.size() > launch.smemLimit)
    return fail("resources", op,
                "shared memory comes to " + Twine(memory.size()) +
                    " bytes, a block has " + Twine(launch.smemLimit));
  return Step::done;
}

Machine::Step Machine::makeBuffer(Agent &agent, stage::BufferOp op) {
  SmemType type = op.getType();
  auto [found, isNew] = bufferOf.try_emplace(op, 0);
  if (isNew)
    found->second = memory.allocate(type.sizeInBytes(), kAlignment,
                                    ("buffer '" + op.getName() + "'").str());
  if (!slabsAreAligned(type))
    return fail("layout", op,
                "a swizzled tile of several slabs needs a multiple of 8 rows");
  if (memory.size() > launch.smemLimit)
    return fail("resources", op,
                "shared memory comes to " + Twine(memory.size()) +
                    " bytes, a block has " + Twine(launch.smemLimit));
  RtValue &slot = agent.values[op.getResult()];
  slot = {};
  slot.kind = RtValue::tile;
  slot.ref.type = type;
  slot.ref.address = found->second;
  return Step::done;
}

bool Machine::checkHeld(Operation *op, const TileRef &ref) {
  if (!ref.holding || !ref.holding->release)
    return true;
  report("released", op, ref.holding->release,
         describe(op) + " uses message " + Twine(ref.message) + " of " +
             ref.channel->name() + " after " + describe(ref.holding->release) +
             "; needs the release after the last use");
  return false;
}

//===----------------------------------------------------------------------===//
// Messages
//===----------------------------------------------------------------------===//

static void giveTiles(Agent &agent, Channel &channel, unsigned message,
                      ResultRange results,
                      const std::shared_ptr<Holding> &holding) {
  unsigned slot = message % channel.depth;
  for (auto [i, result] : llvm::enumerate(results)) {
    RtValue &value = agent.values[result];
    value = {};
    value.kind = RtValue::tile;
    value.ref.type = cast<SmemType>(result.getType());
    value.ref.address = channel.addresses[slot * channel.tiles + i];
    value.ref.channel = &channel;
    value.ref.message = message;
    value.ref.tile = i;
    value.ref.holding = holding;
  }
}

Machine::Step Machine::acquire(Agent &agent, stage::AcquireOp op) {
  Channel &channel = *valueOf(agent, op.getChannel()).channelPtr;
  // One thread of the role works the producer's side: that of its first
  // warpgroup.
  unsigned &own = agent.acquires[&channel];
  if (channel.parts && !channel.isMulticast)
    return acquireTogether(agent, channel, op);
  if (agent.group != 0) {
    giveTiles(agent, channel, own++, op.getResults(), nullptr);
    return Step::done;
  }
  if (channel.producer >= 0 &&
      channel.producer != static_cast<int>(agent.index))
    return fail("structure", op,
                agent.name + " and " + agents[channel.producer].name +
                    " both write " + channel.name());
  unsigned number = channel.acquired;
  if (number >= channel.depth && !isDisabled(op)) {
    Message &previous = channel.message(number - channel.depth);
    if (previous.releases < channel.arrivals) {
      agent.waitsFor =
          ("for the slot of message " + Twine(number - channel.depth) + " of " +
           channel.name() + ", released by " + Twine(previous.releases) +
           " of " + Twine(channel.arrivals) + " warpgroups")
              .str();
      return Step::blocked;
    }
    if (!electedClock(agent).covers(previous.released))
      launch.waits.insert(op);
    agent.elected.join(previous.released);
  }
  channel.producer = static_cast<int>(agent.index);
  Message &message = channel.message(number);
  message.acquire = op;
  message.isSpare = agent.tile + agent.isAhead >= tiles.size();
  ++channel.acquired;
  ++launch.messages;
  ++own;
  giveTiles(agent, channel, number, op.getResults(), nullptr);
  return Step::done;
}

/// All warps of the role fill the slot: each waits until it is free.
Machine::Step Machine::acquireTogether(Agent &agent, Channel &channel,
                                       stage::AcquireOp op) {
  unsigned &own = agent.acquires[&channel];
  if (own >= channel.depth && !isDisabled(op)) {
    Message &previous = channel.message(own - channel.depth);
    if (previous.releases < channel.arrivals) {
      agent.waitsFor =
          ("for the slot of message " + Twine(own - channel.depth) + " of " +
           channel.name() + ", released by " + Twine(previous.releases) +
           " of " + Twine(channel.arrivals) + " warpgroups")
              .str();
      return Step::blocked;
    }
    if (!agent.known.covers(previous.released))
      launch.waits.insert(op);
    agent.known.join(previous.released);
  }
  channel.message(own).acquire = op;
  launch.messages += own + 1 > channel.acquired;
  channel.acquired = std::max(channel.acquired, own + 1);
  giveTiles(agent, channel, own++, op.getResults(), nullptr);
  return Step::done;
}

Machine::Step Machine::get(Agent &agent, stage::GetOp op) {
  Channel &channel = *valueOf(agent, op.getChannel()).channelPtr;
  unsigned number = agent.reads.lookup(&channel);
  if (!isDisabled(op)) {
    Message &message = channel.message(number);
    if (!message.isFull()) {
      agent.waitsFor =
          ("for message " + Twine(number) + " of " + channel.name()).str();
      return Step::blocked;
    }
    agent.known.join(message.full);
  }
  ++agent.reads[&channel];
  auto holding = std::make_shared<Holding>();
  holding->channel = &channel;
  holding->message = number;
  holding->get = op;
  agent.holdings[&channel].push_back(holding);
  giveTiles(agent, channel, number, op.getResults(), holding);
  return Step::done;
}

Machine::Step Machine::release(Agent &agent, stage::ReleaseOp op) {
  if (isDisabled(op))
    return Step::done;
  Channel &channel = *valueOf(agent, op.getChannel()).channelPtr;
  std::deque<std::shared_ptr<Holding>> &held = agent.holdings[&channel];
  if (held.empty()) {
    report("release", op, nullptr,
           describe(op) + " of " + agent.name + ": it holds no message of " +
               channel.name() + "; needs a stage.get for each release");
    return Step::done;
  }
  held.front()->release = op;
  unsigned number = held.front()->message;
  Message &message = channel.message(number);
  held.pop_front();
  if (++message.releases > channel.arrivals) {
    report("release", op, nullptr,
           describe(op) + " of " + agent.name + ": more than " +
               Twine(channel.arrivals) + " warpgroups release a message of " +
               channel.name() +
               "; the channel's arrivals must count all its "
               "readers");
    return Step::done;
  }
  if (channel.isMulticast) {
    // At every block's barrier, relaxed: it says that the products that have
    // been waited for have read the message, which had come, and no more.
    for (Machine &block : cluster.blocks) {
      Message &there = block.channelOf[channel.op]->message(number);
      there.releases += block.rank != rank;
      there.released.join(message.full);
      there.released.raise(agent.pipe, agent.known.at(agent.pipe));
    }
    return Step::done;
  }
  // One thread arrives for the warpgroup: it vouches for what all threads did
  // up to the last barrier, and for products that have been waited for. If
  // threads read the message, each warp arrives, for all that it did.
  message.released.join(agent.known);
  message.released.join(agent.elected);
  if (channel.isReadByThreads)
    message.released.raise(agent.component(), agent.now);
  return Step::done;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

Machine::Step Machine::turn(Agent &agent, stage::TurnOp op) {
  unsigned &ended = turnsEnded[agent.role];
  bool isMine = static_cast<int>(ended % agent.groups) == agent.group;
  if (op.getEnd()) {
    if (!isMine)
      return fail("turn", op, agent.name + " ends a turn that is not its own");
    ++ended;
    return Step::done;
  }
  if (isMine)
    return Step::done;
  agent.waitsFor = "for its turn";
  return Step::blocked;
}

Machine::Step Machine::barrier(Agent &agent, stage::BarrierOp op) {
  if (isDisabled(op))
    return Step::done;
  auto meet = [](Agent &agent) {
    agent.known.join(agent.elected);
    agent.known.raise(agent.component(), ++agent.now);
  };
  if (op.getWarpgroup()) {
    meet(agent);
    return Step::done;
  }
  Rendezvous &place = rendezvous[agent.role];
  if (!agent.isAtBarrier) {
    if (place.arrived && place.op != op)
      return fail("barrier", op,
                  agent.name +
                      " arrives here, another warpgroup of its role "
                      "at " +
                      describe(place.op));
    place.op = op;
    meet(agent);
    place.joined.join(agent.known);
    agent.isAtBarrier = true;
    agent.barrierGeneration = place.generation;
    ++progress;
    if (++place.arrived == agent.groups) {
      place.arrived = 0;
      ++place.generation;
      place.left = place.joined;
      place.joined = Clock();
    }
  }
  if (place.generation == agent.barrierGeneration) {
    agent.waitsFor = "for the other warpgroups of its role";
    return Step::blocked;
  }
  agent.known.join(place.left);
  agent.isAtBarrier = false;
  return Step::done;
}
