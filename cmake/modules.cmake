# One static library per folder of src/, linked along the arrows of ARCHITECTURE.md.
set(RP_WARNINGS -Wall -Wextra -Wshadow -Wpointer-arith -Wvla -Wundef)
option(RP_WERROR "Treat warnings as errors" OFF)
if(RP_WERROR)
  list(APPEND RP_WARNINGS -Werror)
endif()

# Only the kernels join multiplication and addition to one rounding: contours and measurements are the
# same on processors with and without fused arithmetic, and ties stay ties.
add_compile_options(-ffp-contract=off)
set(RP_KERNEL_OPTIONS -ffp-contract=fast)
# gcc 12 for aarch64 crashes on loops that look for a maximum with fmax ("internal compiler error: in
# vect_transform_reduction"). There only the kernels, which have no such loop, get vectorised loops.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 13 AND
   CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  add_compile_options(-fno-tree-loop-vectorize)
  list(APPEND RP_KERNEL_OPTIONS -ftree-loop-vectorize)
endif()

# rp_module(NAME [USES module...] [LIBS target...]): every .c and .cpp below src/NAME.
function(rp_module name)
  if(NOT name IN_LIST RP_MODULES)
    return()
  endif()
  cmake_parse_arguments(M "" "" "USES;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
       ${CMAKE_SOURCE_DIR}/src/${name}/*.c ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  if(NOT sources)
    add_library(reprise_${name} INTERFACE)
    return()
  endif()
  add_library(reprise_${name} STATIC ${sources})
  target_include_directories(reprise_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include)
  target_include_directories(reprise_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src/${name})
  target_compile_options(reprise_${name} PRIVATE ${RP_WARNINGS}
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>)
  target_compile_definitions(reprise_${name} PRIVATE RP_VERSION="${PROJECT_VERSION}")
  foreach(use ${M_USES})
    target_link_libraries(reprise_${name} PUBLIC reprise_${use})
  endforeach()
  target_link_libraries(reprise_${name} PUBLIC m PRIVATE ${M_LIBS})
endfunction()

rp_module(base LIBS Threads::Threads OpenSSL::Crypto)
rp_module(volume USES base)
rp_module(io USES volume LIBS PkgConfig::JANSSON ${DEFLATE_LIBRARY})
rp_module(dicom USES volume LIBS DCMTK::DCMTK OpenSSL::SSL PkgConfig::GLIB PkgConfig::OPENJP2 ${DEFLATE_LIBRARY})
rp_module(kernels USES base)
rp_module(nn USES kernels base)
rp_module(register USES volume)
rp_module(learn USES nn register volume io)
rp_module(measure USES volume)
rp_module(response USES base)
rp_module(timeline USES response io)
rp_module(track USES register measure response)
rp_module(archive USES dicom response)
rp_module(cohort USES io base)
rp_module(stats USES base LIBS Boost::headers)
rp_module(evaluation USES stats response measure cohort io)
rp_module(synth USES measure volume)
rp_module(guard USES learn synth track register stats measure response)
rp_module(report USES evaluation measure response io LIBS PkgConfig::CAIRO PkgConfig::PANGO)

# Reading DCMTK's headers costs more than compiling what uses them: read once, they serve every file. The list is
# what internal.hpp includes anyway, so that no file gets by without an include that it needs.
if(TARGET reprise_dicom)
  foreach(header exception memory new string vector dcmtk/config/osconfig.h dcmtk/dcmdata/dctk.h)
    target_precompile_headers(reprise_dicom PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:<${header}$<ANGLE-R>>")
  endforeach()
endif()

if(TARGET reprise_kernels)
  target_compile_options(reprise_kernels PRIVATE ${RP_KERNEL_OPTIONS})
endif()
# A variant of the kernels is compiled for its own processors only, with flags of its own.
file(GLOB kernel_avx512 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*avx512*.c)
file(GLOB kernel_avx2 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*avx2*.c)
file(GLOB kernel_neon CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/cpu/*neon*.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(${kernel_avx512} PROPERTIES COMPILE_OPTIONS
    "-mavx512f;-mavx512vl;-mavx512dq;-mavx512bw;-mfma;-mprefer-vector-width=512")
  set_source_files_properties(${kernel_avx2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
else()
  set_source_files_properties(${kernel_avx512} ${kernel_avx2} PROPERTIES HEADER_FILE_ONLY ON)
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set_source_files_properties(${kernel_neon} PROPERTIES HEADER_FILE_ONLY ON)
elseif(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # Every aarch64 processor has NEON. Scheduled before registers are given out, the loads of the inner
  # loops come so early that accumulators fall to the stack.
  set_source_files_properties(${kernel_neon} PROPERTIES COMPILE_OPTIONS "-fno-schedule-insns")
endif()

file(GLOB cmd_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cmd/*.c)
if(cmd_sources AND cmd IN_LIST RP_MODULES)
  add_executable(reprise ${cmd_sources})
  set_target_properties(reprise PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  target_include_directories(reprise PRIVATE ${CMAKE_SOURCE_DIR}/src/cmd)
  target_compile_options(reprise PRIVATE ${RP_WARNINGS})
  target_compile_definitions(reprise PRIVATE RP_VERSION="${PROJECT_VERSION}")
  target_link_libraries(reprise PRIVATE reprise_guard reprise_learn reprise_dicom reprise_report reprise_synth
    reprise_evaluation reprise_track reprise_archive reprise_timeline reprise_cohort reprise_response reprise_measure reprise_io PkgConfig::CYAML)
  install(TARGETS reprise RUNTIME)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/models DESTINATION share/reprise FILES_MATCHING PATTERN "*.safetensors")
endif()
