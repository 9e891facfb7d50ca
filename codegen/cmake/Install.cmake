# `cmake --install build-release --prefix DIR`: the library with the headers that
# users include, the command, the reference, the examples, and what
# find_package(Tilewright) finds.
include(CMakePackageConfigHelpers)
set(packageDir ${CMAKE_INSTALL_LIBDIR}/cmake/Tilewright)
set(headerDir ${CMAKE_INSTALL_INCLUDEDIR}/tilewright)

target_include_directories(libtilewright INTERFACE $<INSTALL_INTERFACE:${headerDir}>)
target_compile_features(libtilewright INTERFACE cxx_std_20)
install(TARGETS libtilewright EXPORT TilewrightTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT TilewrightTargets NAMESPACE Tilewright:: DESTINATION ${packageDir})
install(TARGETS tilewright RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

configure_package_config_file(codegen/cmake/TilewrightConfig.cmake.in
  ${CMAKE_BINARY_DIR}/TilewrightConfig.cmake INSTALL_DESTINATION ${packageDir}
  PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/TilewrightConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/TilewrightConfig.cmake
  ${CMAKE_BINARY_DIR}/TilewrightConfigVersion.cmake DESTINATION ${packageDir})

# No header of these includes one of LLVM, MLIR or CUDA.
set(dslHeaders Axis Builder Kernel Modifier Param Schedule Shared Tile tilewright)
list(TRANSFORM dslHeaders REPLACE "(.+)" "dsl/\\1.h")
foreach(header IN LISTS dslHeaders ITEMS codegen/Error.h codegen/LaunchPlan.h
    runtime/Arguments.h runtime/Compile.h)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${header} DESTINATION ${headerDir}/${folder})
endforeach()
file(GLOB kernelHeaders CONFIGURE_DEPENDS kernels/*.h)
install(FILES ${kernelHeaders} DESTINATION ${headerDir}/kernels)

install(DIRECTORY kernels/examples DESTINATION ${CMAKE_INSTALL_DATADIR}/tilewright)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${CMAKE_BINARY_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/reference
  FILES_MATCHING PATTERN "*.md")
