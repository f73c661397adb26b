/* A team from the tools of the agent that leads it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/schema.h"
#include "json/value.h"
#include "tests/support/test.h"
#include "worker/team.h"

static bool use(struct team *team, const char *tool, const char *id, const char *args)
{
	char text[1024];
	struct err err;
	struct json_value *data;
	bool changed;

	(void)snprintf(text, sizeof(text),
	               "{\"tool_name\":\"%s\",\"tool_execution_id\":\"%s\",\"tool_args\":%s}", tool,
	               id, args);
	data = json_parse(str_of(text), &err);
	assert_non_null(data);
	changed = team_tool(team, data);
	json_value_free(data);
	return changed;
}

static bool end(struct team *team, const char *id, const char *status, const char *output)
{
	char text[1024];
	struct err err;
	struct json_value *data;
	bool changed;

	(void)snprintf(text, sizeof(text),
	               "{\"tool_execution_id\":\"%s\",\"status\":\"%s\",\"tool_output\":\"%s\"}",
	               id, status, output);
	data = json_parse(str_of(text), &err);
	assert_non_null(data);
	changed = team_result(team, data);
	json_value_free(data);
	return changed;
}

static void expect(const struct team *team, const char *json)
{
	struct err err;
	struct json_value *data;
	struct buf out;

	buf_init(&out, 1024 * 1024);
	team_write(team, &out);
	assert_string_equal(buf_cstr(&out), json);
	data = json_parse(buf_str(&out), &err);
	assert_int_equal(event_schema_check(EVENT_TYPE_TEAM, data, &err), ERR_OK);
	json_value_free(data);
	buf_fini(&out);
}

static void a_team_is_made_given_members_and_tasks_and_ended(void **state)
{
	struct team *team = team_new();

	(void)state;
	assert_true(use(team, "TeamCreate", "1", "{\"team_name\":\"t\"}"));
	assert_true(use(team, "Task", "2",
	                "{\"team_name\":\"t\",\"name\":\"ann\",\"subagent_type\":\"coder\"}"));
	assert_false(end(team, "2", "completed", "spawned"));
	assert_true(use(team, "TaskCreate", "3", "{\"subject\":\"s\"}"));
	expect(team,
	       "{\"name\":\"t\",\"members\":[{\"name\":\"ann\",\"agent_id\":\"ann@t\",\"type\":"
	       "\"coder\",\"status\":\"active\"}],\"tasks\":[{\"id\":\"tu-3\",\"subject\":"
	       "\"s\",\"status\":\"pending\",\"blocked_by\":[],\"blocks\":[]}]}");
	assert_true(end(team, "3", "completed", "Task #7 created: s"));
	assert_true(use(team, "TaskUpdate", "4",
	                "{\"taskId\":\"7\",\"status\":\"in_progress\",\"owner\":\"ann\","
	                "\"addBlockedBy\":[\"5\"]}"));
	assert_false(use(team, "TaskUpdate", "5", "{\"taskId\":\"8\",\"status\":\"completed\"}"));
	assert_false(use(team, "SendMessage", "6",
	                 "{\"type\":\"shutdown_request\",\"recipient\":\"ann\"}"));
	assert_true(end(team, "6", "completed", ""));
	expect(team,
	       "{\"name\":\"t\",\"members\":[{\"name\":\"ann\",\"agent_id\":\"ann@t\",\"type\":"
	       "\"coder\",\"status\":\"shutdown\"}],\"tasks\":[{\"id\":\"7\",\"subject\":\"s\","
	       "\"status\":\"in_progress\",\"owner\":\"ann\",\"blocked_by\":[\"5\"],"
	       "\"blocks\":[]}]}");
	assert_true(use(team, "TaskUpdate", "7", "{\"taskId\":\"7\",\"status\":\"deleted\"}"));
	assert_false(use(team, "TaskUpdate", "8", "{\"taskId\":\"7\",\"status\":\"deleted\"}"));
	assert_true(use(team, "TeamDelete", "9", "{}"));
	assert_false(use(team, "TeamDelete", "10", "{}"));
	expect(team, "{\"name\":\"\",\"members\":[],\"tasks\":[]}");
	team_free(team);
}

static void a_sub_agent_is_there_for_as_long_as_its_tool_runs(void **state)
{
	struct team *team = team_new();

	(void)state;
	assert_true(use(team, "Agent", "1", "{\"description\":\"look\",\"model\":\"m\"}"));
	expect(team, "{\"name\":\"\",\"members\":[{\"name\":\"look\",\"agent_id\":\"1\",\"model\":"
	             "\"m\",\"status\":\"active\"}],\"tasks\":[]}");
	assert_true(end(team, "1", "completed", "done"));
	assert_false(end(team, "1", "completed", "done"));
	expect(team, "{\"name\":\"\",\"members\":[{\"name\":\"look\",\"agent_id\":\"1\",\"model\":"
	             "\"m\",\"status\":\"shutdown\"}],\"tasks\":[]}");
	team_free(team);
}

static void what_failed_never_was(void **state)
{
	struct team *team = team_new();

	(void)state;
	assert_true(use(team, "TaskCreate", "1", "{\"subject\":\"s\"}"));
	assert_true(use(team, "Task", "2", "{\"prompt\":\"p\"}"));
	assert_true(end(team, "1", "failed", ""));
	assert_true(end(team, "2", "failed", ""));
	expect(team, "{\"name\":\"\",\"members\":[],\"tasks\":[]}");
	assert_false(use(team, "Bash", "3", "{\"command\":\"ls\"}"));
	assert_false(team_concerns(STR_LIT("Bash")));
	assert_true(team_concerns(STR_LIT("TaskCreate")));
	team_free(team);
}

static void a_team_has_bounds_and_those_that_have_gone_make_room(void **state)
{
	struct team *team = team_new();
	char id[16];

	(void)state;
	for (unsigned i = 0; i < TEAM_MEMBERS_MAX; i++) {
		(void)snprintf(id, sizeof(id), "%u", i);
		assert_true(use(team, "Task", id, "{}"));
	}
	assert_false(use(team, "Task", "more", "{}"));
	assert_true(end(team, "5", "completed", ""));
	assert_true(use(team, "Task", "more", "{}"));
	for (unsigned i = 0; i < TEAM_TASKS_MAX; i++) {
		assert_true(use(team, "TaskCreate", "t", "{}"));
	}
	assert_false(use(team, "TaskCreate", "t", "{}"));
	team_free(team);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_team_is_made_given_members_and_tasks_and_ended),
		cmocka_unit_test(a_sub_agent_is_there_for_as_long_as_its_tool_runs),
		cmocka_unit_test(what_failed_never_was),
		cmocka_unit_test(a_team_has_bounds_and_those_that_have_gone_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
