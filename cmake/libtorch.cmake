# The target `libtorch`: LibTorch as tools/get-libtorch unpacks it. Its own CMake package
# wants a CUDA toolkit, which is not needed for the CPU.
if(DEFINED ENV{PITH_LIBTORCH})
  set(folder $ENV{PITH_LIBTORCH})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(folder $ENV{XDG_CACHE_HOME}/pith/libtorch-2.15.0)
else()
  set(folder $ENV{HOME}/.cache/pith/libtorch-2.15.0)
endif()
set(PITH_LIBTORCH ${folder} CACHE PATH "Where tools/get-libtorch has unpacked LibTorch")
if(NOT EXISTS ${PITH_LIBTORCH}/torch/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch is not in ${PITH_LIBTORCH}; tools/get-libtorch fetches it")
endif()

add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE
  ${PITH_LIBTORCH}/torch/include ${PITH_LIBTORCH}/torch/include/torch/csrc/api/include)
target_link_libraries(libtorch INTERFACE
  ${PITH_LIBTORCH}/torch/lib/libtorch_cpu.so ${PITH_LIBTORCH}/torch/lib/libc10.so)
