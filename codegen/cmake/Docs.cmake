# The target `docs` writes the reference of every dialect and pass to
# build/docs, from the same .td files that define them. It is installed.
file(GLOB tdFiles CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/codegen/dialect/*.td
  ${CMAKE_SOURCE_DIR}/codegen/passes/*.td)
set(docs)

function(tilewright_doc output source)
  set(path ${CMAKE_BINARY_DIR}/docs/${output}.md)
  add_custom_command(OUTPUT ${path}
    COMMAND ${MLIR_TABLEGEN_EXE} ${ARGN} -I ${CMAKE_SOURCE_DIR} -I ${MLIR_INCLUDE_DIRS}
      ${CMAKE_SOURCE_DIR}/${source} -o ${path}
    DEPENDS ${tdFiles} VERBATIM)
  set(docs ${docs} ${path} PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/docs)
tilewright_doc(tile codegen/dialect/TileOps.td -gen-dialect-doc -dialect=tile)
tilewright_doc(stage codegen/dialect/StageOps.td -gen-dialect-doc -dialect=stage)
tilewright_doc(passes codegen/passes/Passes.td -gen-pass-doc)
add_custom_target(docs ALL DEPENDS ${docs})
