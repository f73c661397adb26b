/* Private to worker/session_*.c: what surrounds a session's agent, and the sockets beside it. */
#pragma once

#include "worker/session_private.h"

/* A socket <sid>.<suffix> beside its home, for its agent only. */
enum err_code session_socket_open(const struct session_run *s, const char *suffix, int *ret_fd,
                                  struct err *err) MUST_CHECK;
/* Whether who connected may: the agents' user, root and we. */
bool session_socket_may(const struct session_run *s, int fd);

enum sandbox_profile session_sandbox_profile(const struct session_run *s);
bool session_sandbox_read_only(const struct session_run *s);
/* Puts the sandbox of its agent around options, if it has one. ERR_UNSUPPORTED: it must have one,
 * and this host has none. */
enum err_code session_sandbox_wrap(struct session_run *s, const char *home,
                                   struct runner_options *options, struct err *err) MUST_CHECK;
