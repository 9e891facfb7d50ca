//===- Registry.cpp - Kernels by name -------------------------------------===//
#include "kernels/Registry.h"
#include "kernels/Flash.h"
#include "kernels/Gemm.h"

using namespace tilewright;
using namespace tilewright::kernels;

/// The choice that an option names; the first if the option is not given.
template <class X>
static const X &choose(const Options &options, const std::string &option,
                       const std::vector<std::pair<std::string, X>> &choices) {
  auto given = options.find(option);
  if (given == options.end())
    return choices.front().second;
  std::string names;
  for (const auto &[name, choice] : choices) {
    if (name == given->second)
      return choice;
    names += (names.empty() ? "" : ", ") + name;
  }
  throw Error({"option " + option + " has no such value", names, given->second,
               "", "choose one of these"});
}

static MaskMod maskOf(const Options &options) {
  return choose<MaskMod>(options, "mask",
                         {{"none", {}},
                          {"causal", causal},
                          {"window", window},
                          {"causal_window", causal & window}});
}

static ScoreMod scoreOf(const Options &options) {
  return choose<ScoreMod>(options, "score",
                          {{"none", {}}, {"softcap", softcap(30)}});
}

static Kernel makeFlash(const Options &options) {
  auto make =
      choose<Kernel (*)(ScoreMod, MaskMod)>(options, "dtype",
                                            {{"bf16", flashForward<bf16>},
                                             {"f16", flashForward<f16>},
                                             {"f32", flashForward<f32>}});
  return make(scoreOf(options), maskOf(options))
      .with(flashOnHopper())
      .with(flashOnCpu());
}

static Kernel makeGemm(const Options &options) {
  auto make = choose<Kernel (*)(ScoreMod)>(
      options, "dtype",
      {{"bf16", gemm<bf16>}, {"f16", gemm<f16>}, {"f32", gemm<f32>}});
  return make(choose<ScoreMod>(options, "epilogue",
                               {{"none", {}}, {"bias_relu", biasRelu}}))
      .with(gemmOnHopper())
      .with(gemmOnCpu());
}

const std::vector<Entry> &kernels::allKernels() {
  static const std::vector<Entry> entries = {
      {"flash_forward", "attention, forward (dtype, mask, score)", makeFlash},
      {"gemm", "matrix product (dtype, epilogue)", makeGemm},
  };
  return entries;
}

Kernel kernels::makeKernel(const std::string &name, const Options &options) {
  std::string names;
  for (const Entry &entry : allKernels()) {
    if (entry.name == name)
      return entry.make(options);
    names += (names.empty() ? "" : ", ") + entry.name;
  }
  throw Error(
      {"there is no such kernel", names, name, "", "choose one of these"});
}
