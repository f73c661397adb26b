/* The agents that a session's agent leads, told as team events. */
#include "json/value.h"
#include "worker/session_adapter.h"
#include "worker/team.h"

static void tell(struct session_adapter *a)
{
	struct buf text;

	event_text_init(&text);
	team_write(a->team, &text);
	(void)session_say(a->run, EVENT_TYPE_TEAM, &text);
	buf_fini(&text);
}

void session_team_hear(struct session_adapter *a, enum event_type type, struct str data)
{
	struct json_value *json;
	struct err err;
	bool begins = type == EVENT_TYPE_TOOL_USE;

	if (!begins && type != EVENT_TYPE_TOOL_RESULT) {
		return;
	}
	json = json_parse(data, &err);
	if (team_concerns(json_as_str(json_get(json, "tool_name")))) {
		a->team = a->team != NULL ? a->team : team_new();
		if (begins ? team_tool(a->team, json) : team_result(a->team, json)) {
			tell(a);
		}
	}
	json_value_free(json);
}
