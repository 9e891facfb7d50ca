# Fails when the kernel that the README shows is not the one that is there.
file(READ ${ROOT}/README.md readme)
file(READ ${ROOT}/kernels/Flash.h kernel)
string(REGEX MATCH "```cpp\n([^`]*)```" block "${readme}")
string(FIND "${kernel}" "${CMAKE_MATCH_1}" place)
if(NOT block OR place EQUAL -1)
  message(FATAL_ERROR "README.md shows another flashForward than kernels/Flash.h")
endif()
