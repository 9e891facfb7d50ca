//===- Axis.h - Named axes, element types, compile-time errors --*- C++ -*-===//
//
// An axis is a template argument, so that a tile's type says which axes it has
// and a wrong contraction does not compile. The second half of this file makes
// such an error one sentence that names the axes.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "codegen/LaunchPlan.h"
#include <array>
#include <cstddef>
#include <type_traits>

namespace tilewright::dsl {

/// A named axis: `constexpr Axis M{"m"};`. Two axes are the same if their
/// names are. A name has at most 15 characters.
struct Axis {
  char name[16]{};

  consteval Axis(const char *text) {
    for (size_t i = 0; text[i]; ++i)
      name[i] = text[i];
  }
  friend constexpr bool operator==(const Axis &, const Axis &) = default;
};

// Element types, as tags.
struct f64 {
  static constexpr DType type = DType::f64;
  static constexpr const char *name = "f64";
};
struct f32 {
  static constexpr DType type = DType::f32;
  static constexpr const char *name = "f32";
};
struct f16 {
  static constexpr DType type = DType::f16;
  static constexpr const char *name = "f16";
};
struct bf16 {
  static constexpr DType type = DType::bf16;
  static constexpr const char *name = "bf16";
};
struct i32 {
  static constexpr DType type = DType::i32;
  static constexpr const char *name = "i32";
};
struct i1 {
  static constexpr DType type = DType::i1;
  static constexpr const char *name = "i1";
};

/// The finite start value of a running maximum: `lowest - lowest` is 0, not
/// NaN.
inline constexpr float lowest = -1e30f;

namespace detail {

template <class T>
concept Float = std::is_same_v<T, f64> || std::is_same_v<T, f32> ||
                std::is_same_v<T, f16> || std::is_same_v<T, bf16>;

/// A C++ number that may stand for an element of T: any for floats, whole
/// numbers for i32, booleans for i1.
template <class X, class T>
concept NumberFor =
    (Float<T> && std::is_arithmetic_v<X> && !std::is_same_v<X, bool>) ||
    (std::is_same_v<T, i32> && std::is_integral_v<X> &&
     !std::is_same_v<X, bool>) ||
    (std::is_same_v<T, i1> && std::is_same_v<X, bool>);

//===----------------------------------------------------------------------===//
// Lists of axes
//===----------------------------------------------------------------------===//

/// Elements in a row that somebody else owns. std::span would take a tenth of
/// the time in which a kernel file compiles.
template <class T> class Span {
public:
  constexpr Span() = default;
  constexpr Span(const T *first, size_t count) : first(first), count(count) {}
  template <size_t n>
  constexpr Span(const T (&from)[n]) : first(from), count(n) {}
  template <size_t n>
  constexpr Span(const std::array<T, n> &from) : first(from.data()), count(n) {}
  constexpr const T *begin() const { return first; }
  constexpr const T *end() const { return first + count; }
  constexpr const T *data() const { return first; }
  constexpr size_t size() const { return count; }
  constexpr bool empty() const { return count == 0; }
  constexpr const T &operator[](size_t i) const { return first[i]; }

private:
  const T *first = nullptr;
  size_t count = 0;
};
using AxisSpan = Span<Axis>;

template <Axis... A> struct Axes {
  static constexpr size_t size = sizeof...(A);
  template <Axis X> static constexpr bool has = ((A == X) || ...);
};

template <Axis... A> inline constexpr Axis axisArray[] = {A...};
template <Axis... A> constexpr AxisSpan spanOf() {
  if constexpr (sizeof...(A) == 0)
    return {};
  else
    return axisArray<A...>;
}

template <Axis... A> consteval bool areDistinct() {
  constexpr size_t count = sizeof...(A);
  if constexpr (count > 1) {
    const Axis axes[] = {A...};
    for (size_t i = 0; i < count; ++i)
      for (size_t j = 0; j < i; ++j)
        if (axes[i] == axes[j])
          return false;
  }
  return true;
}

template <class L, Axis X> struct AppendTo;
template <Axis... A, Axis X> struct AppendTo<Axes<A...>, X> {
  using type = Axes<A..., X>;
};

/// Axes of the first list, then those of the second that it lacks.
template <class L, class R> struct UnionOf;
template <Axis... A> struct UnionOf<Axes<A...>, Axes<>> {
  using type = Axes<A...>;
};
template <Axis... A, Axis X, Axis... B>
struct UnionOf<Axes<A...>, Axes<X, B...>> {
  using type = typename UnionOf<std::conditional_t<Axes<A...>::template has<X>,
                                                   Axes<A...>, Axes<A..., X>>,
                                Axes<B...>>::type;
};

/// Axes of the first list that the second lacks.
template <class L, class R, class Done = Axes<>> struct Without {
  using type = Done;
};
template <Axis X, Axis... A, Axis... R, Axis... Done>
struct Without<Axes<X, A...>, Axes<R...>, Axes<Done...>> {
  using type = typename Without<
      Axes<A...>, Axes<R...>,
      std::conditional_t<Axes<R...>::template has<X>, Axes<Done...>,
                         Axes<Done..., X>>>::type;
};

/// The list with every From called To.
template <Axis From, Axis To, Axis A> consteval Axis renamed() {
  if constexpr (A == From)
    return To;
  else
    return A;
}

template <class L, class R> struct IsSubset;
template <Axis... A, class R> struct IsSubset<Axes<A...>, R> {
  static constexpr bool value = (R::template has<A> && ...);
};
/// Every axis of L is one of R.
template <class L, class R>
inline constexpr bool isSubset = IsSubset<L, R>::value;

//===----------------------------------------------------------------------===//
// Errors at compile time
//===----------------------------------------------------------------------===//

/// A sentence put together at compile time.
struct Sentence {
  char text[320]{};

  constexpr size_t size() const {
    size_t length = 0;
    while (text[length])
      ++length;
    return length;
  }
  constexpr const char *data() const { return text; }
  constexpr bool empty() const { return !text[0]; }

  consteval void add(const char *part) {
    for (size_t at = size(); *part && at + 1 < sizeof(text); ++at, ++part)
      text[at] = *part;
  }
  consteval void add(Axis axis) { add(axis.name); }
  consteval void add(size_t number) {
    if (number >= 10)
      add(number / 10);
    const char digit[] = {static_cast<char>('0' + number % 10), 0};
    add(digit);
  }
  template <Axis... A> consteval void add(Axes<A...>) {
    add("(");
    [[maybe_unused]] const char *separator = "";
    ((add(separator), add(A), separator = ", "), ...);
    add(")");
  }
};

template <class... P> consteval Sentence say(P... parts) {
  Sentence sentence;
  (sentence.add(parts), ...);
  return sentence;
}

/// Made with a sentence, it is the error that says it. To clang the sentence is
/// the message of an assertion. To g++, whose messages must be literals,
/// Mistake is a type that it cannot make and so prints, with its argument.
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc++26-extensions"
template <Sentence sentence> struct Mistake {
  static_assert(sentence.empty(), sentence);
};
#pragma clang diagnostic pop
#else
template <Sentence sentence> struct Mistake;
#endif

/// `TILEWRIGHT_CHECK(condition, parts of the sentence...)`.
#define TILEWRIGHT_CHECK(condition, ...)                                       \
  do {                                                                         \
    if constexpr (!(condition))                                                \
      (void)::tilewright::dsl::detail::Mistake<::tilewright::dsl::detail::say( \
          __VA_ARGS__)>{};                                                     \
  } while (false)

} // namespace detail
} // namespace tilewright::dsl
