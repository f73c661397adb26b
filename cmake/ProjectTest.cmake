# How tests are declared.  Sanitizers are strict in every one of them.  Those that take long begin first (COST), so that
# none is left alone at the end; those of more than one processor before them all, since they get no room once others run.
# Seconds that they take on two quiet cores, of those that take more than ten:
set(FAIRLEAD_TEST_SECONDS
	"e2e/real_agents 1300" "e2e/resume 1290" "fault/worker 1270" "e2e/redis_loss 1240" "e2e/acp_agents 1190" "fault/drill_cut 1120"
	"integration/scheduler 50" "e2e/faults 47" "e2e/agents 39" "conformance/eventsource 32" "e2e/stream_faults 31"
	"e2e/cli 31" "e2e/chaos_cut 30" "integration/worker 26" "integration/grant 25" "conformance/gzip 24"
	"integration/life 22" "conformance/log_in 21" "e2e/first_light 20" "e2e/failover 19" "e2e/chats 18"
	"e2e/supervisor 17" "e2e/door 17" "conformance/websockets_client 17" "integration/streamer 17"
	"integration/park 16" "e2e/guarded 15" "conformance/sockets 15" "integration/pg_faults 14" "integration/key_end 13"
	"integration/schedules 13" "e2e/upgrade 11" "integration/api_faults 11")
# Sets ret to what the table has, or to a little.
function(fairlead_test_cost test ret)
	set(cost 5)
	foreach(row IN LISTS FAIRLEAD_TEST_SECONDS)
		if(row MATCHES "^${test} ([0-9]+)$")
			set(cost ${CMAKE_MATCH_1})
		endif()
	endforeach()
	set(${ret} ${cost} PARENT_SCOPE)
endfunction()

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
	fairlead_test_cost(${label}/${noun} cost)
	set_tests_properties(${label}/${noun} PROPERTIES LABELS ${label} TIMEOUT ${T_TIMEOUT} COST ${cost}
		ENVIRONMENT "${FAIRLEAD_TEST_ENV}")
endfunction()

# fairlead_script_test(label name TIMEOUT seconds COMMAND ...): any other test.
function(fairlead_script_test label name)
	cmake_parse_arguments(T "" "TIMEOUT" "COMMAND" ${ARGN})
	add_test(NAME ${label}/${name} COMMAND ${T_COMMAND})
	fairlead_test_cost(${label}/${name} cost)
	set_tests_properties(${label}/${name} PROPERTIES LABELS ${label} TIMEOUT ${T_TIMEOUT} COST ${cost}
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
