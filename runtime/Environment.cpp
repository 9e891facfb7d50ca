//===- Environment.cpp - Reading the environment knobs ----------*- C++ -*-===//
#include "runtime/Environment.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Format.h"

#include <cstdlib>
#include <optional>
#include <unistd.h>

using namespace llvm;

namespace tilewright::env {
namespace {

struct Knob {
  StringLiteral variable;
  StringLiteral typeName;
  std::string defaultText;
  StringLiteral text;
  bool (*parses)(StringRef);
};

bool parse(StringRef text, std::string &value) {
  value = text.str();
  return true;
}

bool parse(StringRef text, int64_t &value) {
  return !text.getAsInteger(10, value);
}

bool parse(StringRef text, bool &value) {
  std::optional<bool> parsed =
      StringSwitch<std::optional<bool>>(text.lower())
          .Cases({"1", "true", "yes", "on"}, std::optional<bool>(true))
          .Cases({"0", "false", "no", "off"}, std::optional<bool>(false))
          .Default(std::nullopt);
  value = parsed.value_or(false);
  return parsed.has_value();
}

template <class T> T read(const char *variable, T value) {
  T parsed;
  if (const char *text = std::getenv(variable))
    if (*text && parse(text, parsed))
      return parsed;
  return value;
}

template <class T> bool parses(StringRef text) {
  T value;
  return parse(text, value);
}

template <class T> constexpr StringLiteral typeName() {
  if constexpr (std::is_same_v<T, bool>)
    return "bool";
  else if constexpr (std::is_same_v<T, int64_t>)
    return "int";
  else
    return "string";
}

std::string show(bool value) { return value ? "1" : "0"; }
std::string show(int64_t value) { return itostr(value); }
std::string show(const std::string &value) { return value; }

const SmallVector<Knob> &table() {
  static const SmallVector<Knob> knobs = {
#define TILEWRIGHT_ROW(function, type, variable, value, text)                  \
  Knob{variable, typeName<type>(), show(type(value)), text, parses<type>},
      TILEWRIGHT_ENVIRONMENT(TILEWRIGHT_ROW)
#undef TILEWRIGHT_ROW
  };
  return knobs;
}

} // namespace

#define TILEWRIGHT_DEFINE(function, type, variable, value, text)               \
  type function() { return read<type>(variable, value); }
TILEWRIGHT_ENVIRONMENT(TILEWRIGHT_DEFINE)
#undef TILEWRIGHT_DEFINE

void print(raw_ostream &os) {
  for (const Knob &knob : table()) {
    os << knob.variable << " (" << knob.typeName << ", default "
       << (knob.defaultText.empty() ? "empty" : StringRef(knob.defaultText));
    if (const char *value = std::getenv(knob.variable.data()))
      os << ", now '" << value << "'";
    os << ")\n    " << knob.text << '\n';
  }
}

Error check() {
  for (char **entry = environ; entry && *entry; ++entry) {
    auto [name, value] = StringRef(*entry).split('=');
    if (!name.starts_with("TILEWRIGHT_"))
      continue;
    const Knob *knob = find_if(
        table(), [&](const Knob &known) { return known.variable == name; });
    if (knob == table().end()) {
      SmallVector<StringRef> names;
      for (const Knob &known : table())
        names.push_back(known.variable);
      return createStringError("unknown environment variable " + name +
                               ": expected one of " + join(names, ", ") +
                               "; unset it or correct its name");
    }
    if (!value.empty() && !knob->parses(value))
      return createStringError("environment variable " + name + ": expected " +
                               (knob->typeName == "bool"
                                    ? Twine("1 or 0")
                                    : "a value of type " + knob->typeName) +
                               ", got '" + value + "'");
  }
  return Error::success();
}

} // namespace tilewright::env
