# Finds Intel's multi-buffer library, which ships no CMake files.
# Target: IPSecMB::IPSecMB.
include(FindPackageHandleStandardArgs)

find_library(IPSEC_MB_LIBRARY IPSec_MB)
find_path(IPSEC_MB_INCLUDE_DIR intel-ipsec-mb.h)
mark_as_advanced(IPSEC_MB_LIBRARY IPSEC_MB_INCLUDE_DIR)

find_package_handle_standard_args(IPSecMB
  REQUIRED_VARS IPSEC_MB_LIBRARY IPSEC_MB_INCLUDE_DIR)

if(IPSecMB_FOUND AND NOT TARGET IPSecMB::IPSecMB)
  add_library(IPSecMB::IPSecMB UNKNOWN IMPORTED)
  set_target_properties(IPSecMB::IPSecMB PROPERTIES
    IMPORTED_LOCATION ${IPSEC_MB_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${IPSEC_MB_INCLUDE_DIR})
endif()
