# Tests of what compilers say about sources that include the DSL's headers.
# Kernels are compiled by users, so both clang and g++ matter.
find_program(GXX_EXECUTABLE g++)
set(userCompilers clang)
set(userCompiler.clang ${CMAKE_CXX_COMPILER})
if(GXX_EXECUTABLE)
  list(APPEND userCompilers gcc)
  set(userCompiler.gcc ${GXX_EXECUTABLE})
endif()

# tilewright_must_not_compile(name file regex [definition...]): compiling `file`
# (with the definitions, as NAME or NAME=value) ends in an error whose line
# matches `regex`. Registers name.clang and, where there is a g++, name.gcc.
function(tilewright_must_not_compile name file regex)
  list(TRANSFORM ARGN PREPEND -D)
  foreach(compiler IN LISTS userCompilers)
    add_test(NAME ${name}.${compiler}
      COMMAND ${userCompiler.${compiler}} -std=c++20 -fsyntax-only -I ${CMAKE_SOURCE_DIR}
        ${ARGN} ${file}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    set_tests_properties(${name}.${compiler} PROPERTIES LABELS compile
      PASS_REGULAR_EXPRESSION "error: [^\n]*${regex}")
  endforeach()
endfunction()

# tilewright_must_compile(name file [definition...]): the counterpart, so that an
# error is known to come from the line that should give it.
function(tilewright_must_compile name file)
  list(TRANSFORM ARGN PREPEND -D)
  foreach(compiler IN LISTS userCompilers)
    add_test(NAME ${name}.${compiler}
      COMMAND ${userCompiler.${compiler}} -std=c++20 -fsyntax-only -Wall -Wextra -Werror
        -I ${CMAKE_SOURCE_DIR} ${ARGN} ${file}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    set_tests_properties(${name}.${compiler} PROPERTIES LABELS compile)
  endforeach()
endfunction()

# tilewright_compiles_within(name file seconds): compiling `file` to an object
# takes at most `seconds` of processor time.
function(tilewright_compiles_within name file seconds)
  foreach(compiler IN LISTS userCompilers)
    add_test(NAME ${name}.${compiler}
      COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/test/cmake/compiles_within.py ${seconds}
        ${userCompiler.${compiler}} -std=c++20 -c -I ${CMAKE_SOURCE_DIR} -o /dev/null ${file}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    set_tests_properties(${name}.${compiler} PROPERTIES LABELS compile RUN_SERIAL ON)
  endforeach()
endfunction()
