# The page that the server shows at /: web/build bundles it, cmake/embed_page.cmake puts the files into hone_page. Both run
# while building, again where a source has changed.
find_program(ESBUILD esbuild)
if(NOT ESBUILD)
  message(FATAL_ERROR "esbuild, which bundles the page of web/, is missing: tools/install_packages installs it")
endif()
if(NOT EXISTS ${PROJECT_SOURCE_DIR}/web/build)
  message(FATAL_ERROR "web/build, which makes the page that the server shows, is missing from this source tree")
endif()

file(GLOB_RECURSE page_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/*)
set(page_folder ${PROJECT_BINARY_DIR}/web)
add_custom_command(
  OUTPUT ${page_folder}/page_files.cpp
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${page_folder}/files
  COMMAND ${PROJECT_SOURCE_DIR}/web/build ${page_folder}/files
  COMMAND ${CMAKE_COMMAND} -D FOLDER=${page_folder}/files -D OUTPUT=${page_folder}/page_files.cpp
          -P ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake
  DEPENDS ${page_sources} ${PROJECT_SOURCE_DIR}/cmake/embed_page.cmake
  COMMENT "Bundling the page of web/"
  VERBATIM)
add_library(hone_page STATIC ${page_folder}/page_files.cpp)
target_include_directories(hone_page PRIVATE ${PROJECT_SOURCE_DIR}/src)
