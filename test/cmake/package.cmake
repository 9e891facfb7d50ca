# Installs the build in BUILD and uses it as a user's project would: the example
# EXAMPLE finds the package under a prefix that is moved after the
# installation, is built with COMPILER, and runs. The version must fit.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${SCRATCH})
function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE output
    RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/first)
file(RENAME ${SCRATCH}/first ${SCRATCH}/prefix)
foreach(file lib/cmake/Tilewright/TilewrightConfigVersion.cmake include/tilewright/dsl/tilewright.h
    include/tilewright/runtime/Compile.h share/tilewright/examples/variant/main.cpp
    share/doc/Tilewright/reference/tile.md share/doc/Tilewright/reference/stage.md
    share/doc/Tilewright/reference/passes.md share/doc/Tilewright/LICENSE)
  if(NOT EXISTS ${SCRATCH}/prefix/${file})
    message(SEND_ERROR "not installed: ${file}")
  endif()
endforeach()
run(${SCRATCH}/prefix/bin/tilewright --help)

# From the installed tree: nothing of the sources is needed.
set(arguments -S ${SCRATCH}/prefix/share/tilewright/examples/variant -B ${SCRATCH}/build
  -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${COMPILER}
  -DCMAKE_CXX_FLAGS=-Werror\ -Wall\ -Wextra -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix)
run(${CMAKE_COMMAND} ${arguments})
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)
run(${SCRATCH}/build/variant)
if(NOT output MATCHES "largest difference from the loops: [0-9.]+e-0[6-9]")
  message(SEND_ERROR "the example says: ${output}")
endif()

# A project that wants another version is told so.
file(WRITE ${SCRATCH}/future/CMakeLists.txt
  "cmake_minimum_required(VERSION 3.25)\nproject(Future LANGUAGES NONE)\n"
  "find_package(Tilewright 7 REQUIRED)\n")
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SCRATCH}/future -B ${SCRATCH}/future/build
  -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix ERROR_VARIABLE output OUTPUT_QUIET RESULT_VARIABLE status)
if(NOT status OR NOT output MATCHES "requested version \"7\"")
  message(SEND_ERROR "version 7 was found: ${output}")
endif()
