//===- TileDialect.cpp - Types and attributes of the tile dialect ---------===//
#include "codegen/dialect/TileDialect.h"
#include "codegen/dialect/AxisList.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::tile;

#include "codegen/dialect/TileDialect.cpp.inc"
#include "codegen/dialect/TileEnums.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "codegen/dialect/TileTypes.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "codegen/dialect/TileAttrs.cpp.inc"

void TileDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "codegen/dialect/TileTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "codegen/dialect/TileAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "codegen/dialect/TileOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Helpers on types
//===----------------------------------------------------------------------===//

Type tile::elementTypeOf(Type type) {
  if (auto tileType = dyn_cast<TileType>(type))
    return tileType.getElementType();
  if (auto tensor = dyn_cast<TensorType>(type))
    return tensor.getElementType();
  return type;
}

ArrayRef<StringAttr> tile::axesOf(Type type) {
  if (auto tileType = dyn_cast<TileType>(type))
    return tileType.getAxes();
  if (auto tensor = dyn_cast<TensorType>(type))
    return tensor.getAxes();
  return {};
}

int64_t tile::extentOf(Type type, StringAttr axis) {
  auto tileType = dyn_cast<TileType>(type);
  if (!tileType || tileType.indexOf(axis) < 0)
    return ShapedType::kDynamic;
  return tileType.extentOf(axis);
}

bool tile::hasAxis(Type type, StringAttr axis) {
  return llvm::is_contained(axesOf(type), axis);
}

Type tile::tileOrScalar(Type elementType, ArrayRef<StringAttr> axes,
                        ArrayRef<int64_t> extents, Attribute layout) {
  if (axes.empty())
    return elementType;
  return TileType::get(elementType.getContext(), elementType, axes, extents,
                       layout);
}

Type tile::broadcastType(Type elementType, TypeRange types) {
  SmallVector<StringAttr> axes;
  SmallVector<int64_t> extents;
  for (Type type : types) {
    auto tileType = dyn_cast<TileType>(type);
    if (!tileType)
      continue;
    for (auto [axis, extent] :
         llvm::zip(tileType.getAxes(), tileType.getExtents())) {
      auto *found = llvm::find(axes, axis);
      if (found == axes.end()) {
        axes.push_back(axis);
        extents.push_back(extent);
      } else if (extents[found - axes.begin()] != extent) {
        return {};
      }
    }
  }
  Attribute layout;
  for (Type type : types)
    if (auto tileType = dyn_cast<TileType>(type))
      if (tileType.getAxes() == ArrayRef(axes)) {
        layout = tileType.getLayout();
        break;
      }
  return tileOrScalar(elementType, axes, extents, layout);
}

Type tile::dropAxes(Type type, ArrayRef<StringAttr> dropped) {
  auto tileType = dyn_cast<TileType>(type);
  if (!tileType)
    return type;
  SmallVector<StringAttr> axes;
  SmallVector<int64_t> extents;
  for (auto [axis, extent] :
       llvm::zip(tileType.getAxes(), tileType.getExtents()))
    if (!llvm::is_contained(dropped, axis)) {
      axes.push_back(axis);
      extents.push_back(extent);
    }
  return tileOrScalar(tileType.getElementType(), axes, extents);
}

bool tile::sameUpToLayout(Type a, Type b) {
  auto tileA = dyn_cast<TileType>(a), tileB = dyn_cast<TileType>(b);
  if (!tileA || !tileB)
    return a == b;
  return tileA.withLayout({}) == tileB.withLayout({});
}

SmallVector<StringAttr> tile::axisNames(ArrayAttr axes) {
  return llvm::to_vector(axes.getAsRange<StringAttr>());
}

//===----------------------------------------------------------------------===//
// TensorType
//===----------------------------------------------------------------------===//

static bool isElementType(Type type) {
  return type.isF64() || type.isF32() || type.isF16() || type.isBF16() ||
         type.isInteger(32) || type.isInteger(1);
}

static LogicalResult verifyAxes(function_ref<InFlightDiagnostic()> emitError,
                                Type elementType, ArrayRef<StringAttr> axes) {
  if (!isElementType(elementType))
    return emitError() << "expected an element type of f64, f32, f16, bf16, "
                          "i32 or i1, got "
                       << elementType;
  llvm::SmallDenseSet<StringAttr> seen;
  for (StringAttr axis : axes)
    if (!seen.insert(axis).second)
      return emitError() << "axis '" << axis.getValue() << "' appears twice";
  return success();
}

LogicalResult
tile::TensorType::verify(function_ref<InFlightDiagnostic()> emitError,
                         Type elementType, ArrayRef<StringAttr> axes) {
  return verifyAxes(emitError, elementType, axes);
}

Type tile::TensorType::parse(AsmParser &parser) {
  Type elementType;
  SmallVector<StringAttr> axes;
  SmallVector<int64_t> extents;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseType(elementType) ||
      parser.parseComma() || parseAxes(parser, axes, extents) ||
      parser.parseGreater())
    return {};
  if (llvm::any_of(extents,
                   [](int64_t e) { return !ShapedType::isDynamic(e); })) {
    parser.emitError(loc, "a tensor's extents are launch parameters: expected "
                          "axis names only");
    return {};
  }
  return parser.getChecked<tile::TensorType>(loc, parser.getContext(),
                                             elementType, axes);
}

void tile::TensorType::print(AsmPrinter &printer) const {
  printer << "<" << getElementType() << ", ";
  printAxes(printer, getAxes(),
            SmallVector<int64_t>(getAxes().size(), ShapedType::kDynamic));
  printer << ">";
}

//===----------------------------------------------------------------------===//
// TileType
//===----------------------------------------------------------------------===//

LogicalResult TileType::verify(function_ref<InFlightDiagnostic()> emitError,
                               Type elementType, ArrayRef<StringAttr> axes,
                               ArrayRef<int64_t> extents, Attribute) {
  if (axes.empty())
    return emitError() << "a tile has at least one axis; a value without axes "
                          "is the scalar "
                       << elementType;
  if (axes.size() != extents.size())
    return emitError() << axes.size() << " axes, but " << extents.size()
                       << " extents";
  for (int64_t extent : extents)
    if (!ShapedType::isDynamic(extent) && extent < 1)
      return emitError() << "expected extents of at least 1, got " << extent;
  return verifyAxes(emitError, elementType, axes);
}

Type TileType::parse(AsmParser &parser) {
  Type elementType;
  SmallVector<StringAttr> axes;
  SmallVector<int64_t> extents;
  Attribute layout;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseType(elementType) ||
      parser.parseComma() || parseAxes(parser, axes, extents))
    return {};
  if (succeeded(parser.parseOptionalComma()) && parser.parseAttribute(layout))
    return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<TileType>(loc, parser.getContext(), elementType,
                                     axes, extents, layout);
}

void TileType::print(AsmPrinter &printer) const {
  printer << "<" << getElementType() << ", ";
  printAxes(printer, getAxes(), getExtents());
  if (getLayout())
    printer << ", " << getLayout();
  printer << ">";
}

bool TileType::isBound() const {
  return llvm::none_of(getExtents(), ShapedType::isDynamic);
}

int TileType::indexOf(StringAttr axis) const {
  const auto *found = llvm::find(getAxes(), axis);
  return found == getAxes().end() ? -1 : found - getAxes().begin();
}

int64_t TileType::extentOf(StringAttr axis) const {
  return getExtents()[indexOf(axis)];
}

int64_t TileType::numElements() const {
  int64_t count = 1;
  for (int64_t extent : getExtents())
    count *= extent;
  return count;
}

TileType TileType::withElementType(Type type) const {
  return get(getContext(), type, getAxes(), getExtents(), getLayout());
}

TileType TileType::withLayout(Attribute layout) const {
  return get(getContext(), getElementType(), getAxes(), getExtents(), layout);
}
