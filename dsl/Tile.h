//===- Tile.h - Typed tiles and what can be done with them ------*- C++ -*-===//
//
// A Tile<T, A...> is a value over the axes A. Element-wise operations
// broadcast by axis: the result has the axes of all operands, in order of
// appearance. Each call adds one op of the tile dialect to the kernel under
// construction.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "dsl/Param.h"

namespace tilewright::dsl {

namespace detail {

template <class T, class L> struct TileOf;
template <class T, Axis... A> struct TileOf<T, Axes<A...>> {
  using type = Tile<T, A...>;
};
template <class T, class L> using TileOver = typename TileOf<T, L>::type;

template <class L> struct SpanOf;
template <Axis... A> struct SpanOf<Axes<A...>> {
  static constexpr AxisSpan get() { return spanOf<A...>(); }
};

template <class X> inline constexpr bool isTile = false;
template <class T, Axis... A>
inline constexpr bool isTile<Tile<T, A...>> = true;
template <class X>
concept AnyTile = requires(const X &x) {
  []<class T, Axis... A>(const Tile<T, A...> &) {}(x);
};
template <class X>
concept Number = std::is_arithmetic_v<X>;

/// A C++ number as an element of T.
template <class T, class X> Handle number(X x, const Site &site) {
  TILEWRIGHT_CHECK((NumberFor<X, T>), "this C++ number is no ", T::name,
                   ": floats take numbers, i32 whole numbers, i1 booleans");
  return constant(static_cast<double>(x), T::type, {}, site);
}

} // namespace detail

//===----------------------------------------------------------------------===//
// Tile
//===----------------------------------------------------------------------===//

/// A value over named axes; without axes, a scalar. Cheap to copy. It lives
/// inside the kernel, and the loop, that it was made in.
template <class T, Axis... A> class Tile {
  using L = detail::Located<Tile>;

public:
  using Element = T;
  using AxisList = detail::Axes<A...>;

  explicit Tile(detail::Handle handle) : made(handle) {
    TILEWRIGHT_CHECK(detail::areDistinct<A...>(), "an axis appears twice in ",
                     detail::Axes<A...>{});
  }
  detail::Handle handle() const { return made; }

  template <class U, Axis... B>
  using With =
      detail::TileOver<U, typename detail::UnionOf<detail::Axes<A...>,
                                                   detail::Axes<B...>>::type>;

#define TILEWRIGHT_OPERATOR(OP, BUILD, KIND, RESULT)                           \
  template <class U, Axis... B>                                                \
  friend With<RESULT, B...> operator OP(L x, const Tile<U, B...> &y) {         \
    TILEWRIGHT_CHECK((std::is_same_v<T, U>),                                   \
                     "operator " #OP " takes one element type, got ", T::name, \
                     " over ", detail::Axes<A...>{}, " and ", U::name,         \
                     " over ", detail::Axes<B...>{}, "; use cast<", T::name,   \
                     ">");                                                     \
    return With<RESULT, B...>(                                                 \
        detail::BUILD(detail::KIND, x.value.handle(), y.handle(), x.site));    \
  }                                                                            \
  template <detail::Number X>                                                  \
  friend Tile<RESULT, A...> operator OP(L x, X y) {                            \
    return Tile<RESULT, A...>(detail::BUILD(detail::KIND, x.value.handle(),    \
                                            detail::number<T>(y, x.site),      \
                                            x.site));                          \
  }                                                                            \
  template <detail::Number X>                                                  \
  friend Tile<RESULT, A...> operator OP(X x, L y) {                            \
    return Tile<RESULT, A...>(detail::BUILD(detail::KIND,                      \
                                            detail::number<T>(x, y.site),      \
                                            y.value.handle(), y.site));        \
  }
  TILEWRIGHT_OPERATOR(+, binary, Binary::add, T)
  TILEWRIGHT_OPERATOR(-, binary, Binary::sub, T)
  TILEWRIGHT_OPERATOR(*, binary, Binary::mul, T)
  TILEWRIGHT_OPERATOR(/, binary, Binary::div, T)
  TILEWRIGHT_OPERATOR(%, binary, Binary::rem, T)
  TILEWRIGHT_OPERATOR(&, binary, Binary::logicalAnd, T)
  TILEWRIGHT_OPERATOR(|, binary, Binary::logicalOr, T)
  TILEWRIGHT_OPERATOR(^, binary, Binary::logicalXor, T)
  TILEWRIGHT_OPERATOR(&&, binary, Binary::logicalAnd, T)
  TILEWRIGHT_OPERATOR(||, binary, Binary::logicalOr, T)
  TILEWRIGHT_OPERATOR(<, compare, Compare::lt, i1)
  TILEWRIGHT_OPERATOR(<=, compare, Compare::le, i1)
  TILEWRIGHT_OPERATOR(>, compare, Compare::gt, i1)
  TILEWRIGHT_OPERATOR(>=, compare, Compare::ge, i1)
#undef TILEWRIGHT_OPERATOR

  friend Tile operator-(L x) {
    return Tile(detail::unary(detail::Unary::neg, x.value.handle(), x.site));
  }
  friend Tile operator!(L x) {
    TILEWRIGHT_CHECK((std::is_same_v<T, i1>), "operator ! takes i1, got ",
                     T::name, " over ", detail::Axes<A...>{});
    return Tile(
        detail::unary(detail::Unary::logicalNot, x.value.handle(), x.site));
  }

private:
  detail::Handle made;
};

// `==` and `!=` take no Located: with a conversion, C++20 would also try the
// operands the other way round and find the call ambiguous. Their place in the
// source is that of the left operand.
#define TILEWRIGHT_EQUALITY(OP, KIND)                                          \
  template <class T, Axis... A, class U, Axis... B>                            \
  typename Tile<T, A...>::template With<i1, B...> operator OP(                 \
      const Tile<T, A...> &x, const Tile<U, B...> &y) {                        \
    TILEWRIGHT_CHECK((std::is_same_v<T, U>),                                   \
                     "operator " #OP " takes one element type, got ", T::name, \
                     " over ", detail::Axes<A...>{}, " and ", U::name,         \
                     " over ", detail::Axes<B...>{}, "; use cast<", T::name,   \
                     ">");                                                     \
    return typename Tile<T, A...>::template With<i1, B...>(detail::compare(    \
        detail::Compare::KIND, x.handle(), y.handle(), detail::Site()));       \
  }                                                                            \
  template <class T, Axis... A, detail::Number X>                              \
  Tile<i1, A...> operator OP(const Tile<T, A...> &x, X y) {                    \
    return Tile<i1, A...>(detail::compare(detail::Compare::KIND, x.handle(),   \
                                          detail::number<T>(y, {}),            \
                                          detail::Site()));                    \
  }                                                                            \
  template <class T, Axis... A, detail::Number X>                              \
  Tile<i1, A...> operator OP(X x, const Tile<T, A...> &y) {                    \
    return y OP x;                                                             \
  }
TILEWRIGHT_EQUALITY(==, eq)
TILEWRIGHT_EQUALITY(!=, ne)
#undef TILEWRIGHT_EQUALITY

template <class T> Val<T>::Val(const Tile<T> &tile) : made(tile.handle()) {}

template <class T> Param<T>::operator Tile<T>() const {
  return Tile<T>(at(detail::Site()).handle());
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// `value` everywhere.
template <class T, Axis... A>
Tile<T, A...> full(double value, detail::Site site = detail::Site::current()) {
  return Tile<T, A...>(
      detail::constant(value, T::type, detail::spanOf<A...>(), site));
}
template <class T, Axis... A>
Tile<T, A...> zeros(detail::Site site = detail::Site::current()) {
  return full<T, A...>(0, site);
}

//===----------------------------------------------------------------------===//
// Element-wise functions
//===----------------------------------------------------------------------===//

#define TILEWRIGHT_FUNCTION(NAME)                                              \
  template <class T, Axis... A>                                                \
  Tile<T, A...> NAME(const Tile<T, A...> &x,                                   \
                     detail::Site site = detail::Site::current()) {            \
    TILEWRIGHT_CHECK(detail::Float<T>, #NAME " takes floats, got ", T::name,   \
                     " over ", detail::Axes<A...>{});                          \
    return Tile<T, A...>(                                                      \
        detail::unary(detail::Unary::NAME, x.handle(), site));                 \
  }
TILEWRIGHT_FUNCTION(exp)
TILEWRIGHT_FUNCTION(exp2)
TILEWRIGHT_FUNCTION(log)
TILEWRIGHT_FUNCTION(log2)
TILEWRIGHT_FUNCTION(sqrt)
TILEWRIGHT_FUNCTION(rsqrt)
TILEWRIGHT_FUNCTION(tanh)
TILEWRIGHT_FUNCTION(sin)
TILEWRIGHT_FUNCTION(cos)
TILEWRIGHT_FUNCTION(floor)
#undef TILEWRIGHT_FUNCTION

template <class T, Axis... A>
Tile<T, A...> abs(const Tile<T, A...> &x,
                  detail::Site site = detail::Site::current()) {
  return Tile<T, A...>(detail::unary(detail::Unary::abs, x.handle(), site));
}
template <class To, class T, Axis... A>
Tile<To, A...> cast(const Tile<T, A...> &x,
                    detail::Site site = detail::Site::current()) {
  if constexpr (std::is_same_v<To, T>)
    return x;
  else
    return Tile<To, A...>(detail::cast(x.handle(), To::type, site));
}

// max(x, y) and min(x, y); max<N>(x), below, reduces.
#define TILEWRIGHT_CHOICE(NAME)                                                \
  template <class T, Axis... A, class U, Axis... B>                            \
  typename Tile<T, A...>::template With<T, B...> NAME(                         \
      const Tile<T, A...> &x, const Tile<U, B...> &y,                          \
      detail::Site site = detail::Site::current()) {                           \
    TILEWRIGHT_CHECK((std::is_same_v<T, U>),                                   \
                     #NAME " takes one element type, got ", T::name, " over ", \
                     detail::Axes<A...>{}, " and ", U::name, " over ",         \
                     detail::Axes<B...>{}, "; use cast<", T::name, ">");       \
    return typename Tile<T, A...>::template With<T, B...>(                     \
        detail::binary(detail::Binary::NAME, x.handle(), y.handle(), site));   \
  }                                                                            \
  template <class T, Axis... A, detail::Number X>                              \
  Tile<T, A...> NAME(const Tile<T, A...> &x, X y,                              \
                     detail::Site site = detail::Site::current()) {            \
    return Tile<T, A...>(detail::binary(detail::Binary::NAME, x.handle(),      \
                                        detail::number<T>(y, site), site));    \
  }
TILEWRIGHT_CHOICE(max)
TILEWRIGHT_CHOICE(min)
#undef TILEWRIGHT_CHOICE

/// `x` where the condition holds, else `y`; one of the two may be a number.
template <Axis... C, class T, Axis... A, class U, Axis... B>
auto where(const Tile<i1, C...> &condition, const Tile<T, A...> &x,
           const Tile<U, B...> &y,
           detail::Site site = detail::Site::current()) {
  TILEWRIGHT_CHECK((std::is_same_v<T, U>), "where takes one element type, got ",
                   T::name, " over ", detail::Axes<A...>{}, " and ", U::name,
                   " over ", detail::Axes<B...>{}, "; use cast<", T::name, ">");
  using First =
      typename detail::UnionOf<detail::Axes<C...>, detail::Axes<A...>>::type;
  using All = typename detail::UnionOf<First, detail::Axes<B...>>::type;
  return detail::TileOver<T, All>(
      detail::select(condition.handle(), x.handle(), y.handle(), site));
}
template <Axis... C, class T, Axis... A, detail::Number X>
auto where(const Tile<i1, C...> &condition, const Tile<T, A...> &x, X y,
           detail::Site site = detail::Site::current()) {
  return where(condition, x, Tile<T>(detail::number<T>(y, site)), site);
}
template <Axis... C, class T, Axis... A, detail::Number X>
auto where(const Tile<i1, C...> &condition, X x, const Tile<T, A...> &y,
           detail::Site site = detail::Site::current()) {
  return where(condition, Tile<T>(detail::number<T>(x, site)), y, site);
}

/// 1 / (1 + exp(-x))
template <class T, Axis... A>
Tile<T, A...> sigmoid(const Tile<T, A...> &x,
                      detail::Site site = detail::Site::current()) {
  detail::Handle one = detail::number<T>(1, site);
  Tile<T, A...> e = exp(
      Tile<T, A...>(detail::unary(detail::Unary::neg, x.handle(), site)), site);
  detail::Handle sum =
      detail::binary(detail::Binary::add, e.handle(), one, site);
  return Tile<T, A...>(detail::binary(detail::Binary::div, one, sum, site));
}

//===----------------------------------------------------------------------===//
// Axes
//===----------------------------------------------------------------------===//

/// The tile under another axis name; the two axes have one extent.
template <Axis From, Axis To, class T, Axis... A>
auto rename(const Tile<T, A...> &x,
            detail::Site site = detail::Site::current()) {
  using In = detail::Axes<A...>;
  TILEWRIGHT_CHECK(In::template has<From>, "rename of axis ", From,
                   ", which the tile over ", In{}, " lacks");
  TILEWRIGHT_CHECK(!In::template has<To> || From == To, "rename to axis ", To,
                   ", which the tile over ", In{}, " has already");
  using Out = detail::Axes<detail::renamed<From, To, A>()...>;
  return detail::TileOver<T, Out>(
      detail::rename(x.handle(), detail::SpanOf<Out>::get(), site));
}

/// The tile repeated along further axes; its result has exactly the axes
/// named, in this order.
template <Axis... To, class T, Axis... A>
Tile<T, To...> broadcast(const Tile<T, A...> &x,
                         detail::Site site = detail::Site::current()) {
  TILEWRIGHT_CHECK((detail::isSubset<detail::Axes<A...>, detail::Axes<To...>>),
                   "broadcast to ", detail::Axes<To...>{}, " of a tile over ",
                   detail::Axes<A...>{}, ", which loses ",
                   typename detail::Without<detail::Axes<A...>,
                                            detail::Axes<To...>>::type{});
  return Tile<T, To...>(
      detail::broadcast(x.handle(), detail::spanOf<To...>(), site));
}

// sum<N>(x), max<M, N>(x): combines the elements along the axes named.
#define TILEWRIGHT_REDUCTION(NAME)                                             \
  template <Axis... Along, class T, Axis... A>                                 \
    requires(sizeof...(Along) > 0)                                             \
  auto NAME(const Tile<T, A...> &x,                                            \
            detail::Site site = detail::Site::current()) {                     \
    using In = detail::Axes<A...>;                                             \
    TILEWRIGHT_CHECK(                                                          \
        (In::template has<Along> && ...), #NAME " over ",                      \
        detail::Axes<Along...>{}, " of a tile over ", In{}, ", which lacks ",  \
        typename detail::Without<detail::Axes<Along...>, In>::type{});         \
    using Out = typename detail::Without<In, detail::Axes<Along...>>::type;    \
    return detail::TileOver<T, Out>(detail::reduce(                            \
        detail::Reduce::NAME, x.handle(), detail::spanOf<Along...>(), site));  \
  }
TILEWRIGHT_REDUCTION(sum)
TILEWRIGHT_REDUCTION(max)
TILEWRIGHT_REDUCTION(min)
#undef TILEWRIGHT_REDUCTION

namespace detail {

template <Axis... Over, class T, Axis... A, class U, Axis... B>
auto contract(const Tile<T, A...> &x, const Tile<U, B...> &y, const Handle *acc,
              const Site &site) {
  using Contracted = Axes<Over...>;
  using Left = Axes<A...>;
  using Right = Axes<B...>;
  // One sentence: what holds of the axes comes first.
  constexpr bool namesAxes = sizeof...(Over) > 0;
  constexpr bool inLeft = isSubset<Contracted, Left>;
  constexpr bool inRight = isSubset<Contracted, Right>;
  constexpr bool axesFit = namesAxes && inLeft && inRight;
  TILEWRIGHT_CHECK(namesAxes, "dot of tiles over ", Left{}, " and ", Right{},
                   " names no axis to contract");
  TILEWRIGHT_CHECK(inLeft, "dot contracts ", Contracted{},
                   ", but its left operand over ", Left{}, " lacks ",
                   typename Without<Contracted, Left>::type{});
  TILEWRIGHT_CHECK(!inLeft || inRight, "dot contracts ", Contracted{},
                   ", but its right operand over ", Right{}, " lacks ",
                   typename Without<Contracted, Right>::type{});
  TILEWRIGHT_CHECK((!axesFit || std::is_same_v<T, U>),
                   "dot takes one element type, got ", T::name, " over ",
                   Left{}, " and ", U::name, " over ", Right{}, "; use cast<",
                   T::name, ">");
  TILEWRIGHT_CHECK(!axesFit || Float<T>, "dot takes floats, got ", T::name,
                   " over ", Left{});
  using Out =
      typename Without<typename UnionOf<Left, Right>::type, Contracted>::type;
  using Result = std::conditional_t<std::is_same_v<T, f64>, f64, f32>;
  return TileOver<Result, Out>(
      dot(x.handle(), y.handle(), acc, spanOf<Over...>(), site));
}

} // namespace detail

/// The sum of products over the axes named, which both operands have, in f32.
/// The result has the left operand's other axes, then the right one's; an axis
/// of both that is not contracted is a batch axis.
template <Axis... Over, class T, Axis... A, class U, Axis... B>
auto dot(const Tile<T, A...> &x, const Tile<U, B...> &y,
         detail::Site site = detail::Site::current()) {
  return detail::contract<Over...>(x, y, nullptr, site);
}

//===----------------------------------------------------------------------===//
// Modifiers
//===----------------------------------------------------------------------===//

/// Applies a function of an element and its position to each element.
template <class F, class T, Axis... A>
auto apply(const F &function, const Tile<T, A...> &x, Point p,
           detail::Site site = detail::Site::current()) {
  detail::beginElements(detail::spanOf<A...>(), site);
  auto result = function(Val<T>(x.handle()), p);
  static_assert(detail::isVal<decltype(result)>,
                "apply takes a function that returns a Val");
  return Tile<typename decltype(result)::Element, A...>(
      detail::endElements(result.handle(), site));
}

} // namespace tilewright::dsl
