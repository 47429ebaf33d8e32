# The Debian packages weft and weft-dev, of a build that is configured for
# /usr: tools/package makes one, and runs CPack.
set(WEFT_MAINTAINER "weft maintainers <maintainers@weft.example>" CACHE STRING
    "Whom the packages name as their maintainer")
set(package_revision 1)
set(packaging ${CMAKE_CURRENT_SOURCE_DIR}/tools/packaging)

# -- what only packages have -------------------------------------------------

string(TIMESTAMP PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(PACKAGE_VERSION ${PROJECT_VERSION}-${package_revision})
configure_file(${packaging}/changelog.in compressed/changelog.Debian @ONLY)
weft_compressed(${CMAKE_CURRENT_BINARY_DIR}/compressed/changelog.Debian
                compressed/changelog.Debian.gz)
weft_compressed(CHANGELOG.md compressed/changelog.gz)

foreach(pair IN ITEMS runtime:weft development:weft-dev)
  string(REPLACE ":" ";" pair ${pair})
  list(POP_FRONT pair component)
  install(FILES ${packaging}/copyright
    ${CMAKE_CURRENT_BINARY_DIR}/compressed/changelog.Debian.gz
    ${CMAKE_CURRENT_BINARY_DIR}/compressed/changelog.gz
    DESTINATION share/doc/${pair} COMPONENT ${component})
endforeach()
install(FILES ${packaging}/weft.lintian-overrides RENAME weft
        DESTINATION share/lintian/overrides COMPONENT runtime)
install(FILES ${packaging}/weft-dev.lintian-overrides RENAME weft-dev
        DESTINATION share/lintian/overrides COMPONENT development)
install(DIRECTORY DESTINATION /etc/weft COMPONENT runtime
        DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)

# -- CPack -------------------------------------------------------------------

set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_VERBATIM_VARIABLES ON)
# Each package has its own.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_STRIP_FILES ON)
# /etc/weft is outside of the prefix.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${package_revision})
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${WEFT_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME weft)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION net)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
# What is loaded only when it is used, by the names of Debian 13 and 12.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS
    "libcurl4t64 | libcurl4, libmicrohttpd12t64 | libmicrohttpd12")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "wireguard-tools, prometheus")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
    ${packaging}/postinst ${packaging}/prerm ${packaging}/postrm)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
"encrypted overlay network in userspace, compatible with WireGuard
weft moves IP packets between hosts and containers through encrypted tunnels
that speak the WireGuard protocol.  It runs in userspace, needs nothing of the
kernel but a TUN device, and talks to every other implementation of WireGuard.

This package has the daemon weftd, the command weft, and a systemd unit for
any number of nodes, one YAML file each; and weft-issuer, which lets members
into a network that runs itself.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME weft-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
# What the headers include and the archives are linked with.
set(development_depends "libcaf-dev (>= 0.17.6), libcaf-dev (<< 0.18)"
    libc-ares-dev libexpected-dev libfmt-dev libmnl-dev libnftables-dev libsodium-dev liburing-dev
    libspdlog-dev libssl-dev libyaml-cpp-dev)
if(IPSecMB_FOUND)
  list(APPEND development_depends libipsec-mb-dev)
endif()
list(JOIN development_depends ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS)
# libmicrohttpd is for those who serve metrics.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS
    "cmake, pkg-config, libmicrohttpd12t64 | libmicrohttpd12")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
"encrypted overlay network as a library (development files)
weft moves IP packets between hosts and containers through encrypted tunnels
that speak the WireGuard protocol.  Its parts are actors of the C++ Actor
Framework.

This package has the headers and static libraries for services that embed an
overlay, or steer one elsewhere, with files for CMake and pkg-config.")

include(CPack)
