# Flags and the three kinds of target that every folder uses.
find_package(Threads REQUIRED)
if(CMAKE_CROSSCOMPILING)
  # Only headers of the build machine are of use, and only where the target has none.
  add_library(fmt::fmt INTERFACE IMPORTED)
  target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
  target_compile_options(fmt::fmt INTERFACE "SHELL:-idirafter /usr/include")
  add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
  target_compile_options(nlohmann_json::nlohmann_json INTERFACE "SHELL:-idirafter /usr/include")
else()
  find_package(fmt REQUIRED)
  find_package(nlohmann_json REQUIRED)
endif()

add_library(pith_flags INTERFACE)
target_compile_options(pith_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -Wno-sign-conversion -Wnon-virtual-dtor -Wold-style-cast -Wcast-align)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees an overflow that is not there in fmt's format-string parser, and an
  # overlap in "text" + string (its bug 105651).
  target_compile_options(pith_flags INTERFACE -Wno-stringop-overflow -Wno-restrict)
endif()
if(PITH_WERROR)
  target_compile_options(pith_flags INTERFACE -Werror)
endif()
if(PITH_SANITIZE)
  target_compile_options(pith_flags INTERFACE -fsanitize=${PITH_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(pith_flags INTERFACE -fsanitize=${PITH_SANITIZE})
endif()
# Float results must not depend on what a compiler fuses (docs/numerics.md).
target_compile_options(pith_flags INTERFACE -ffp-contract=off)
target_include_directories(pith_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)

function(pith_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${PITH_UNITY} UNITY_BUILD_BATCH_SIZE 40)
endfunction()

# pith_library(NAME SOURCES a.cpp ... DEPENDS pith_base ...): the static library pith_NAME.
function(pith_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(pith_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(pith_${name} PUBLIC pith_flags ${ARG_DEPENDS})
  pith_unity(pith_${name})
endfunction()

# pith_cold(TARGET): code that takes longer to compile than to run.
function(pith_cold target)
  if(PITH_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  else()
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# pith_test(NAME SOURCES a.cpp ... DEPENDS pith_base ... [LABELS model] [OPTIMISED]
# [HEADERS pith_train]): the GoogleTest binary NAME_test, usually all tests of a folder.
# CTest runs it in a few parts, NAME.1 and so on, as starting a process takes longer than
# most tests. The label "model" marks tests that need the real models of the store
# (`./check` fetches them); OPTIMISED those that compute much by themselves; HEADERS is the
# target whose compiled headers they share.
set(PITH_TEST_DEFINITIONS PITH_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
set(PITH_TEST_PARTS 4)
function(pith_test name)
  cmake_parse_arguments(ARG "OPTIMISED" "HEADERS" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT ARG_HEADERS)
    set(ARG_HEADERS pith_test_headers)
  endif()
  set(binary ${name}_test)
  add_executable(${binary} ${ARG_SOURCES})
  target_link_libraries(${binary} PRIVATE pith_flags ${ARG_DEPENDS} GTest::gtest GTest::gtest_main)
  target_include_directories(${binary} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${binary} PRIVATE ${PITH_TEST_DEFINITIONS})
  pith_unity(${binary})
  if(NOT ARG_OPTIMISED)
    target_precompile_headers(${binary} REUSE_FROM ${ARG_HEADERS})
    pith_cold(${binary})
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With a compiled header GCC 12 shows the warnings of its bug 105651 from inside of
    # the standard library.
    target_compile_options(${binary} PRIVATE -Wno-array-bounds)
  endif()
  math(EXPR last "${PITH_TEST_PARTS} - 1")
  foreach(part RANGE ${last})
    math(EXPR number "${part} + 1")
    add_test(NAME ${name}.${number} COMMAND ${binary} --gtest_brief=1)
    set_tests_properties(${name}.${number} PROPERTIES LABELS "${ARG_LABELS}"
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${PITH_TEST_PARTS};GTEST_SHARD_INDEX=${part}")
  endforeach()
endfunction()

# PITH_PYTHON: the interpreter itself, as the scripts of version managers that stand before it
# take longer to start than it does, hundreds of times.
function(pith_find_python)
  if(NOT PITH_PYTHON)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    execute_process(COMMAND ${Python3_EXECUTABLE} -c "import sys; print(sys.executable)"
      OUTPUT_VARIABLE python OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    set(PITH_PYTHON ${python} CACHE FILEPATH "Python interpreter of the tests")
  endif()
endfunction()

# pith_python_test(NAME.py [UNSANITIZED] [LABELS model] [ENVIRONMENT A=1 ...]): a script of unittest cases
# about the pith binary (tests/support/python_case.py), each of them known to CTest. UNSANITIZED are those
# in which sanitizers would find nothing that other tests do not show them.
function(pith_python_test script)
  cmake_parse_arguments(ARG "UNSANITIZED" "" "LABELS;ENVIRONMENT" ${ARGN})
  if(PITH_SANITIZE AND ARG_UNSANITIZED)
    return()
  endif()
  pith_find_python()
  set(path ${CMAKE_CURRENT_SOURCE_DIR}/${script})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  set(python ${CMAKE_COMMAND} -E env PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/support
    PYTHONDONTWRITEBYTECODE=1 PITH_BINARY=$<TARGET_FILE:pith> ${ARG_ENVIRONMENT} ${PITH_PYTHON})
  execute_process(COMMAND ${CMAKE_COMMAND} -E env PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/support
    PYTHONDONTWRITEBYTECODE=1 ${PITH_PYTHON} ${path} --list
    OUTPUT_VARIABLE cases COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" cases "${cases}")
  foreach(case ${cases})
    add_test(NAME ${case} COMMAND ${python} ${path} ${case})
    set_tests_properties(${case} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 600)
  endforeach()
endfunction()

# pith_fuzzer(NAME SOURCES a.cpp DEPENDS pith_io): a libFuzzer binary.
function(pith_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE pith_flags ${ARG_DEPENDS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
