# SPDX-License-Identifier: Apache-2.0
# Texts as C constants, made again when a file changes.
#
# embed_texts(TARGET NAME PREFIX FILES...): adds NAME.c to TARGET and NAME.h to its private include
# path, with a NUL-terminated `extern const char PREFIXstem[];` for each file. The stem is the
# file's name without its last extension; what C does not allow in a name becomes "_"
# (001_rollcall.sql with the prefix sql_ is sql_001_rollcall).
#
# embed_sql(rc_ROOM): the statements of sql/*.sql beside the CMakeLists.txt, or of the folder given
# after the target, as ROOM_statements.h: sql/held_add.sql is sql_held_add. A line `\ir FILE`
# (psql's include, relative to the file) is replaced by that file. A file that is only a part of
# statements begins with "_" and has no constant of its own. Lines that are comments are left out.

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  function(read_statement file ret)
    get_filename_component(folder ${file} DIRECTORY)
    file(READ ${file} text)
    while(text MATCHES "(^|\n)[ \t]*(\\\\ir [ \t]*([^ \t\n]+))[ \t]*(\n|$)")
      set(line "${CMAKE_MATCH_2}")
      file(READ ${folder}/${CMAKE_MATCH_3} part)
      string(REPLACE "${line}" "${part}" text "${text}")
    endwhile()
    string(REGEX REPLACE "(^|\n)[ \t]*--[^\n]*" "\\1" text "${text}")
    string(REGEX REPLACE "\n[\n\t ]*\n" "\n" text "${text}")
    string(STRIP "${text}" text)
    string(HEX "${text}" bytes)
    set(${ret} "${bytes}" PARENT_SCOPE)
  endfunction()

  set(header "#pragma once\n")
  set(source "#include \"${NAME}.h\"\n")
  string(REPLACE "|" ";" files "${FILES}")
  foreach(file IN LISTS files)
    get_filename_component(stem ${file} NAME_WLE)
    string(MAKE_C_IDENTIFIER "${PREFIX}${stem}" symbol)
    if(STATEMENTS)
      read_statement(${file} bytes)
    else()
      file(READ ${file} bytes HEX)
    endif()
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
    string(APPEND header "extern const char ${symbol}[];\n")
    string(APPEND source "const char ${symbol}[] = {${bytes}0};\n")
  endforeach()
  file(WRITE ${FOLDER}/${NAME}.h "${header}")
  file(WRITE ${FOLDER}/${NAME}.c "${source}")
  return()
endif()

set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(embed_files target name prefix statements parts)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/embedded/${target})
  set(files "")
  foreach(file IN LISTS ARGN)
    get_filename_component(file ${file} ABSOLUTE)
    list(APPEND files ${file})
  endforeach()
  string(REPLACE ";" "|" joined "${files}") # a list would fall apart on the command line
  add_custom_command(
    OUTPUT ${folder}/${name}.c ${folder}/${name}.h
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DPREFIX=${prefix} -DFOLDER=${folder}
            -DSTATEMENTS=${statements} "-DFILES=${joined}" -P ${EMBED_SCRIPT}
    DEPENDS ${files} ${parts} ${EMBED_SCRIPT}
    COMMENT "Embedding ${name}"
    VERBATIM)
  target_sources(${target} PRIVATE ${folder}/${name}.c ${folder}/${name}.h)
  target_include_directories(${target} PRIVATE ${folder})
endfunction()

function(embed_texts target name prefix)
  embed_files(${target} ${name} ${prefix} OFF "" ${ARGN})
endfunction()

function(embed_sql target)
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/sql)
  if(ARGC GREATER 1)
    set(folder ${ARGV1})
  endif()
  file(GLOB statements CONFIGURE_DEPENDS ${folder}/*.sql)
  list(FILTER statements EXCLUDE REGEX "/_[^/]*$")
  file(GLOB parts CONFIGURE_DEPENDS ${folder}/_*.sql ${CMAKE_SOURCE_DIR}/common/*/sql/_*.sql)
  string(REGEX REPLACE "^rc_" "" room ${target})
  embed_files(${target} ${room}_statements sql_ ON "${parts}" ${statements})
endfunction()
