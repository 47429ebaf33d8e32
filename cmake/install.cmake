# What `cmake --install` puts where, in two components: runtime (the programs)
# and development (the library).
include(CMakePackageConfigHelpers)

# -- runtime -----------------------------------------------------------------

install(TARGETS weft RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
install(TARGETS weftd weft_issuer
        RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR} COMPONENT runtime)
install(FILES docs/configuration.md docs/containers.md docs/control.md
        docs/full-tunnel.md docs/network.md docs/operations.md
        docs/reliability.md docs/security.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(FILES tools/packaging/node.yaml
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT runtime)

# What Prometheus and Grafana are given.
install(FILES tools/prometheus/alerts.yml
        DESTINATION ${CMAKE_INSTALL_DATADIR}/weft/prometheus COMPONENT runtime)
install(FILES tools/grafana/weft.json
        DESTINATION ${CMAKE_INSTALL_DATADIR}/weft/grafana COMPONENT runtime)

# The manuals, compressed as Debian wants them.
find_program(GZIP_PROGRAM gzip REQUIRED)
mark_as_advanced(GZIP_PROGRAM)
set(weft_compressed_files "")
function(weft_compressed source target) # TARGET: within the build folder
  cmake_path(ABSOLUTE_PATH source)
  add_custom_command(OUTPUT ${target}
    COMMAND ${GZIP_PROGRAM} -9nc ${source} > ${target}
    DEPENDS ${source} VERBATIM)
  set(weft_compressed_files ${weft_compressed_files} ${target} PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/compressed)
foreach(page IN ITEMS weft.1 weftd.8 weft-issuer.8)
  weft_compressed(docs/man/${page} compressed/${page}.gz)
  string(REGEX REPLACE ".*\\." "" section ${page})
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/compressed/${page}.gz
          DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT runtime)
endforeach()

# Where each shell looks for what packages bring.
function(weft_completion file destination)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/tools/completions/${file})
    install(FILES tools/completions/${file} COMPONENT runtime
            DESTINATION ${CMAKE_INSTALL_DATADIR}/${destination} ${ARGN})
  endif()
endfunction()
weft_completion(weft.bash bash-completion/completions RENAME weft)
weft_completion(weft.fish fish/vendor_completions.d)
if(CMAKE_INSTALL_PREFIX STREQUAL /usr)
  weft_completion(_weft zsh/vendor-completions)
else()
  weft_completion(_weft zsh/site-functions)
endif()

# The units name the programs by their full paths, which are known only now.
install(CODE "
  set(WEFT \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/weft)
  set(WEFTD \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SBINDIR}/weftd)
  set(WEFT_ISSUER \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SBINDIR}/weft-issuer)
  foreach(unit IN ITEMS weft weft-lock weft-host weft-issuer)
    configure_file(
      \"${CMAKE_CURRENT_SOURCE_DIR}/tools/packaging/\${unit}@.service.in\"
      \"${CMAKE_CURRENT_BINARY_DIR}/\${unit}@.service\" @ONLY)
  endforeach()"
  COMPONENT runtime)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weft@.service
        "${CMAKE_CURRENT_BINARY_DIR}/weft-lock@.service"
        "${CMAKE_CURRENT_BINARY_DIR}/weft-host@.service"
        "${CMAKE_CURRENT_SOURCE_DIR}/tools/packaging/weft-host@.path"
        "${CMAKE_CURRENT_BINARY_DIR}/weft-issuer@.service"
        DESTINATION lib/systemd/system COMPONENT runtime)
install(FILES tools/packaging/weft.tmpfiles RENAME weft.conf
        DESTINATION lib/tmpfiles.d COMPONENT runtime)

# -- development -------------------------------------------------------------

install(TARGETS ${weft_libraries} weft_metrics EXPORT weftTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
# `cmake --install --strip` and packages: without the debug information, which
# is most of an archive, as CMake itself strips programs only.
set(archives ${weft_libraries} weft_metrics)
list(REMOVE_ITEM archives weft_library weft_member_library)
list(TRANSFORM archives
     REPLACE "(.+)" "\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/lib\\1.a")
list(JOIN archives "\"\n\"" archives)
install(CODE "
  if(CMAKE_INSTALL_DO_STRIP)
    execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-debug \"${archives}\"
                    COMMAND_ERROR_IS_FATAL ANY)
  endif()" COMPONENT development)

# What is public: what <weft/weft.hpp> includes, found out when it is installed.
install(CODE "
  set(WEFT_SOURCE \"${CMAKE_CURRENT_SOURCE_DIR}\")
  set(WEFT_TARGET \"${CMAKE_CURRENT_BINARY_DIR}/public\")
  include(\"${CMAKE_CURRENT_SOURCE_DIR}/cmake/public_headers.cmake\")"
  COMPONENT development)
install(DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/public/weft
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY tools/examples/ COMPONENT development
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/weft-dev/examples
        FILES_MATCHING PATTERN "*.[ch]pp" PATTERN CMakeLists.txt)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
configure_package_config_file(cmake/weftConfig.cmake.in weftConfig.cmake
  INSTALL_DESTINATION ${package_folder}
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0, a minor version may change the interfaces.
set(compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
endif()
write_basic_package_version_file(weftConfigVersion.cmake
  COMPATIBILITY ${compatibility})
install(EXPORT weftTargets NAMESPACE weft:: DESTINATION ${package_folder}
        COMPONENT development)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/weftConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/weftConfigVersion.cmake
  cmake/FindCAF.cmake cmake/FindIPSecMB.cmake
  DESTINATION ${package_folder} COMPONENT development)

# pkg-config.  Relative to the file, so that the prefix can still be chosen
# when it is installed.
set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH PC_PREFIX /prefix/${pkgconfig_folder} /prefix)
cmake_path(GET PC_PREFIX PARENT_PATH PC_PREFIX) # without the last slash
# Libraries that have no pkg-config file of their own.
set(PC_LIBRARIES "")
set(PC_INCLUDES "")
set(others CAF_io CAF_core)
if(IPSecMB_FOUND)
  list(APPEND others IPSEC_MB)
endif()
foreach(other IN LISTS others)
  cmake_path(GET ${other}_LIBRARY PARENT_PATH folder)
  cmake_path(GET ${other}_LIBRARY STEM name)
  string(REGEX REPLACE "^lib" "" name ${name})
  if(NOT folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    string(APPEND PC_LIBRARIES " -L${folder}")
  endif()
  string(APPEND PC_LIBRARIES " -l${name}")
endforeach()
if(NOT CAF_INCLUDE_DIR IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
  set(PC_INCLUDES " -I${CAF_INCLUDE_DIR}")
endif()
configure_file(cmake/weft.pc.in weft.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weft.pc
        DESTINATION ${pkgconfig_folder} COMPONENT development)
