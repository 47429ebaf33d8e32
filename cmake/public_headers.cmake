# Copies the headers that actors/weft.hpp and those of networks and metrics
# include, by whatever way, to WEFT_TARGET/weft, where they include each other as
# <weft/...>: a program's own "config/yaml.hpp" is none of theirs.  Included when weft is installed;
# WEFT_SOURCE is the root of the sources.
file(REMOVE_RECURSE ${WEFT_TARGET})
set(waiting actors/weft.hpp actors/network/join_network.hpp
    actors/metrics/start_metrics.hpp)
set(known ${waiting})
while(waiting)
  list(POP_FRONT waiting header)
  file(READ ${WEFT_SOURCE}/${header} text)
  string(REGEX MATCHALL "#include \"[^\"]+\"" includes "${text}")
  list(TRANSFORM includes REPLACE "#include \"(.+)\"" "\\1")
  list(REMOVE_DUPLICATES includes)
  list(REMOVE_ITEM includes ${known})
  list(APPEND known ${includes})
  list(APPEND waiting ${includes})
  string(REGEX REPLACE "#include \"([^\"]+)\"" "#include <weft/\\1>" text "${text}")
  file(WRITE ${WEFT_TARGET}/weft/${header} "${text}")
endwhile()
file(WRITE ${WEFT_TARGET}/weft/weft.hpp
     "#include <weft/actors/weft.hpp> // IWYU pragma: export\n")
file(WRITE ${WEFT_TARGET}/weft/network.hpp
     "#include <weft/actors/network/join_network.hpp> // IWYU pragma: export\n")
file(WRITE ${WEFT_TARGET}/weft/metrics.hpp
     "#include <weft/actors/metrics/start_metrics.hpp> // IWYU pragma: export\n")
