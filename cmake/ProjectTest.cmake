# How tests are declared.  Sanitizers are strict in every one of them.  Those that may take long begin first (COST).
set(FAIRLEAD_TEST_ENV
	"CMOCKA_MESSAGE_OUTPUT=STDOUT"
	"TEST_PG_MIGRATOR=${PROJECT_BINARY_DIR}/bin/fairlead"
	"ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0"
	"UBSAN_OPTIONS=print_stacktrace=1")

# fairlead_unit_test(noun LIBS...) : tests/unit/test_<noun>.c -> ctest "unit/<noun>", label unit.
function(fairlead_unit_test noun)
	add_executable(test_${noun} test_${noun}.c)
	target_link_libraries(test_${noun} PRIVATE fairlead_options ${ARGN} PkgConfig::CMOCKA)
	add_test(NAME unit/${noun} COMMAND test_${noun})
	set_tests_properties(unit/${noun} PROPERTIES LABELS unit TIMEOUT 20
		ENVIRONMENT "${FAIRLEAD_TEST_ENV}")
endfunction()

# fairlead_server_test(label noun WITH with-redis[;with-postgres] LIBS ...): tests/<label>/test_<noun>.c run
# under the given wrappers of tests/support, each of which starts a private server and stops it.
function(fairlead_server_test label noun)
	cmake_parse_arguments(T "" "TIMEOUT" "WITH;LIBS" ${ARGN})
	if(NOT T_TIMEOUT)
		set(T_TIMEOUT 60)
	endif()
	list(TRANSFORM T_WITH PREPEND ${PROJECT_SOURCE_DIR}/tests/support/)
	add_executable(test_${label}_${noun} test_${noun}.c)
	target_link_libraries(test_${label}_${noun} PRIVATE fairlead_options ${T_LIBS} PkgConfig::CMOCKA)
	add_test(NAME ${label}/${noun} COMMAND ${T_WITH} $<TARGET_FILE:test_${label}_${noun}>)
	set_tests_properties(${label}/${noun} PROPERTIES LABELS ${label} TIMEOUT ${T_TIMEOUT} COST ${T_TIMEOUT}
		ENVIRONMENT "${FAIRLEAD_TEST_ENV}")
endfunction()

# fairlead_script_test(label name TIMEOUT seconds COMMAND ...): any other test.
function(fairlead_script_test label name)
	cmake_parse_arguments(T "" "TIMEOUT" "COMMAND" ${ARGN})
	add_test(NAME ${label}/${name} COMMAND ${T_COMMAND})
	set_tests_properties(${label}/${name} PROPERTIES LABELS ${label} TIMEOUT ${T_TIMEOUT} COST ${T_TIMEOUT}
		ENVIRONMENT "${FAIRLEAD_TEST_ENV}")
endfunction()

# fairlead_fuzz(entry LIBS...): tests/fuzz/fuzz_<entry>.c.  With FAIRLEAD_FUZZ (clang) it is a libFuzzer program;
# in every other build it replays tests/fuzz/corpus/<entry>/* as an ordinary ctest, label fuzz.
function(fairlead_fuzz entry)
	if(FAIRLEAD_FUZZ)
		add_executable(fuzz_${entry} fuzz_${entry}.c)
		target_link_options(fuzz_${entry} PRIVATE -fsanitize=fuzzer)
	else()
		add_executable(fuzz_${entry} fuzz_${entry}.c replay.c)
		add_test(NAME fuzz/${entry} COMMAND fuzz_${entry} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${entry})
		set_tests_properties(fuzz/${entry} PROPERTIES LABELS fuzz TIMEOUT 60
			ENVIRONMENT "${FAIRLEAD_TEST_ENV}")
	endif()
	target_link_libraries(fuzz_${entry} PRIVATE fairlead_options ${ARGN})
endfunction()
