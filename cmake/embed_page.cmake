# cmake -D FOLDER=DIR -D OUTPUT=FILE.cpp -P embed_page.cmake: writes the source that defines page_files()
# (serve/page_files.h): every file of the folder as it is and, where that is smaller, compressed.
cmake_minimum_required(VERSION 3.25)
file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/*)
list(SORT files)
if(NOT "index.html" IN_LIST files)
  message(FATAL_ERROR "web/build left no index.html in ${FOLDER}")
endif()

set(type_.html "text/html; charset=utf-8")
set(type_.js "text/javascript; charset=utf-8")
set(type_.css "text/css; charset=utf-8")
set(type_.svg image/svg+xml)
set(type_.png image/png)
set(type_.woff2 font/woff2)
set(bytes "")
set(names "")
set(table "")
set(count 0)

# The bytes of a file between two symbols.
macro(add_bytes symbol path)
  string(APPEND bytes "    \"${symbol}: .incbin \\\"${path}\\\"\\n\"\n    \"${symbol}_end:\\n\"\n")
  string(APPEND names "extern const char ${symbol}[], ${symbol}_end[];\n")
endmacro()

foreach(file ${files})
  get_filename_component(extension ${file} LAST_EXT)
  set(type "${type_${extension}}")
  if(NOT type)
    message(FATAL_ERROR "${FOLDER}/${file}: cmake/embed_page.cmake knows no content type for ${extension}")
  endif()
  if(file STREQUAL "index.html")
    set(path "/")
  elseif(file MATCHES "^assets/")
    set(path "/${file}")
  else()
    message(FATAL_ERROR "${FOLDER}/${file}: beside index.html the page's files lie in assets/")
  endif()

  set(source ${FOLDER}/${file})
  file(SHA256 ${source} digest)
  string(SUBSTRING ${digest} 0 32 digest)
  add_bytes(hone_page_${count} ${source})
  set(plain "{hone_page_${count}, hone_page_${count}_end}")

  # Beside the folder: it holds the page alone.
  set(small ${FOLDER}.${count}.gz)
  execute_process(COMMAND gzip -9 -n -c ${source} OUTPUT_FILE ${small} COMMAND_ERROR_IS_FATAL ANY)
  file(SIZE ${source} plain_size)
  file(SIZE ${small} small_size)
  set(compressed "{}")
  if(small_size LESS plain_size)
    add_bytes(hone_page_${count}_gz ${small})
    set(compressed "{hone_page_${count}_gz, hone_page_${count}_gz_end}")
  endif()
  string(APPEND table "        {\"${path}\", \"${type}\", \"${digest}\", ${plain}, ${compressed}},\n")
  math(EXPR count "${count} + 1")
endforeach()

file(WRITE ${OUTPUT} "// Made by cmake/embed_page.cmake.
#include \"serve/page_files.h\"

asm(\".pushsection .rodata\\n\"
${bytes}    \".popsection\\n\");

extern \"C\" {
${names}}

namespace hone::serve {

std::span<const PageFile> page_files() {
    static const PageFile kFiles[] = {
${table}    };
    return kFiles;
}

}  // namespace hone::serve
")
