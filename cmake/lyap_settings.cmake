# Language level, warnings, sanitizers and the refusal of fast-math flags. Every target of lyap calls lyap_target_settings.

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

foreach(flags IN ITEMS "${CMAKE_CXX_FLAGS}" "${CMAKE_CXX_FLAGS_RELEASE}" "${CMAKE_CXX_FLAGS_DEBUG}" "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}"
                       "${CMAKE_CUDA_FLAGS}" "$ENV{CXXFLAGS}" "$ENV{CUDAFLAGS}")
  if(flags MATCHES "fast-math|-Ofast|funsafe-math|fassociative-math|ffinite-math|freciprocal-math|march=native|ffp-contract=fast")
    message(FATAL_ERROR "lyap cannot be built with '${flags}': fast-math flags break directed rounding and -march=native breaks portability.")
  endif()
endforeach()

function(lyap_target_settings target)
  get_target_property(kind ${target} TYPE)
  set(scope PRIVATE)
  if(kind STREQUAL "INTERFACE_LIBRARY")
    target_compile_features(${target} INTERFACE cxx_std_20)
    return()
  endif()
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align)
  if(LYAP_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(LYAP_SANITIZE)
    # gcc 12 sees uninitialised members of <regex> and <optional> in instrumented code that are not.
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-maybe-uninitialized)
    target_link_options(${target} PRIVATE -fsanitize=address,undefined)
  endif()
endfunction()
