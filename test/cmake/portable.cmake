# Fails unless FILE needs nothing but glibc, with the unwinder that it loads
# itself, and libtilewright, and shows no
# symbol but ours: that is what lets it travel, and live beside another LLVM.
execute_process(COMMAND ${READELF} -d ${FILE} OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "Shared library: \\[[^]]*" needed "${dynamic}")
list(TRANSFORM needed REPLACE ".*\\[" "")
list(FILTER needed EXCLUDE REGEX "^(libc|libm|libdl|libpthread|librt|libgcc_s|ld-linux-x86-64|libtilewright)\\.so")
if(needed)
  message(SEND_ERROR "${FILE} needs ${needed}")
endif()

execute_process(COMMAND ${READELF} --dyn-syms --wide ${FILE}
  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]*(GLOBAL|WEAK) +DEFAULT +[0-9]+ [^\n]*" shown "${symbols}")
list(FILTER shown EXCLUDE REGEX " _Z(T[ISV])?NK?10tilewright")
if(shown AND FILE MATCHES "\\.so$")
  message(SEND_ERROR "${FILE} shows ${shown}")
endif()
