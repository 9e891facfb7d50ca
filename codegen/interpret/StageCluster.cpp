//===- StageCluster.cpp - Blocks that run at the same time ----------------===//
#include "codegen/interpret/StageMachine.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::interpret;

Cluster::Cluster(Launch &launch, std::vector<std::vector<GridTile>> tiles)
    : launch(launch) {
  for (auto [rank, ofBlock] : llvm::enumerate(tiles))
    blocks.emplace_back(*this, rank, std::move(ofBlock));
}

void Cluster::run() {
  for (Machine &block : blocks)
    if (!block.setUp())
      return;
  std::vector<Machine::Choice> choices;
  while (!isStopped && !launch.reporter.isFull()) {
    choices.clear();
    for (Machine &block : blocks)
      block.offer(choices);
    if (choices.empty())
      break;
    int total = 0;
    for (const Machine::Choice &choice : choices)
      total += choice.weight;
    int pick = static_cast<int>(launch.random() % total);
    auto choice = choices.begin();
    while (pick >= choice->weight)
      pick -= (choice++)->weight;
    choice->block->perform(*choice);
  }
  for (Machine &block : blocks)
    launch.smemBytes = std::max(launch.smemBytes, block.memory.size());
  if (isStopped || launch.reporter.isFull())
    return;
  std::string text = "nothing can go on";
  Operation *first = nullptr;
  for (Machine &block : blocks)
    if (Operation *op = block.describeWaits(text); !first)
      first = op;
  if (first) {
    launch.reporter.report("deadlock", first, nullptr, text);
    return;
  }
  for (Machine &block : blocks)
    block.checkEnd();
}

void Machine::offer(std::vector<Choice> &choices) {
  auto add = [&](auto what, size_t index, int weight) {
    choices.push_back({what, this, index, weight});
  };
  for (Agent &agent : agents) {
    if (!agent.isDone && agent.blockedAt != progress)
      add(Choice::agent, agent.index, agent.weight);
    if (!agent.products.empty())
      add(Choice::pipe, agent.index, pipeWeight);
    if (!agent.stores.empty())
      add(Choice::store, agent.index, storeWeight);
  }
  for (size_t i = 0; i < loads.size(); ++i)
    add(Choice::load, i, loadWeight);
}

void Machine::perform(const Choice &choice) {
  switch (choice.what) {
  case Choice::agent: {
    Agent &agent = agents[choice.index];
    if (!advance(agent))
      agent.blockedAt = progress;
    break;
  }
  case Choice::pipe: {
    Agent &agent = agents[choice.index];
    multiply(agent, agent.products.front());
    agent.executed = agent.products.front().number;
    agent.products.pop_front();
    ++progress;
    break;
  }
  case Choice::store: {
    Agent &agent = agents[choice.index];
    size_t which = launch.random() % agent.stores.size();
    flush(agent.stores[which], agent);
    agent.stores.erase(agent.stores.begin() + which);
    ++progress;
    break;
  }
  case Choice::load:
    land(loads[choice.index]);
    loads.erase(loads.begin() + choice.index);
    ++progress;
    break;
  }
}
