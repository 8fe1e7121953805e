# One library per folder of src/, one test program per folder of tests/; a new file needs no line here.

# hone_unity(TARGET ROOT SOURCES...): where CMAKE_UNITY_BUILD is on, the sources of a folder below ROOT are compiled as one, which
# takes a third of the time: most of it goes to headers. Their anonymous namespaces are then one; where that cannot be, a file
# has SKIP_UNITY_BUILD_INCLUSION.
function(hone_unity target root)
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
  if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # which takes such sources for headers
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
  foreach(source ${ARGN})
    cmake_path(GET source PARENT_PATH folder)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${root})
    string(REPLACE "/" "_" group "${folder}")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
  endforeach()
endfunction()

# hone_folder(NAME LIBRARIES...): library hone_NAME of every .cpp below src/NAME but main.cpp, linked to what that folder may
# include.
function(hone_folder name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(NOT sources)
    add_library(hone_${name} INTERFACE)
    target_link_libraries(hone_${name} INTERFACE ${ARGN})
    return()
  endif()
  add_library(hone_${name} STATIC ${sources})
  hone_unity(hone_${name} ${CMAKE_CURRENT_SOURCE_DIR} ${sources})
  target_include_directories(hone_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(hone_${name} PUBLIC ${ARGN})
  target_precompile_headers(hone_${name} PRIVATE
    <algorithm> <array> <atomic> <cstdint> <functional> <map> <memory> <optional> <span> <string> <string_view>
    <unordered_map> <utility> <variant> <vector> <fmt/core.h> <fmt/format.h>)
endfunction()

# hone_test(NAME LIBRARIES...): program test_NAME of tests/NAME/*.cpp, one ctest entry a gtest test, labelled NAME; tests that
# compare with a reference implementation (Golden in the suite's name) are labelled golden instead.
function(hone_test name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  set_target_properties(test_${name} PROPERTIES UNITY_BUILD OFF)
  # GCC 12 sees strings of a few characters copied beyond the room that a string has in itself.
  target_compile_options(test_${name} PRIVATE -Wno-array-bounds -Wno-stringop-overflow)
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(test_${name} PRIVATE ${ARGN} hone_test_main)
  target_compile_definitions(test_${name} PRIVATE HONE_TESTS_DIR="${PROJECT_SOURCE_DIR}/tests")
  foreach(rule "-*Golden*=${name}" "*Golden*=golden")
    string(REGEX REPLACE "=.*" "" filter ${rule})
    string(REGEX REPLACE ".*=" "" label ${rule})
    gtest_discover_tests(test_${name} TEST_FILTER "${filter}" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                         PROPERTIES LABELS ${label} TIMEOUT 600)
  endforeach()
endfunction()
