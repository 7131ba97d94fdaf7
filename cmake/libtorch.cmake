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

# A whole wheel brings headers of fmt, which would hide those that pith is built with.
set(headers ${PITH_LIBTORCH}/torch/include)
if(EXISTS ${headers}/fmt)
  file(GLOB entries RELATIVE ${headers} ${headers}/*)
  list(REMOVE_ITEM entries fmt)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/libtorch)
  foreach(entry ${entries})
    file(CREATE_LINK ${headers}/${entry} ${CMAKE_BINARY_DIR}/libtorch/${entry} SYMBOLIC)
  endforeach()
  set(headers ${CMAKE_BINARY_DIR}/libtorch)
endif()

add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE ${headers} ${headers}/torch/csrc/api/include)
target_link_libraries(libtorch INTERFACE
  ${PITH_LIBTORCH}/torch/lib/libtorch_cpu.so ${PITH_LIBTORCH}/torch/lib/libc10.so)
# at::parallel_for is compiled with whoever calls it: without OpenMP it has one thread. The
# runtime is LibTorch's own, so that both share its threads.
target_compile_options(libtorch INTERFACE -fopenmp)
target_link_libraries(libtorch INTERFACE ${PITH_LIBTORCH}/torch/lib/libgomp.so.1)
# One with CUDA registers itself when it is loaded; nothing refers to it.
if(EXISTS ${PITH_LIBTORCH}/torch/lib/libtorch_cuda.so)
  target_link_libraries(libtorch INTERFACE "-Wl,--push-state,--no-as-needed"
    ${PITH_LIBTORCH}/torch/lib/libtorch_cuda.so "-Wl,--pop-state")
endif()
