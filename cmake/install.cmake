# What is installed, and the Debian package of it.
include(CMakePackageConfigHelpers)

install(TARGETS pith RUNTIME)
install(TARGETS pith_shared EXPORT pith LIBRARY)
install(FILES include/pith/pith.h include/pith/pith.hpp include/pith/version.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pith)
install(DIRECTORY packs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/pith/packs)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)

# find_package(pith), target pith::pith
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/pith)
install(EXPORT pith NAMESPACE pith:: FILE pith-targets.cmake DESTINATION ${package})
configure_package_config_file(cmake/pith-config.cmake.in pith-config.cmake
  INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may change what is there.
write_basic_package_version_file(pith-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/pith-config.cmake ${CMAKE_BINARY_DIR}/pith-config-version.cmake
  DESTINATION ${package})

# pkg-config: relative to where it lies, as --prefix can be given at installation.
file(RELATIVE_PATH PITH_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/pith.pc.in pith.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/pith.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Completions and manual pages, as the program itself describes them.
set(described ${CMAKE_BINARY_DIR}/described)
add_custom_command(OUTPUT ${described}/bash/pith
  COMMAND pith describe ${described}
  DEPENDS pith COMMENT "Shell completions and manual pages" VERBATIM)
add_custom_target(pith_described ALL DEPENDS ${described}/bash/pith)
install(FILES ${described}/bash/pith DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${described}/zsh/_pith DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${described}/fish/pith.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(DIRECTORY ${described}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the authors of pith")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)  # Depends, by what the files link
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, python3-pip")  # for `pith pull`
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/cmake/triggers)
include(CPack)
