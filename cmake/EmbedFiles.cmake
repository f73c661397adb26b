# fairlead_embed(TARGET NAME FILES...) : text files -> NAME_gen.c / NAME_gen.h, rebuilt when a file changes.
# Each file becomes { name, sha1, text, len }. The bytes are embedded exactly (hex), so the SHA-1 that
# Redis computes for EVALSHA is the one computed here.
set(_fairlead_embed_script ${CMAKE_CURRENT_LIST_DIR}/embed.cmake)
function(fairlead_embed target name)
	set(out ${CMAKE_CURRENT_BINARY_DIR}/gen/${name}_gen)
	list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
	add_custom_command(
		OUTPUT ${out}.c ${out}.h
		COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DOUT=${out} "-DFILES=${files}" -P ${_fairlead_embed_script}
		DEPENDS ${files} ${_fairlead_embed_script}
		COMMENT "embedding ${name}" VERBATIM)
	target_sources(${target} PRIVATE ${out}.c ${out}.h)
	target_include_directories(${target} PUBLIC ${CMAKE_CURRENT_BINARY_DIR}/gen)
endfunction()
