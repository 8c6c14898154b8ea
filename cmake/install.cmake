# SPDX-License-Identifier: Apache-2.0
# cmake --install: programs, and everything an operator starts from. Nothing below /etc is touched;
# docs/operating.md says what to copy there.
include(GNUInstallDirs)

add_custom_command(
  OUTPUT ${CMAKE_BINARY_DIR}/completion/rollcall
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completion
  COMMAND rollcall completion bash > ${CMAKE_BINARY_DIR}/completion/rollcall
  DEPENDS rollcall
  VERBATIM)
add_custom_target(completion ALL DEPENDS ${CMAKE_BINARY_DIR}/completion/rollcall)

# Manual pages, made by the programs from the tables that their help is made of.
function(manual_page page section)
  set(file ${CMAKE_BINARY_DIR}/man/${page}.${section})
  add_custom_command(
    OUTPUT ${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/man
    COMMAND ${ARGN} > ${file}
    DEPENDS ${ARGV2}
    VERBATIM)
  set_property(GLOBAL APPEND PROPERTY manual_pages ${file})
  install(FILES ${file} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endfunction()
manual_page(rollcall 1 rollcall help --man)
manual_page(rollcall.cfg 5 rollcall help --man rollcall.cfg)
foreach(daemon rollcall-scheduler rollcall-worker rollcall-aggregator)
  manual_page(${daemon} 8 ${daemon} --man)
endforeach()
get_property(manual_pages GLOBAL PROPERTY manual_pages)
add_custom_target(man ALL DEPENDS ${manual_pages})

set(share ${CMAKE_INSTALL_DATADIR}/rollcall)
install(TARGETS rollcall rollcall-scheduler rollcall-worker rollcall-aggregator rollcall-broker)
install(FILES ${CMAKE_BINARY_DIR}/completion/rollcall
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES config/rollcall.cfg config/rollcall-development.cfg DESTINATION ${share})
install(DIRECTORY config/packs docker/roles schemas DESTINATION ${share})
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The units name the programs by their full paths.
file(GLOB units CONFIGURE_DEPENDS docker/systemd/*.service)
foreach(unit ${units})
  get_filename_component(name ${unit} NAME)
  configure_file(${unit} ${CMAKE_BINARY_DIR}/systemd/${name} @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/systemd/${name} DESTINATION lib/systemd/system)
endforeach()
install(FILES docker/systemd/rollcall.sysusers DESTINATION lib/sysusers.d RENAME rollcall.conf)
