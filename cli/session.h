/* What the parts of `fairlead session` share: cli/session.c, and cli/session_prompt.c for what is
 * said to agents. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/verb.h"
#include "json/value.h"

enum { SESSION_PATH_MAX = 512, SESSION_PROMPT_MAX = 16 * 1024 };

/* call->host */
struct session_options {
	struct client *client;
	const char *status, *after, *reason, *cause;
	uint64_t limit;
	bool json;
	const char *id;
	const char *prompt; /* its id, where the verb takes one */
	const char *text;   /* the rest of the words, joined */
};

int session_fail(const struct err *err); /* says it; the exit status */
/* show NULL: what is answered is printed as it is. */
int session_ask(const struct session_options *o, const char *method, const char *path,
                struct str body, void (*show)(const struct json_value *json));
/* POST {member: text} there; text NULL: {}. */
int session_post(const struct session_options *o, const char *verb, const char *member,
                 const char *text);
void session_show_accepted(const struct json_value *json);
void session_cell(const struct json_value *item, const char *name, int width);

verb_fn session_prompt, session_prompts, session_prompt_edit, session_prompt_cancel;
verb_fn session_interrupt, session_slash, session_model, session_mode;
