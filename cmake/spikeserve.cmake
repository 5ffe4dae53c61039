# What every target of ours is built with. EXACT keeps a*b+c as two roundings, on which equal bits depend.
#   spikeserve_configure(target [EXACT])
function(spikeserve_configure target)
  cmake_parse_arguments(ARG "EXACT" "" "" ${ARGN})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False alarms on std::string (GCC bug 105651), and on std::variant and std::regex.
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-maybe-uninitialized)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")  # thread_annotations.h
    target_compile_options(${target} PRIVATE -Wthread-safety)
  endif()
  if(ARG_EXACT)
    target_compile_options(${target} PRIVATE -ffp-contract=off)
  endif()
  if(SPIKESERVE_SANITIZE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${SPIKESERVE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${SPIKESERVE_SANITIZE})
  endif()
  if(SPIKESERVE_TIDY)
    spikeserve_tidy(${target})
  endif()
endfunction()

# clang-tidy with .clang-tidy on every source of the target. Generated code is in targets of its own, unchecked.
function(spikeserve_tidy target)
  find_program(CLANG_TIDY NAMES clang-tidy-14 clang-tidy REQUIRED)
  set_target_properties(${target} PROPERTIES CXX_CLANG_TIDY "${CLANG_TIDY};--quiet")
endfunction()
