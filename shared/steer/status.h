/* What the parts of steering share. */
#pragma once

#include "steer/steer.h"

/* Of a status event: {"status":...} and the reason, if there is one. In the arena. */
struct str steer_status_json(enum session_state state, struct str reason, struct arena *arena);
/* {"reason":...} or {}, in the arena. */
struct str steer_reason_json(struct str reason, struct arena *arena);

/* Nobody has to run it any more. */
void steer_finish_queue(const struct steer *steer, const struct id *sid, const char *reason);
