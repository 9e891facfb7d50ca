# tilewright_unit_test(name sources... [MLIR] [LIBS libraries...]) makes the
# executable name, a GoogleTest program, and registers each of its cases with
# ctest as `name.Suite.Case`. MLIR: the sources include MLIR headers, so take the
# precompiled ones of the compiler.
if(NOT TILEWRIGHT_STATIC_LLVM)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

function(tilewright_unit_test name)
  cmake_parse_arguments(arg "MLIR" "" "LIBS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gtest_main)
  if(arg_MLIR)
    target_compile_options(${name} PRIVATE -fPIC)
    target_precompile_headers(${name} REUSE_FROM TilewrightCodegen)
    target_link_libraries(${name} PRIVATE TilewrightCodegen)
  endif()
  gtest_discover_tests(${name} TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT 600 LABELS unit)
endfunction()
