/* What the files of the log share about scripts' arguments and answers; not for others. */
#pragma once

#include <stdbool.h>

#include "event/log.h"

struct redis_cmd;
struct redis_reply;

enum { LOG_STATES_SIZE = 160, LOG_TOKEN_MAX = 96, LOG_CAUSE_MAX = 32 };

/* Before cmd is sent. ERR_UNAVAILABLE: we are connected to another server than the one of the
 * generation. */
enum err_code log_server_known(const struct log_store *store, struct redis_cmd *cmd,
                               struct err *err) MUST_CHECK;

/* ",queued,running," */
void log_states_format(unsigned set, char out[LOG_STATES_SIZE]);
unsigned log_states_living(void);

/* The first word of an answer; the rest of *ret is zeroed. */
bool log_reply_outcome(const struct redis_reply *reply, struct log_result *ret);

/* Fields of a stream entry [id, [name, value, ...]]: false if it is not one of ours. */
bool log_event_decode(const struct redis_reply *entry, struct log_event *ret);
