# fairlead_program(name SOURCES ... LIBS ...): an installed program; all of them are built into <build>/bin, so
# that the supervisor finds its siblings beside itself.
function(fairlead_program name)
	cmake_parse_arguments(P "" "" "SOURCES;LIBS" ${ARGN})
	add_executable(${name} ${P_SOURCES})
	target_link_libraries(${name} PRIVATE fairlead_options ${P_LIBS})
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
	install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
