# The target spikeserve_grpc: gRPC and protobuf. Shared libraries, or with SPIKESERVE_STATIC_GRPC the
# archives of the distribution, OpenSSL's among them, so that the server runs on a machine that has no gRPC.
if(SPIKESERVE_STATIC_GRPC)
  set(Protobuf_USE_STATIC_LIBS ON)
  set(OPENSSL_USE_STATIC_LIBS ON)
endif()
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
add_library(spikeserve_grpc INTERFACE)
if(NOT SPIKESERVE_STATIC_GRPC)
  find_package(absl CONFIG REQUIRED)  # of gRPC's, for main() to set
  target_link_libraries(spikeserve_grpc INTERFACE gRPC::grpc++ protobuf::libprotobuf absl::synchronization)
  return()
endif()

# The archives behind gRPC are named by pkg-config alone: the CMake packages of distributions name shared libraries.
find_package(PkgConfig REQUIRED)
pkg_check_modules(GRPC REQUIRED grpc++)
set(names ${GRPC_STATIC_LIBRARIES})
list(REMOVE_DUPLICATES names)
list(REMOVE_ITEM names dl pthread rt m atomic)
set(archives)
foreach(name IN LISTS names)
  find_library(SPIKESERVE_ARCHIVE_${name} lib${name}.a HINTS ${GRPC_STATIC_LIBRARY_DIRS} REQUIRED)
  mark_as_advanced(SPIKESERVE_ARCHIVE_${name})
  list(APPEND archives ${SPIKESERVE_ARCHIVE_${name}})
endforeach()
list(JOIN archives "," archives)
target_include_directories(spikeserve_grpc SYSTEM INTERFACE ${GRPC_INCLUDE_DIRS})
# As the shared targets have it, so that ccache finds the same objects.
target_compile_options(spikeserve_grpc INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-pthread>)
target_link_libraries(spikeserve_grpc INTERFACE
  "$<LINK_GROUP:RESCAN,${archives}>" protobuf::libprotobuf Threads::Threads ${CMAKE_DL_LIBS} rt atomic)
