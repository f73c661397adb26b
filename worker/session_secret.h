/* Private to worker/session_*.c: the secrets that a session's agent is given. */
#pragma once

#include "worker/adapters/adapter.h"
#include "worker/session_private.h"

/* False: session_fail() says why. */
bool session_secrets_open(struct session_run *s);
void session_secrets_free(struct session_run *s); /* harmless where there are none */
/* Of the agent's environment, in its arena. */
size_t session_secrets_env(const struct session_run *s, const struct adapter_pair **ret);
/* Whether some are files of its home: that must not go where others keep it. */
bool session_secrets_in_home(const struct session_run *s);
enum err_code session_secrets_write(struct session_run *s, const char *home,
                                    struct err *err) MUST_CHECK;
