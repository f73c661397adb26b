/*
 * The agents that an agent leads, from the tools that it uses.  Pure and bounded: what an agent
 * says is not trusted.
 *
 * Task (or Agent) begins a sub-agent, which with a team_name is a member of a team; TeamCreate and
 * TeamDelete begin and end one; TaskCreate and TaskUpdate keep its list of tasks; SendMessage asks
 * a member to leave.  A tool counts from its start on, and not at all once it has failed.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

struct json_value;
struct team;

enum { TEAM_MEMBERS_MAX = 64, TEAM_TASKS_MAX = 256 };

struct team *team_new(void);
void team_free(struct team *team); /* NULL is fine */

/* Whether a tool of that name can be about a team. */
bool team_concerns(struct str tool);

/* Data of a tool_use and of a tool_result. True: the team is another now. */
bool team_tool(struct team *team, const struct json_value *data);
bool team_result(struct team *team, const struct json_value *data);

/* The data of a team event. */
void team_write(const struct team *team, struct buf *out);
