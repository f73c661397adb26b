# One INTERFACE target carries the language level, warnings, sanitizers and hardening.
# Every target of ours links it PRIVATE; nothing ever touches CMAKE_C_FLAGS.
option(FAIRLEAD_WERROR "treat warnings as errors" OFF)
option(FAIRLEAD_HARDEN "production hardening flags" OFF)
option(FAIRLEAD_COVERAGE "gcov instrumentation" OFF)
option(FAIRLEAD_FUZZ "build libFuzzer drivers" OFF)
set(FAIRLEAD_SANITIZE "" CACHE STRING "comma list for -fsanitize=")

add_library(fairlead_options INTERFACE)
target_compile_features(fairlead_options INTERFACE c_std_11)
target_compile_definitions(fairlead_options INTERFACE _GNU_SOURCE FAIRLEAD_VERSION="${PROJECT_VERSION}")
target_include_directories(fairlead_options INTERFACE ${PROJECT_SOURCE_DIR}/shared ${PROJECT_SOURCE_DIR})
target_compile_options(fairlead_options INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wpointer-arith -Wcast-qual -Wcast-align -Wwrite-strings -Wundef -Wvla -Wformat=2
	-Wimplicit-fallthrough -Wswitch-enum -Wconversion -Wno-sign-conversion -Wnull-dereference
	-Wdate-time -Werror=implicit-function-declaration -Werror=incompatible-pointer-types
	-Werror=return-type -Werror=format-security
	$<$<C_COMPILER_ID:GNU>:-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Walloca>
	$<$<BOOL:${FAIRLEAD_WERROR}>:-Werror>
	-UNDEBUG # asserts are for bugs and stay on in every build type
	-fno-common -fno-omit-frame-pointer)
if(FAIRLEAD_SANITIZE)
	target_compile_options(fairlead_options INTERFACE -fsanitize=${FAIRLEAD_SANITIZE} -fno-sanitize-recover=all)
	target_link_options(fairlead_options INTERFACE -fsanitize=${FAIRLEAD_SANITIZE})
	# Nearly two hundred programs of tests: a third of the time that the default linker takes.
	find_program(FAIRLEAD_LLD ld.lld)
	if(FAIRLEAD_LLD AND CMAKE_C_COMPILER_ID STREQUAL GNU)
		target_link_options(fairlead_options INTERFACE -fuse-ld=lld)
	endif()
endif()
if(FAIRLEAD_COVERAGE)
	target_compile_options(fairlead_options INTERFACE --coverage)
	target_link_options(fairlead_options INTERFACE --coverage)
endif()
if(FAIRLEAD_HARDEN)
	target_compile_options(fairlead_options INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE)
	target_link_options(fairlead_options INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
