# Files that can be compiled as one are (tools/python/together.py says which): a
# whole build takes CAF's templates once for a dozen of files.  For who builds
# all and changes nothing: after a change of one file its whole group follows.
function(weft_compile_together directory)
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "\\.cpp$")
    list(LENGTH sources count)
    if(count LESS 2)
      continue()
    endif()
    execute_process(
      COMMAND /usr/bin/python3 -B ${CMAKE_SOURCE_DIR}/tools/python/together.py ${sources}
      WORKING_DIRECTORY ${directory}
      OUTPUT_VARIABLE groups
      COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[0-9]+" groups "${groups}")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    foreach(source group IN ZIP_LISTS sources groups)
      set_property(SOURCE ${source} TARGET_DIRECTORY ${target}
        PROPERTY UNITY_GROUP ${target}_${group})
    endforeach()
  endforeach()
  get_property(folders DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(folder IN LISTS folders)
    weft_compile_together(${folder})
  endforeach()
endfunction()
weft_compile_together(${CMAKE_SOURCE_DIR})
