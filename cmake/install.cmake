# What is installed.
include(CMakePackageConfigHelpers)

install(TARGETS pith RUNTIME)
install(TARGETS pith_shared EXPORT pith LIBRARY)
install(FILES include/pith/pith.h include/pith/pith.hpp include/pith/version.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pith)
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
