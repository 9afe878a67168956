# install and export: find_package(lyap) gives lyap::theory, lyap::numerics, lyap::checkpoint and lyap::verify; the programs go to bin/.
include(CMakePackageConfigHelpers)

set(libraries lyap_theory lyap_numerics lyap_checkpoint lyap_verify)
foreach(library IN LISTS libraries)
  string(REPLACE "lyap_" "" short_name ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${short_name})
endforeach()
install(TARGETS ${libraries} EXPORT lyap_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(program IN ITEMS lyap_front lyap_certify lyap_check lyap_check_native lyap-report)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
install(DIRECTORY theory numerics verify DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lyap FILES_MATCHING PATTERN "*.hpp"
        PATTERN "bench" EXCLUDE PATTERN "examples" EXCLUDE PATTERN "programs" EXCLUDE PATTERN "proofs" EXCLUDE)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY third_party_licenses DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT lyap_targets NAMESPACE lyap:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lyap)
configure_package_config_file(cmake/lyapConfig.cmake.in "${PROJECT_BINARY_DIR}/lyapConfig.cmake" INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lyap)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/lyapConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/lyapConfig.cmake" "${PROJECT_BINARY_DIR}/lyapConfigVersion.cmake" cmake/lyap_dependencies.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lyap)
