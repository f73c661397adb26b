#include "worker/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"

enum { WORD_SIZE = 129, LINK_SIZE = 33, LINKS_MAX = 16 };

enum member_status { MEMBER_ACTIVE, MEMBER_SHUTDOWN };

struct member {
	char name[WORD_SIZE], id[WORD_SIZE], type[WORD_SIZE], model[WORD_SIZE];
	char tool[WORD_SIZE]; /* that began it */
	bool in_team;         /* it outlives the tool */
	enum member_status status;
};

struct links {
	char ids[LINKS_MAX][LINK_SIZE];
	size_t count;
};

struct task {
	char id[WORD_SIZE], subject[WORD_SIZE], status[WORD_SIZE], owner[WORD_SIZE];
	char tool[WORD_SIZE]; /* that made it, until it has an id */
	struct links blocked_by, blocks;
};

struct team {
	char name[WORD_SIZE];
	char leaving_tool[WORD_SIZE], leaving[WORD_SIZE]; /* who was asked to leave */
	struct member *members;
	struct task *tasks;
	size_t member_count, task_count;
};

static struct str member(const struct json_value *json, const char *name)
{
	return json_as_str(json_get(json, name));
}

/* Cut, never within a character. */
static void cut(char *out, size_t size, struct str text)
{
	if (text.n >= size) {
		text.n = size - 1;
		while (text.n > 0 && ((unsigned char)text.p[text.n] & 0xC0) == 0x80) {
			text.n--;
		}
	}
	if (!str_copy(out, size, text)) {
		out[0] = '\0';
	}
}

static void set(char out[WORD_SIZE], struct str text)
{
	cut(out, WORD_SIZE, text);
}

static bool set_if(char out[WORD_SIZE], struct str text)
{
	char before[WORD_SIZE];

	if (text.n == 0) {
		return false;
	}
	memcpy(before, out, WORD_SIZE);
	set(out, text);
	return strcmp(before, out) != 0;
}

struct team *team_new(void)
{
	struct team *team = mem_calloc(1, sizeof(*team));

	team->members = mem_calloc(TEAM_MEMBERS_MAX, sizeof(*team->members));
	team->tasks = mem_calloc(TEAM_TASKS_MAX, sizeof(*team->tasks));
	return team;
}

void team_free(struct team *team)
{
	if (team != NULL) {
		free(team->members);
		free(team->tasks);
		free(team);
	}
}

/* ---- tools ---- */

struct call {
	struct team *team;
	struct str id;
	const struct json_value *args;
};

static bool create(const struct call *c)
{
	struct team *team = c->team;

	team->task_count = 0;
	team->member_count = 0;
	set(team->name, member(c->args, "team_name"));
	return true;
}

static bool delete (const struct call *c)
{
	struct team *team = c->team;

	if (team->name[0] == '\0') {
		return false;
	}
	team->name[0] = '\0';
	team->member_count = 0;
	team->task_count = 0;
	return true;
}

static void remove_member(struct team *team, size_t i)
{
	team->member_count--;
	memmove(&team->members[i], &team->members[i + 1],
	        (team->member_count - i) * sizeof(*team->members));
}

/* Those that have gone make room. */
static struct member *add_member(struct team *team)
{
	for (size_t i = 0; team->member_count == TEAM_MEMBERS_MAX && i < team->member_count; i++) {
		if (team->members[i].status == MEMBER_SHUTDOWN) {
			remove_member(team, i);
			break;
		}
	}
	if (team->member_count == TEAM_MEMBERS_MAX) {
		return NULL;
	}
	memset(&team->members[team->member_count], 0, sizeof(*team->members));
	return &team->members[team->member_count++];
}

static struct str first_of(const struct json_value *args, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (member(args, *names).n > 0) {
			return member(args, *names);
		}
	}
	return STR_LIT("agent");
}

static bool spawn(const struct call *c)
{
	static const char *const names[] = { "name", "description", "subagent_type", NULL };
	struct str team_name = member(c->args, "team_name");
	struct member *m = add_member(c->team);
	char id[2 * WORD_SIZE];

	if (m == NULL) {
		return false;
	}
	set(m->name, first_of(c->args, names));
	set(m->tool, c->id);
	set(m->type, member(c->args, "subagent_type"));
	set(m->model, member(c->args, "model"));
	m->in_team = team_name.n > 0;
	if (!m->in_team) {
		set(m->id, c->id);
		return true;
	}
	set(c->team->name, team_name);
	(void)snprintf(id, sizeof(id), "%s@%s", m->name, c->team->name);
	set(m->id, str_of(id));
	return true;
}

static bool task_create(const struct call *c)
{
	struct team *team = c->team;
	struct task *task;

	if (team->task_count == TEAM_TASKS_MAX) {
		return false;
	}
	task = &team->tasks[team->task_count++];
	memset(task, 0, sizeof(*task));
	set(task->tool, c->id);
	set(task->subject, member(c->args, "subject"));
	set(task->status, STR_LIT("pending"));
	return true;
}

static bool add_links(struct links *links, const struct json_value *list)
{
	bool added = false;

	for (size_t i = 0; i < json_count(list) && links->count < LINKS_MAX; i++) {
		struct str id = json_as_str(json_at(list, i));

		if (id.n > 0) {
			cut(links->ids[links->count++], LINK_SIZE, id);
			added = true;
		}
	}
	return added;
}

static void remove_task(struct team *team, size_t i)
{
	team->task_count--;
	memmove(&team->tasks[i], &team->tasks[i + 1],
	        (team->task_count - i) * sizeof(*team->tasks));
}

static bool task_update(const struct call *c)
{
	struct str id = member(c->args, "taskId");
	struct task *task = NULL;
	bool changed = false;

	for (size_t i = 0; i < c->team->task_count && task == NULL; i++) {
		task = str_eq(str_of(c->team->tasks[i].id), id) ? &c->team->tasks[i] : NULL;
	}
	if (task == NULL || id.n == 0) {
		return false;
	}
	if (str_eq(member(c->args, "status"), STR_LIT("deleted"))) {
		remove_task(c->team, (size_t)(task - c->team->tasks));
		return true;
	}
	changed = set_if(task->status, member(c->args, "status"));
	changed = set_if(task->owner, member(c->args, "owner")) || changed;
	changed = set_if(task->subject, member(c->args, "subject")) || changed;
	changed = add_links(&task->blocked_by, json_get(c->args, "addBlockedBy")) || changed;
	return add_links(&task->blocks, json_get(c->args, "addBlocks")) || changed;
}

static bool send(const struct call *c)
{
	static const char *const to[] = { "recipient", "to", "target_agent_id", NULL };

	if (str_eq(member(c->args, "type"), STR_LIT("shutdown_request"))) {
		set(c->team->leaving_tool, c->id);
		set(c->team->leaving, first_of(c->args, to));
	}
	return false;
}

static const struct {
	const char *name;
	bool (*take)(const struct call *c);
} tools[] = {
	{ "TeamCreate", create }, { "TeamDelete", delete },      { "Task", spawn },
	{ "Agent", spawn },       { "TaskCreate", task_create }, { "TaskUpdate", task_update },
	{ "SendMessage", send },
};

bool team_concerns(struct str tool)
{
	for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
		if (str_eq(tool, str_of(tools[i].name))) {
			return true;
		}
	}
	return false;
}

bool team_tool(struct team *team, const struct json_value *data)
{
	const struct call call = { team, member(data, "tool_execution_id"),
		                   json_get(data, "tool_args") };
	struct str tool = member(data, "tool_name");

	for (size_t i = 0; i < ARRAY_LEN(tools) && call.id.n > 0; i++) {
		if (str_eq(tool, str_of(tools[i].name))) {
			return tools[i].take(&call);
		}
	}
	return false;
}

/* ---- results ---- */

/* "Task #3 created", or {"task":{"id":"3"}}. */
static struct str task_id(struct str output, struct json_value *json)
{
	struct str id = member(json_get(json, "task"), "id");
	const char *at = output.n > 0 ? memchr(output.p, '#', output.n) : NULL;
	size_t n = 0;

	if (id.n > 0 || at == NULL) {
		return id;
	}
	at++;
	while (at + n < output.p + output.n && at[n] >= '0' && at[n] <= '9') {
		n++;
	}
	return str_make(at, n);
}

static bool end_task(struct team *team, struct str tool, struct str output, bool failed)
{
	struct err err;
	struct json_value *json;

	for (size_t i = 0; i < team->task_count; i++) {
		struct task *task = &team->tasks[i];

		if (!str_eq(str_of(task->tool), tool)) {
			continue;
		}
		if (failed) {
			remove_task(team, i);
			return true;
		}
		json = json_parse(output, &err);
		task->tool[0] = '\0';
		(void)set_if(task->id, task_id(output, json));
		json_value_free(json);
		return true;
	}
	return false;
}

static bool end_member(struct team *team, struct str tool, bool failed)
{
	for (size_t i = 0; i < team->member_count; i++) {
		struct member *m = &team->members[i];

		if (!str_eq(str_of(m->tool), tool)) {
			continue;
		}
		m->tool[0] = '\0';
		if (failed) {
			remove_member(team, i);
			return true;
		}
		/* A member goes on without its tool, any other agent was the tool. */
		m->status = m->in_team ? MEMBER_ACTIVE : MEMBER_SHUTDOWN;
		return !m->in_team;
	}
	return false;
}

static bool end_leaving(struct team *team, struct str tool, bool failed)
{
	if (!str_eq(str_of(team->leaving_tool), tool)) {
		return false;
	}
	team->leaving_tool[0] = '\0';
	for (size_t i = 0; i < team->member_count && !failed; i++) {
		struct member *m = &team->members[i];

		if (strcmp(m->name, team->leaving) == 0 || strcmp(m->id, team->leaving) == 0) {
			m->status = MEMBER_SHUTDOWN;
			return true;
		}
	}
	return false;
}

bool team_result(struct team *team, const struct json_value *data)
{
	struct str tool = member(data, "tool_execution_id");
	bool failed = str_eq(member(data, "status"), STR_LIT("failed"));

	if (tool.n == 0) {
		return false;
	}
	return end_task(team, tool, member(data, "tool_output"), failed) ||
	       end_member(team, tool, failed) || end_leaving(team, tool, failed);
}

/* ---- what it is ---- */

static const char *const statuses[] = {
	[MEMBER_ACTIVE] = "active",
	[MEMBER_SHUTDOWN] = "shutdown",
};

static void write_if(struct jsonw *w, const char *name, const char *text)
{
	if (text[0] != '\0') {
		jsonw_cstr(w, name, text);
	}
}

static void write_links(struct jsonw *w, const char *name, const struct links *links)
{
	jsonw_array(w, name);
	for (size_t i = 0; i < links->count; i++) {
		jsonw_cstr(w, NULL, links->ids[i]);
	}
	jsonw_end_array(w);
}

static void write_task(struct jsonw *w, const struct task *task)
{
	char id[WORD_SIZE + 3];

	jsonw_object(w, NULL);
	(void)snprintf(id, sizeof(id), "tu-%s", task->tool);
	jsonw_cstr(w, "id", task->id[0] != '\0' ? task->id : id);
	jsonw_cstr(w, "subject", task->subject);
	jsonw_cstr(w, "status", task->status);
	write_if(w, "owner", task->owner);
	write_links(w, "blocked_by", &task->blocked_by);
	write_links(w, "blocks", &task->blocks);
	jsonw_end_object(w);
}

void team_write(const struct team *team, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "name", team->name);
	jsonw_array(&w, "members");
	for (size_t i = 0; i < team->member_count; i++) {
		const struct member *m = &team->members[i];

		jsonw_object(&w, NULL);
		jsonw_cstr(&w, "name", m->name);
		jsonw_cstr(&w, "agent_id", m->id);
		write_if(&w, "type", m->type);
		write_if(&w, "model", m->model);
		jsonw_cstr(&w, "status", statuses[m->status]);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_array(&w, "tasks");
	for (size_t i = 0; i < team->task_count; i++) {
		write_task(&w, &team->tasks[i]);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
}
