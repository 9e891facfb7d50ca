//===- Registry.cpp - Kernels by name -------------------------------------===//
#include "kernels/Registry.h"
#include "kernels/Flash.h"
#include "kernels/Gemm.h"
#include "kernels/Rows.h"
#include "kernels/Standard.h"
#include "kernels/Variants.h"

using namespace tilewright;
using namespace tilewright::kernels;

const std::string *Options::read(const std::string &name) const {
  asked.insert(name);
  auto found = values.find(name);
  return found == values.end() ? nullptr : &found->second;
}

void Options::checkAllRead(const std::string &kernel) const {
  for (const auto &[name, value] : values) {
    if (asked.contains(name))
      continue;
    std::string names;
    for (const std::string &known : asked)
      names += (names.empty() ? "" : ", ") + known;
    throw Error({"kernel '" + kernel + "' reads no option '" + name + "'",
                 names.empty() ? "no options" : "one of " + names,
                 name + " = " + (value.empty() ? "(nothing)" : value), "",
                 "give options as name=value, such as mask=causal"});
  }
}

/// The choice that an option names; the first if the option is not given.
template <class X>
static const X &choose(const Options &options, const std::string &option,
                       const std::vector<std::pair<std::string, X>> &choices) {
  const std::string *given = options.read(option);
  if (!given)
    return choices.front().second;
  std::string names;
  for (const auto &[name, choice] : choices) {
    if (name == *given)
      return choice;
    names += (names.empty() ? "" : ", ") + name;
  }
  throw Error({"option " + option + " has no such value", names, *given, "",
               "choose one of these"});
}

static MaskMod maskOf(const Options &options) {
  return choose<MaskMod>(options, "mask",
                         {{"none", {}},
                          {"causal", causal},
                          {"window", window},
                          {"causal_window", causal & window},
                          {"prefix", causal | prefix},
                          {"document", document},
                          {"causal_document", causal & document},
                          {"not_window", !window}});
}

static ScoreMod scoreOf(const Options &options) {
  return choose<ScoreMod>(options, "score",
                          {{"none", {}},
                           {"softcap", softcap(30)},
                           {"alibi", alibi},
                           {"key_bias", perKeyBias},
                           {"bias", fullBias},
                           {"alibi_softcap", alibi >> softcap(30)},
                           {"softcap_key_bias", softcap(30) >> perKeyBias}});
}

static int64_t elementBytesOf(const Options &options) {
  return choose<int64_t>(options, "dtype",
                         {{"bf16", 2}, {"f16", 2}, {"f32", 4}});
}

static Kernel makeFlash(const Options &options) {
  auto make =
      choose<Kernel (*)(ScoreMod, MaskMod)>(options, "dtype",
                                            {{"bf16", flashForward<bf16>},
                                             {"f16", flashForward<f16>},
                                             {"f32", flashForward<f32>}});
  return make(scoreOf(options), maskOf(options))
      .with(flashOnHopper(elementBytesOf(options)))
      .with(flashOnAmpere(elementBytesOf(options)))
      .with(flashOnCpu());
}

template <class T> static Kernel makeGemmOf(bool transposed, ScoreMod mod) {
  return transposed ? gemm<T, In<T, M, K>, In<T, N, K>>(mod) : gemm<T>(mod);
}

static Kernel makeGemm(const Options &options) {
  auto make = choose<Kernel (*)(bool, ScoreMod)>(options, "dtype",
                                                 {{"bf16", makeGemmOf<bf16>},
                                                  {"f16", makeGemmOf<f16>},
                                                  {"f32", makeGemmOf<f32>}});
  return make(choose<bool>(options, "b", {{"kn", false}, {"nk", true}}),
              choose<ScoreMod>(options, "epilogue",
                               {{"none", {}}, {"bias_relu", biasRelu}}))
      .with(gemmOnHopper())
      .with(gemmOnAmpere())
      .with(gemmOnCpu());
}

const std::vector<Entry> &kernels::allKernels() {
  using O = const Options &;
  static const std::vector<Entry> entries = {
      {"flash_forward", "attention, forward (dtype, mask, score)", makeFlash},
      {"gemm", "matrix product (dtype, b, epilogue)", makeGemm},
      {"row_softmax", "softmax of each row, in two passes",
       [](O) { return rowSoftmax(); }},
      {"softmax", "softmax of each row, the row held whole (dtype)",
       [](O options) {
         return choose<Kernel (*)()>(options, "dtype",
                                     {{"bf16", wholeRowSoftmax<bf16>},
                                      {"f16", wholeRowSoftmax<f16>},
                                      {"f32", wholeRowSoftmax<f32>}})()
             .with(normOnCpu());
       }},
      {"rms_norm", "RMSNorm, the row held whole (dtype)",
       [](O options) {
         return choose<Kernel (*)()>(options, "dtype",
                                     {{"bf16", rmsNorm<bf16>},
                                      {"f16", rmsNorm<f16>},
                                      {"f32", rmsNorm<f32>}})()
             .with(normOnCpu());
       }},
      {"rms_norm_rotary", "RMSNorm, then rotary embedding, of a row's halves",
       [](O) { return rmsNormPairs(rotary).with(normOnCpu()); }},
      {"attention_scores", "unfused attention: scores (dtype, mask, score)",
       [](O options) {
         auto make = choose<Kernel (*)(ScoreMod, MaskMod)>(
             options, "dtype",
             {{"bf16", attentionScores<bf16>},
              {"f16", attentionScores<f16>},
              {"f32", attentionScores<f32>}});
         return make(scoreOf(options), maskOf(options))
             .with(scoresOnHopper(elementBytesOf(options)))
             .with(scoresOnAmpere(elementBytesOf(options)))
             .with(scoresOnCpu());
       }},
      {"attention_softmax", "unfused attention: weights (dtype)",
       [](O options) {
         return choose<Kernel (*)()>(options, "dtype",
                                     {{"bf16", attentionSoftmax<bf16>},
                                      {"f16", attentionSoftmax<f16>},
                                      {"f32", attentionSoftmax<f32>}})()
             .with(softmaxOnHopper())
             .with(softmaxOnAmpere())
             .with(softmaxOnCpu());
       }},
      {"attention_values", "unfused attention: output (dtype)",
       [](O options) {
         return choose<Kernel (*)()>(options, "dtype",
                                     {{"bf16", attentionValues<bf16>},
                                      {"f16", attentionValues<f16>},
                                      {"f32", attentionValues<f32>}})()
             .with(valuesOnHopper(elementBytesOf(options)))
             .with(valuesOnAmpere(elementBytesOf(options)))
             .with(valuesOnCpu());
       }},
      {"recurrence", "an ordered fold that stores each state",
       [](O) { return recurrence(); }},
      {"sigmoid_attention", "attention without a softmax (mask)",
       [](O options) { return sigmoidAttention(maskOf(options)); }},
      {"two_folds", "attention, statistics first",
       [](O) { return twoFoldAttention(); }},
      {"nested_folds", "scores summed by a fold in a fold (mask)",
       [](O options) { return nestedFolds(maskOf(options)); }},
      {"three_dots", "attention with an output projection",
       [](O) { return projectedAttention(); }},
      {"gram", "a matrix times itself", [](O) { return gram(); }},
      {"linear_attention", "causal linear attention by chunks",
       [](O) { return linearAttention(); }},
  };
  return entries;
}

Kernel kernels::makeKernel(const std::string &name, const Options &options) {
  std::string names;
  for (const Entry &entry : allKernels()) {
    if (entry.name == name) {
      Options unread = options.unread();
      Kernel kernel = entry.make(unread);
      unread.checkAllRead(name);
      return kernel;
    }
    names += (names.empty() ? "" : ", ") + entry.name;
  }
  throw Error(
      {"there is no such kernel", names, name, "", "choose one of these"});
}
