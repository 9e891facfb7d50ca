//===- AxisList.cpp - Parsing and printing of axis lists ------------------===//
#include "codegen/dialect/AxisList.h"
#include "codegen/dialect/TileDialect.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace tilewright;

ParseResult tilewright::parseAxisName(AsmParser &parser, StringAttr &name) {
  std::string keyword;
  if (parser.parseKeywordOrString(&keyword))
    return failure();
  name = StringAttr::get(parser.getContext(), keyword);
  return success();
}

void tilewright::printAxisName(AsmPrinter &printer, StringAttr name) {
  printer.printKeywordOrString(name.getValue());
}

ParseResult tilewright::parseAxes(AsmParser &parser,
                                  SmallVectorImpl<StringAttr> &axes,
                                  SmallVectorImpl<int64_t> &extents) {
  return parser.parseCommaSeparatedList(
      AsmParser::Delimiter::Square, [&]() -> ParseResult {
        int64_t extent = ShapedType::kDynamic;
        if (parseAxisName(parser, axes.emplace_back()))
          return failure();
        if (succeeded(parser.parseOptionalEqual()) &&
            parser.parseInteger(extent))
          return failure();
        extents.push_back(extent);
        return success();
      });
}

void tilewright::printAxes(AsmPrinter &printer, ArrayRef<StringAttr> axes,
                           ArrayRef<int64_t> extents) {
  printer << "[";
  for (size_t i = 0; i < axes.size(); ++i) {
    if (i)
      printer << ", ";
    printAxisName(printer, axes[i]);
    if (!ShapedType::isDynamic(extents[i]))
      printer << " = " << extents[i];
  }
  printer << "]";
}

ParseResult tilewright::parseAxisList(OpAsmParser &parser, ArrayAttr &axes,
                                      DenseI64ArrayAttr &extents) {
  SmallVector<StringAttr> names;
  SmallVector<int64_t> sizes;
  if (parseAxes(parser, names, sizes))
    return failure();
  axes = parser.getBuilder().getArrayAttr(
      SmallVector<Attribute>(names.begin(), names.end()));
  extents = parser.getBuilder().getDenseI64ArrayAttr(sizes);
  return success();
}

void tilewright::printAxisList(OpAsmPrinter &printer, Operation *,
                               ArrayAttr axes, DenseI64ArrayAttr extents) {
  printAxes(printer, llvm::to_vector(axes.getAsRange<StringAttr>()),
            extents.asArrayRef());
}

ParseResult tilewright::parsePosition(OpAsmParser &parser, ArrayAttr &axes) {
  SmallVector<Attribute> names;
  auto parseOne = [&]() -> ParseResult {
    StringAttr name;
    if (parseAxisName(static_cast<AsmParser &>(parser), name))
      return failure();
    names.push_back(name);
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne))
    return failure();
  axes = parser.getBuilder().getArrayAttr(names);
  return success();
}

void tilewright::printPosition(OpAsmPrinter &printer, Operation *,
                               ArrayAttr axes) {
  printer << "[";
  llvm::interleaveComma(
      axes.getAsRange<StringAttr>(), printer, [&](StringAttr name) {
        printAxisName(static_cast<AsmPrinter &>(printer), name);
      });
  printer << "]";
}

ParseResult tilewright::parseAxisName(OpAsmParser &parser, StringAttr &name) {
  return parseAxisName(static_cast<AsmParser &>(parser), name);
}

void tilewright::printAxisName(OpAsmPrinter &printer, Operation *,
                               StringAttr name) {
  printAxisName(static_cast<AsmPrinter &>(printer), name);
}

ParseResult
tilewright::parseKernelArguments(OpAsmParser &parser,
                                 SmallVectorImpl<OpAsmParser::Argument> &args,
                                 ArrayAttr &names, DenseI32ArrayAttr &kinds) {
  SmallVector<Attribute> argNames;
  SmallVector<int32_t> argKinds;
  auto parseOne = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    StringRef keyword;
    if (parser.parseKeyword(&keyword))
      return failure();
    std::optional<tile::ArgumentKind> kind =
        tile::symbolizeArgumentKind(keyword);
    if (!kind)
      return parser.emitError(loc, "expected the kind of an argument (in, out, "
                                   "inout, scalar, param or table), got '")
             << keyword << "'";
    OpAsmParser::Argument &arg = args.emplace_back();
    if (parser.parseArgument(arg, /*allowType=*/true))
      return failure();
    argNames.push_back(
        parser.getBuilder().getStringAttr(arg.ssaName.name.drop_front()));
    argKinds.push_back(static_cast<int32_t>(*kind));
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne))
    return failure();
  names = parser.getBuilder().getArrayAttr(argNames);
  kinds = parser.getBuilder().getDenseI32ArrayAttr(argKinds);
  return success();
}

void tilewright::printKernelArguments(OpAsmPrinter &printer, Block &body,
                                      ArrayRef<int32_t> kinds) {
  printer << "(";
  llvm::interleaveComma(
      llvm::zip_equal(body.getArguments(), kinds), printer, [&](auto pair) {
        auto [arg, kind] = pair;
        printer << stringifyArgumentKind(static_cast<tile::ArgumentKind>(kind))
                << " ";
        printer.printRegionArgument(arg);
      });
  printer << ")";
}

LogicalResult tilewright::verifyKernelArguments(Operation *op, Block &body,
                                                ArrayAttr names,
                                                ArrayRef<int32_t> kinds) {
  unsigned count = body.getNumArguments();
  if (names.size() != count || kinds.size() != count)
    return op->emitOpError("has ")
           << count << " arguments, but " << names.size() << " names and "
           << kinds.size() << " kinds";
  llvm::SmallDenseSet<Attribute> seen;
  for (auto [arg, name, kind] : llvm::zip(body.getArguments(), names, kinds)) {
    if (!seen.insert(name).second)
      return op->emitOpError("has two arguments named ") << name;
    if (!tile::symbolizeArgumentKind(kind))
      return op->emitOpError("argument ") << name << " has no valid kind";
    auto argKind = static_cast<tile::ArgumentKind>(kind);
    bool isScalar = argKind == tile::ArgumentKind::scalar ||
                    argKind == tile::ArgumentKind::param ||
                    argKind == tile::ArgumentKind::positive;
    if (isScalar != !isa<tile::TensorType>(arg.getType()))
      return op->emitOpError("argument ")
             << name << " is '" << stringifyArgumentKind(argKind)
             << "', so its type must be a " << (isScalar ? "scalar" : "tensor")
             << ", got " << arg.getType();
  }
  return success();
}

/// `segments(full %a to %b, partial %c to %d)`

ParseResult tilewright::parseSegments(
    OpAsmParser &parser,
    SmallVectorImpl<OpAsmParser::UnresolvedOperand> &bounds,
    DenseI32ArrayAttr &kinds) {
  SmallVector<int32_t> values;
  auto parseOne = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    StringRef keyword;
    if (parser.parseKeyword(&keyword))
      return failure();
    std::optional<tile::SegmentKind> kind = tile::symbolizeSegmentKind(keyword);
    if (!kind)
      return parser.emitError(loc, "expected 'full' or 'partial', got '")
             << keyword << "'";
    values.push_back(static_cast<int32_t>(*kind));
    return failure(parser.parseOperand(bounds.emplace_back()) ||
                   parser.parseKeyword("to") ||
                   parser.parseOperand(bounds.emplace_back()));
  };
  if (succeeded(parser.parseOptionalKeyword("segments")) &&
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseOne))
    return failure();
  kinds = parser.getBuilder().getDenseI32ArrayAttr(values);
  return success();
}

void tilewright::printSegments(OpAsmPrinter &printer, Operation *,
                               OperandRange bounds, DenseI32ArrayAttr kinds) {
  if (kinds.empty())
    return;
  printer << "segments(";
  for (int64_t i = 0; i < kinds.size(); ++i) {
    if (i)
      printer << ", ";
    printer << tile::stringifySegmentKind(
                   static_cast<tile::SegmentKind>(kinds[i]))
            << " " << bounds[2 * i] << " to " << bounds[2 * i + 1];
  }
  printer << ")";
}
