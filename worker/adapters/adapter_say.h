/*
 * The events that adapters say most, as event.def has them.  Texts of any length: what an event
 * cannot hold is left out of its middle, or spread over several (deltas).
 */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "json/value.h"
#include "json/write.h"
#include "worker/adapters/adapter_out.h"

/* Who speaks: a sub-agent's id, "" for the agent itself. Becomes agent_id. */
struct adapter_tool {
	struct str id, name, agent;
};

void adapter_say_delta(struct adapter_out *out, struct str message_id, struct str agent,
                       struct str delta);
void adapter_say_thought(struct adapter_out *out, struct str message_id, struct str agent,
                         struct str delta);
/* partial: it was cut short. */
void adapter_say_message(struct adapter_out *out, struct str message_id, struct str agent,
                         struct str content, bool partial);

void adapter_say_tool(struct adapter_out *out, const struct adapter_tool *tool,
                      const struct json_value *args);
/* text: what it printed now; its last line that is not empty is told, if there is one. */
void adapter_say_progress(struct adapter_out *out, const struct adapter_tool *tool,
                          struct str text);
/* more: a JSON object whose members are added, NULL: none. */
void adapter_say_result(struct adapter_out *out, const struct adapter_tool *tool, struct str output,
                        bool failed, const struct json_value *more);

enum adapter_change_kind { ADAPTER_ADDED, ADAPTER_DELETED, ADAPTER_UPDATED };

/* text: the file's text when it was added or deleted, the hunks of a unified diff when updated. */
struct adapter_change {
	enum adapter_change_kind kind;
	struct str path, text, tool_id;
};
/* file_edit and diff. */
void adapter_say_change(struct adapter_out *out, const struct adapter_change *change);

/* A file whose text is known before and after. */
struct adapter_texts {
	struct str path, tool_id, before, after;
	bool added; /* it was not there before */
};
/* file_edit and diff: of a large one both ends of each side. */
void adapter_say_texts(struct adapter_out *out, const struct adapter_texts *texts);

/* The model is asked again. What is 0 or less, or "", is not known. */
struct adapter_retry {
	int64_t attempt, max_attempts;
	double delay_ms;
	struct str message;
};
void adapter_say_retry(struct adapter_out *out, const struct adapter_retry *retry);

void adapter_say_log(struct adapter_out *out, const char *level, struct str message);
void adapter_say_note(struct adapter_out *out, struct str message);
void adapter_say_error(struct adapter_out *out, struct str code, struct str message);
/* line: JSON text, or whatever else it said. value: the line parsed, NULL: it is no JSON. */
void adapter_say_native(struct adapter_out *out, const char *protocol, struct str line,
                        const struct json_value *value);

/* The value, or {"truncated":true,"bytes":n} when it is too large to stand in an event. */
void adapter_say_value(struct jsonw *w, const char *name, const struct json_value *value);
/* Text with its middle left out when it is longer than an event takes. */
void adapter_say_text(struct jsonw *w, const char *name, struct str text);

/* Upper and lower case are the same. */
bool adapter_mentions(struct str text, const char *word);

/* Whether what an agent said as an error means that its provider refused its credentials, or is
 * overloaded. Pure. */
bool adapter_blames_provider(struct str code, struct str message);
