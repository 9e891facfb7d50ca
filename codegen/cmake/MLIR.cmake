# Finds LLVM and MLIR 22, sets up TableGen, the linker and the shared or the
# static link. Everything that knows how Debian packages MLIR is here.
if(NOT MLIR_DIR AND EXISTS /usr/lib/llvm-22/lib/cmake/mlir)
  set(MLIR_DIR /usr/lib/llvm-22/lib/cmake/mlir)
endif()
find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "expected LLVM and MLIR 22, got ${LLVM_VERSION} (set MLIR_DIR)")
endif()
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(llvmDefinitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${llvmDefinitions})
add_compile_options(-Wall -Wextra -Wno-unused-parameter)
# /usr/bin/ld.lld may be an older one: take the one beside this LLVM.
add_link_options(-fuse-ld=lld -B${LLVM_TOOLS_BINARY_DIR})

if(TILEWRIGHT_STATIC_LLVM)
  # Debian's export makes the static archives depend on the shared libraries;
  # a mix of the two hangs at run time, so take that out.
  get_property(mlirLibs GLOBAL PROPERTY MLIR_ALL_LIBS)
  foreach(lib IN LISTS mlirLibs)
    if(TARGET ${lib})
      get_target_property(deps ${lib} INTERFACE_LINK_LIBRARIES)
      if(deps)
        list(REMOVE_ITEM deps LLVM MLIR)
        set_target_properties(${lib} PROPERTIES INTERFACE_LINK_LIBRARIES "${deps}")
      endif()
    endif()
  endforeach()
  get_target_property(deps LLVMSupport INTERFACE_LINK_LIBRARIES)
  list(FILTER deps EXCLUDE REGEX "z3|ZLIB|zstd")
  find_library(ZLIB_STATIC libz.a REQUIRED)
  find_library(ZSTD_STATIC libzstd.a REQUIRED)
  list(APPEND deps ${ZLIB_STATIC} ${ZSTD_STATIC})
  set_target_properties(LLVMSupport PROPERTIES INTERFACE_LINK_LIBRARIES "${deps}")
endif()

# tilewright_link_mlir(target): links what codegen uses of LLVM and MLIR. The
# static list names what sources use directly; archives bring their own needs.
function(tilewright_link_mlir target)
  if(NOT TILEWRIGHT_STATIC_LLVM)
    target_link_libraries(${target} PUBLIC MLIR LLVM)
    return()
  endif()
  target_link_libraries(${target} PUBLIC
    MLIROptLib MLIRParser MLIRPass MLIRTransforms
    MLIRArithDialect MLIRSCFDialect MLIRFuncDialect MLIRMathDialect
    MLIRMemRefDialect MLIRVectorDialect MLIRControlFlowDialect
    MLIRLLVMDialect MLIRNVVMDialect MLIRGPUDialect
    MLIRSCFToControlFlow MLIRControlFlowToLLVM MLIRArithToLLVM MLIRMathToLLVM
    MLIRMemRefToLLVM MLIRIndexToLLVM MLIRFuncToLLVM MLIRVectorToLLVMPass
    MLIRVectorToSCF MLIRVectorTransforms MLIRReconcileUnrealizedCasts
    MLIRNVVMToLLVM MLIRMemRefTransforms
    MLIRBuiltinToLLVMIRTranslation MLIRLLVMToLLVMIRTranslation
    MLIRNVVMToLLVMIRTranslation MLIRGPUToLLVMIRTranslation MLIRTargetLLVMIRExport
    LLVMNVPTXCodeGen LLVMNVPTXDesc LLVMNVPTXInfo LLVMPasses
    LLVMX86CodeGen LLVMX86Desc LLVMX86Info LLVMOrcJIT
    LLVMOrcTargetProcess LLVMSupport)
endfunction()
