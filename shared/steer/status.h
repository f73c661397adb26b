/* What the parts of steering share. */
#pragma once

#include "steer/steer.h"

/* Of a status event: {"status":...} and the reason, if there is one. In the arena. */
struct str steer_status_json(enum session_state state, struct str reason, struct arena *arena);
/* {"reason":...} or {}, in the arena. */
struct str steer_reason_json(struct str reason, struct arena *arena);
/* The payload of an approval, in the arena; {NULL, 0}: beyond STEER_PAYLOAD_MAX. */
struct str steer_approval_json(const struct steer_approval *approval, struct arena *arena);
/* As whom the others get to know who answered. */
const char *steer_answerer(const struct steer_approval *approval, const struct principal *who);
/* Of the event that tells the others. In the arena. */
struct str steer_resolved_json(const struct steer_approval *approval, const struct id *command,
                               const struct id *rule, const struct principal *by,
                               struct arena *arena);

/* Nobody has to run it any more. */
void steer_finish_queue(const struct steer *steer, const struct id *sid, const char *reason);

/* A note to the worker about a command. */
struct steer_command {
	struct id id, before; /* before: that must reach the agent first; nil: none */
	uint64_t seq;
	const char *kind;
	struct str payload;
};
void steer_tell_command(const struct steer *steer, const struct id *session,
                        const struct steer_command *command);
