/* The screen of `fairlead top`: as many lines as there are, none longer, nothing a terminal obeys
 * that came from elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/top_view.h"
#include "tests/support/test.h"

static const char nodes[] =
	"{\"items\":[{\"program\":\"fairlead-scheduler\",\"host\":\"one\",\"state\":\"ready\","
	"\"cpuPercent\":3,\"memoryBytes\":31457280,\"requestsPerSecond\":0,\"streams\":0,"
	"\"since\":\"2026-01-31T12:00:00Z\",\"queue\":{\"ready\":40,\"delayed\":2,\"leased\":7}},"
	"{\"program\":\"fairlead-streamer\",\"host\":\"two\",\"state\":\"draining\","
	"\"cpuPercent\":21,\"memoryBytes\":52428800,\"requestsPerSecond\":12,\"failedPerSecond\":1,"
	"\"streams\":2000,\"lagMicros\":900,\"eventsPerSecond\":18000,\"connections\":2010,"
	"\"since\":\"2026-01-30T12:00:00Z\"},"
	"{\"program\":\"evil\\u001b[2J\",\"host\":\"\\u009b\\u00fc\",\"state\":\"ready\","
	"\"cpuPercent\":100}]}";
static const char workers[] = "{\"items\":[]}";
static const char queue[] =
	"{\"items\":[{\"needs\":[\"agent=command\",\"gpu\"],\"ready\":40,\"oldestSeconds\":95,"
	"\"soon\":2,\"slots\":{\"workers\":2,\"all\":8,\"free\":0}}]}";

static const char waits[] =
	"{\"items\":[{\"tenant\":\"acme\",\"reason\":\"turn\",\"sessions\":7,"
	"\"oldestSeconds\":95},{\"tenant\":\"acme\",\"reason\":\"limit\",\"sessions\":40,"
	"\"oldestSeconds\":12}]}";

static struct json_value *parse(const char *text)
{
	struct json_value *value;
	struct err err;

	value = json_parse(str_of(text), &err);
	assert_non_null(value);
	return value;
}

struct stage {
	struct top_view view;
	struct json_value *lists[TOP_TABS];
	struct buf out;
};

static void stage_open(struct stage *stage, unsigned cols, unsigned rows)
{
	*stage = (struct stage){ .lists = { parse(nodes), parse(workers), parse(queue),
		                            parse(waits), NULL } };
	stage->view = (struct top_view){
		.cols = cols, .rows = rows, .server = "http://127.0.0.1:8080", .problem = ""
	};
	for (size_t i = 0; i < TOP_TABS; i++) {
		stage->view.lists[i] = stage->lists[i];
	}
	assert_true(clock_parse(STR_LIT("2026-01-31T12:01:30Z"), &stage->view.now_us));
	buf_init(&stage->out, UINT16_MAX);
}

static void stage_close(struct stage *stage)
{
	for (size_t i = 0; i < TOP_TABS; i++) {
		json_value_free(stage->lists[i]);
	}
	buf_fini(&stage->out);
}

static const char *draw(struct stage *stage)
{
	buf_reset(&stage->out);
	top_draw(&stage->view, &stage->out);
	return buf_cstr(&stage->out);
}

#define TITLES "PROGRAM            STATE       CPU%    MIB  REQ/S 5XX/S STREAMS  LAG us EVENTS/S"

static void a_small_terminal_has_what_matters_most(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, 80, 10);
	assert_string_equal(draw(&stage),
	                    "fairlead top  http://127.0.0.1:8080\r\n"
	                    "nodes 2/3 ready  workers 0  queue 40 ready 2 delayed 7 running  12 "
	                    "req/s 1 faile\r\n"
	                    "[nodes]  workers   queue   waits   failures\r\n" TITLES "\r\n"
	                    "fairlead-scheduler ready          3     30      0     -       0       "
	                    "-        -\r\n"
	                    "fairlead-streamer  draining      21     50     12     1    2000     "
	                    "900    18000\r\n"
	                    "evil?[2J           ready        100      -      -     -       -       "
	                    "-        -\r\n"
	                    "\r\n"
	                    "\r\n"
	                    "q quit  tab next  < > sort  r reverse  up down  1-3 of 3");
	stage_close(&stage);
}

static void a_wide_one_has_more_columns(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, 120, 8);
	assert_string_equal(draw(&stage),
	                    "fairlead top  http://127.0.0.1:8080\r\n"
	                    "nodes 2/3 ready  workers 0  queue 40 ready 2 delayed 7 running  12 "
	                    "req/s 1 failed  "
	                    "2000 streams 18000 events/s\r\n"
	                    "[nodes]  workers   queue   waits   failures\r\n" TITLES
	                    "  CONNS     UP HOST\r\n"
	                    "fairlead-scheduler ready          3     30      0     -       0       "
	                    "-        -      "
	                    "-    90s one\r\n"
	                    "fairlead-streamer  draining      21     50     12     1    2000     "
	                    "900    18000   "
	                    "2010    24h two\r\n"
	                    "evil?[2J           ready        100      -      -     -       -       "
	                    "-        -      "
	                    "-      - ?\xc3\xbc\r\n"
	                    "q quit  tab next  < > sort  r reverse  up down  1-3 of 3");
	stage_close(&stage);
}

static void a_tiny_one_scrolls(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, 40, 6);
	for (int i = 0; i < 9; i++) {
		assert_true(top_press(&stage.view, TOP_KEY_DOWN));
		(void)draw(&stage);
	}
	assert_string_equal(draw(&stage), "fairlead top  http://127.0.0.1:8080\r\n"
	                                  "nodes 2/3 ready  workers 0  queue 40 rea\r\n"
	                                  "[nodes]  workers   queue   waits   failu\r\n"
	                                  "PROGRAM            STATE       CPU%\r\n"
	                                  "evil?[2J           ready        100\r\n"
	                                  "q quit  tab next  < > sort  r reverse  u");
	stage_close(&stage);
}

static void who_waits_for_what_is_a_list(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, 66, 7);
	stage.view.tab = TOP_WAITS;
	stage.view.sort[TOP_WAITS] = 3;
	stage.view.descends[TOP_WAITS] = true;
	assert_non_null(strstr(draw(&stage), "[waits]  failures\r\n"
	                                     "TENANT                               FOR      "
	                                     "SESSIONS OLDEST s\r\n"
	                                     "acme                                 limit    "
	                                     "      40       12\r\n"
	                                     "acme                                 turn     "
	                                     "       7       95\r\n"));
	stage_close(&stage);
}

static void every_size_is_kept(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, 80, 24);
	for (unsigned size = TOP_COLS_MIN; size <= 200; size += 3) {
		stage.view.cols = size;
		stage.view.rows = size < TOP_ROWS_MAX ? size : TOP_ROWS_MAX;
		for (stage.view.tab = 0; stage.view.tab < TOP_TABS; stage.view.tab++) {
			struct str rest = str_of(draw(&stage));
			unsigned lines = 0;

			while (rest.n > 0) {
				struct str line = str_split(&rest, '\n');

				lines++;
				assert_true(line.n <=
				            size + 3); /* "\r", and a letter of two bytes */
			}
			assert_int_equal(lines, stage.view.rows);
		}
		stage.view.tab = 0;
	}
	stage_close(&stage);
}

static void rows_are_sorted_by_the_column_that_was_chosen(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, 40, 8);
	for (int i = 0; i < 3; i++) {
		assert_true(top_press(&stage.view, TOP_KEY_RIGHT));
	}
	assert_true(top_press(&stage.view, TOP_KEY_REVERSE));
	assert_non_null(strstr(draw(&stage), "evil?[2J           ready        100\r\n"
	                                     "fairlead-streamer  draining      21\r\n"
	                                     "fairlead-scheduler"));
	assert_true(top_press(&stage.view, TOP_KEY_TAB));
	assert_true(top_press(&stage.view, TOP_KEY_TAB));
	assert_non_null(strstr(draw(&stage), "agent=command,gpu"));
	stage_close(&stage);
}

static void keys_come_in_pieces(void **state)
{
	enum top_key key;

	(void)state;
	assert_int_equal(top_key(STR_LIT(""), &key), 0);
	assert_int_equal(top_key(STR_LIT("\033"), &key), 0);
	assert_int_equal(top_key(STR_LIT("\033["), &key), 0);
	assert_int_equal(top_key(STR_LIT("\033[Aq"), &key), 3);
	assert_int_equal(key, TOP_KEY_UP);
	assert_int_equal(top_key(STR_LIT("\033x"), &key), 1);
	assert_int_equal(key, TOP_KEY_NONE);
	assert_int_equal(top_key(STR_LIT("q"), &key), 1);
	assert_int_equal(key, TOP_KEY_QUIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_terminal_has_what_matters_most),
		cmocka_unit_test(a_wide_one_has_more_columns),
		cmocka_unit_test(a_tiny_one_scrolls),
		cmocka_unit_test(who_waits_for_what_is_a_list),
		cmocka_unit_test(every_size_is_kept),
		cmocka_unit_test(rows_are_sorted_by_the_column_that_was_chosen),
		cmocka_unit_test(keys_come_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
