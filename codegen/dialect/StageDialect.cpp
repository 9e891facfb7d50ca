//===- StageDialect.cpp - Types and attributes of the stage dialect -------===//
#include "codegen/dialect/StageDialect.h"
#include "codegen/dialect/AxisList.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/FoldUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tilewright;
using namespace tilewright::stage;
using tilewright::tile::TileType;

#include "codegen/dialect/StageDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "codegen/dialect/StageTypes.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "codegen/dialect/StageAttrs.cpp.inc"

namespace {
/// Layouts are long and repeat: print them as #frag, #frag1, ...
struct StageAsmInterface : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  AliasResult getAlias(Attribute attr, raw_ostream &os) const override {
    if (!isa<FragAttr>(attr))
      return AliasResult::NoAlias;
    os << "frag";
    return AliasResult::FinalAlias;
  }
};
/// A constant in registers belongs to a role: it is not hoisted out of it.
struct StageFoldInterface : DialectFoldInterface {
  using DialectFoldInterface::DialectFoldInterface;
  bool shouldMaterializeInto(Region *region) const override {
    return isa<RolesOp>(region->getParentOp());
  }
};
} // namespace

void StageDialect::initialize() {
  addInterfaces<StageAsmInterface, StageFoldInterface>();
  addTypes<
#define GET_TYPEDEF_LIST
#include "codegen/dialect/StageTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "codegen/dialect/StageAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "codegen/dialect/StageOps.cpp.inc"
      >();
}

bool stage::isFrag(Type type) {
  if (auto tileType = dyn_cast<TileType>(type))
    return isa_and_nonnull<FragAttr>(tileType.getLayout());
  return isa<FloatType, IntegerType>(type);
}

bool stage::isScalarLoad(Operation *op) {
  auto load = dyn_cast<GlobalLoadOp>(op);
  if (!load || isa<tile::TileType>(load.getType()))
    return false;
  auto kernel = op->getParentOfType<KernelOp>();
  auto argument = dyn_cast<BlockArgument>(load.getTensor());
  if (!kernel || !argument)
    return false;
  switch (static_cast<tile::ArgumentKind>(
      kernel.getArgKinds()[argument.getArgNumber()])) {
  case tile::ArgumentKind::in:
  case tile::ArgumentKind::table:
  case tile::ArgumentKind::workspace:
    return true;
  default:
    return false;
  }
}

bool stage::runsInOneThread(Region &body) {
  bool copies = false;
  WalkResult result = body.walk([&](Operation *op) {
    copies |= isa<stage::TmaLoadOp>(op);
    if (stage::isScalarLoad(op))
      return WalkResult::advance();
    if (isa<stage::AcquireOp, stage::TmaLoadOp, stage::TileIdOp, stage::IndexOp,
            stage::AheadOp, stage::RunAheadOp, stage::YieldOp, tile::ExtentOp,
            tile::ConstantOp, scf::ForOp, scf::IfOp, scf::YieldOp>(op) ||
        (op->getDialect() && op->getDialect()->getNamespace() == "arith"))
      return WalkResult::advance();
    // Element-wise ops on scalars.
    auto isScalar = [](Type type) { return isa<FloatType, IntegerType>(type); };
    if (isa<tile::UnaryOp, tile::BinaryOp, tile::CompareOp, tile::SelectOp,
            tile::MaskOp, tile::CastOp>(op) &&
        llvm::all_of(op->getResultTypes(), isScalar))
      return WalkResult::advance();
    return WalkResult::interrupt();
  });
  return copies && !result.wasInterrupted();
}

//===----------------------------------------------------------------------===//
// FragAttr
//===----------------------------------------------------------------------===//

static ParseResult parseDigits(AsmParser &parser, StringRef name,
                               SmallVectorImpl<Digit> &digits) {
  if (parser.parseKeyword(name) || parser.parseEqual())
    return failure();
  return parser.parseCommaSeparatedList(
      AsmParser::Delimiter::Square, [&]() -> ParseResult {
        Digit &digit = digits.emplace_back();
        if (parseAxisName(parser, digit.axis) || parser.parseColon() ||
            parser.parseInteger(digit.size) || parser.parseColon() ||
            parser.parseInteger(digit.stride))
          return failure();
        if (digit.axis.getValue() == "_")
          digit.axis = {};
        return success();
      });
}

static void printDigits(AsmPrinter &printer, StringRef name,
                        ArrayRef<Digit> digits) {
  printer << name << " = [";
  llvm::interleaveComma(digits, printer, [&](const Digit &digit) {
    if (digit.axis)
      printAxisName(printer, digit.axis);
    else
      printer << "_";
    printer << ":" << digit.size << ":" << digit.stride;
  });
  printer << "]";
}

Attribute FragAttr::parse(AsmParser &parser, Type) {
  SmallVector<Digit> reg, lane, warp;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parseDigits(parser, "reg", reg) ||
      parser.parseComma() || parseDigits(parser, "lane", lane) ||
      parser.parseComma() || parseDigits(parser, "warp", warp) ||
      parser.parseGreater())
    return {};
  return parser.getChecked<FragAttr>(loc, parser.getContext(), reg, lane, warp);
}

void FragAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printDigits(printer, "reg", getReg());
  printer << ", ";
  printDigits(printer, "lane", getLane());
  printer << ", ";
  printDigits(printer, "warp", getWarp());
  printer << ">";
}

LogicalResult FragAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               ArrayRef<Digit> reg, ArrayRef<Digit> lane,
                               ArrayRef<Digit> warp) {
  int64_t lanes = 1;
  for (const Digit &digit : lane)
    lanes *= digit.size;
  if (lanes != 32)
    return emitError() << "expected lane digits for 32 lanes, got " << lanes;
  for (ArrayRef<Digit> digits : {reg, lane, warp})
    for (const Digit &digit : digits)
      if (digit.size < 1 || digit.stride < 0)
        return emitError() << "expected sizes of at least 1 and strides of at "
                              "least 0, got "
                           << digit.size << ":" << digit.stride;
  return success();
}

//===----------------------------------------------------------------------===//
// SmemType
//===----------------------------------------------------------------------===//

Type SmemType::parse(AsmParser &parser) {
  Type elementType;
  SmallVector<StringAttr> axes;
  SmallVector<int64_t> extents;
  int64_t swizzle;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseType(elementType) ||
      parser.parseComma() || parseAxes(parser, axes, extents) ||
      parser.parseComma() || parser.parseInteger(swizzle) ||
      parser.parseGreater())
    return {};
  return parser.getChecked<SmemType>(loc, parser.getContext(), elementType,
                                     axes, extents, swizzle);
}

void SmemType::print(AsmPrinter &printer) const {
  printer << "<" << getElementType() << ", ";
  printAxes(printer, getAxes(), getExtents());
  printer << ", " << getSwizzle() << ">";
}

static int64_t elementBytes(Type type) {
  return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
}

LogicalResult SmemType::verify(function_ref<InFlightDiagnostic()> emitError,
                               Type elementType, ArrayRef<StringAttr> axes,
                               ArrayRef<int64_t> extents, int64_t swizzle) {
  if (axes.empty() || axes.size() != extents.size())
    return emitError() << "expected an extent for each axis";
  if (llvm::any_of(extents, [](int64_t e) { return e < 1; }))
    return emitError() << "shared memory has known extents of at least 1";
  if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128)
    return emitError() << "expected a swizzle of 0, 32, 64 or 128 bytes, got "
                       << swizzle;
  int64_t rowBytes = extents.back() * elementBytes(elementType);
  if (swizzle && rowBytes % swizzle)
    return emitError() << "a row of " << rowBytes
                       << " bytes is no multiple of the swizzle of " << swizzle;
  return success();
}

int64_t SmemType::rows() const {
  int64_t count = 1;
  for (int64_t extent : getExtents().drop_back())
    count *= extent;
  return count;
}

int64_t SmemType::sizeInBytes() const {
  return rows() * getExtents().back() * elementBytes(getElementType());
}

int64_t SmemType::offsetOf(int64_t row, int64_t column) const {
  int64_t bytes = column * elementBytes(getElementType());
  if (!getSwizzle())
    return row * getExtents().back() * elementBytes(getElementType()) + bytes;
  int64_t slab = bytes / getSwizzle();
  int64_t offset = row * getSwizzle() + bytes % getSwizzle();
  int64_t mask = getSwizzle() / 16 - 1;
  return slab * rows() * getSwizzle() +
         (offset ^ (((offset >> 7) & mask) << 4));
}
