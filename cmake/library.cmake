# weft::weft, all that a program needs to embed an overlay or to steer one.
# It is the same to programs in this tree and to users of the installed package.
include(GNUInstallDirs)

add_library(weft_library INTERFACE)
add_library(weft::weft ALIAS weft_library)
target_link_libraries(weft_library
  INTERFACE weft_actors weft_messages weft_platform weft_config weft_protocol)
target_compile_features(weft_library INTERFACE cxx_std_20)
# Programs include <weft/weft.hpp>.  Here the headers include each other by their
# path from the root of the project, and as <weft/...> once they are installed.
target_include_directories(weft_library INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_BINARY_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
file(CONFIGURE OUTPUT include/weft/weft.hpp
     CONTENT "#include \"actors/weft.hpp\" // IWYU pragma: export\n")

# weft::network, what makes a program a member of a network: <weft/network.hpp>.
add_library(weft_member_library INTERFACE)
add_library(weft::network ALIAS weft_member_library)
target_link_libraries(weft_member_library INTERFACE weft_network weft_library)
file(CONFIGURE OUTPUT include/weft/network.hpp
     CONTENT "#include \"actors/network/join_network.hpp\" // IWYU pragma: export\n")

set(weft_libraries weft_library weft_member_library weft_network)
set_target_properties(weft_library PROPERTIES EXPORT_NAME weft)
set_target_properties(weft_member_library PROPERTIES EXPORT_NAME network)
set_target_properties(weft_network PROPERTIES EXPORT_NAME members)
foreach(layer IN ITEMS protocol config platform messages actors)
  list(APPEND weft_libraries weft_${layer})
  set_target_properties(weft_${layer} PROPERTIES EXPORT_NAME ${layer})
endforeach()

# weft::metrics loads an HTTP library when it serves metrics, and links none.
add_library(weft::metrics ALIAS weft_metrics)
set_target_properties(weft_metrics PROPERTIES EXPORT_NAME metrics)
target_link_libraries(weft_metrics INTERFACE weft_library)
file(CONFIGURE OUTPUT include/weft/metrics.hpp
     CONTENT "#include \"actors/metrics/start_metrics.hpp\" // IWYU pragma: export\n")
