# fairlead_embed(TARGET NAME FILES...) : text files -> NAME_gen.c / NAME_gen.h, rebuilt when a file changes.
# Each file becomes { name, sha1, text, len }. The bytes are embedded exactly (hex), so the SHA-1 that
# Redis computes for EVALSHA is the one computed here. Lines "-- with NAME" in a file stand for those files
# of its folder, which are listed too, behind PARTS.
set(_fairlead_embed_script ${CMAKE_CURRENT_LIST_DIR}/embed.cmake)
function(fairlead_embed target name)
	cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "PARTS")
	set(out ${CMAKE_CURRENT_BINARY_DIR}/gen/${name}_gen)
	list(TRANSFORM arg_UNPARSED_ARGUMENTS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
	list(TRANSFORM arg_PARTS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE parts)
	add_custom_command(
		OUTPUT ${out}.c ${out}.h
		COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DOUT=${out} "-DFILES=${files}" -P ${_fairlead_embed_script}
		DEPENDS ${files} ${parts} ${_fairlead_embed_script}
		COMMENT "embedding ${name}" VERBATIM)
	target_sources(${target} PRIVATE ${out}.c ${out}.h)
	target_include_directories(${target} PUBLIC ${CMAKE_CURRENT_BINARY_DIR}/gen)
endfunction()
