# embed_texts(TARGET NAME PREFIX FILES...): adds NAME.c to TARGET and NAME.h to its private include path, with a
# NUL-terminated `extern const char PREFIXstem[];` for each file. The stem is the file's name without its last extension; what C does not
# allow in a name becomes "_" (001_rollcall.sql with the prefix sql_ is sql_001_rollcall). Made again when a file changes.

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  set(header "#pragma once\n")
  set(source "#include \"${NAME}.h\"\n")
  string(REPLACE "|" ";" files "${FILES}")
  foreach(file IN LISTS files)
    get_filename_component(stem ${file} NAME_WLE)
    string(MAKE_C_IDENTIFIER "${PREFIX}${stem}" symbol)
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
    string(APPEND header "extern const char ${symbol}[];\n")
    string(APPEND source "const char ${symbol}[] = {${bytes}0};\n")
  endforeach()
  file(WRITE ${FOLDER}/${NAME}.h "${header}")
  file(WRITE ${FOLDER}/${NAME}.c "${source}")
  return()
endif()

set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(embed_texts target name prefix)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/embedded/${target})
  set(files "")
  foreach(file IN LISTS ARGN)
    get_filename_component(file ${file} ABSOLUTE)
    list(APPEND files ${file})
  endforeach()
  string(REPLACE ";" "|" joined "${files}") # a list would fall apart on the command line
  add_custom_command(
    OUTPUT ${folder}/${name}.c ${folder}/${name}.h
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DPREFIX=${prefix} -DFOLDER=${folder} "-DFILES=${joined}" -P ${EMBED_SCRIPT}
    DEPENDS ${files} ${EMBED_SCRIPT}
    COMMENT "Embedding ${name}"
    VERBATIM)
  target_sources(${target} PRIVATE ${folder}/${name}.c ${folder}/${name}.h)
  target_include_directories(${target} PRIVATE ${folder})
endfunction()
