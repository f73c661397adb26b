/*
 * What an agent asks its client to do for it: read and write text files, and run commands on
 * terminals (the fs/... and terminal/... methods of ACP; their parameters and results are those of
 * the protocol).  Only in the workspace, only what the agent's user may, everything bounded.
 *
 * All functions but agent_calls_renew() and agent_calls_fenced() belong on a fiber.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "worker/runner.h"

struct agent_calls;
struct loop;

enum {
	AGENT_CALLS_FILE_MAX = 8 * 1024 * 1024,    /* bytes of a file that is read */
	AGENT_CALLS_RESULT_MAX = 48 * 1024 * 1024, /* of a result as JSON */
	AGENT_CALLS_TERMINALS_MAX = 16,
	AGENT_CALLS_OUTPUT_MAX = 1024 * 1024, /* bytes that a terminal keeps, its last ones */
};

/* run: how commands are started, where argv is what comes before each command (a sandbox), NULL:
 * nothing; cwd is the workspace. All of it lives as long as the calls. */
struct agent_calls *agent_calls_new(struct loop *loop, const struct runner_options *run) MUST_CHECK;
/* Kills what still runs. No call may be under way. NULL is fine. */
void agent_calls_free(struct agent_calls *calls);

/* Its workspace is read only: writing a file is refused from now on (what commands may do is said
 * by run). */
void agent_calls_refuse_writes(struct agent_calls *calls);

/*
 * Does one call, which may take as long as a command runs. params is a JSON object; the result, one
 * too, is added to ret (of at least AGENT_CALLS_RESULT_MAX). ERR_UNSUPPORTED: no such method; err
 * says what is wrong in words for the agent.
 */
enum err_code agent_calls_do(struct agent_calls *calls, struct str method, struct str params,
                             struct buf *ret, struct err *err) MUST_CHECK;

/* Ends what runs, and refuses what is asked for from now on: nobody waits for it any more. */
void agent_calls_stop(struct agent_calls *calls);

/* What happens to the session's own agent happens to its commands. */
void agent_calls_renew(struct agent_calls *calls, uint64_t lease_until_ms);
void agent_calls_fenced(struct agent_calls *calls);
enum err_code agent_calls_freeze(struct agent_calls *calls, uint64_t timeout_ms) MUST_CHECK;
enum err_code agent_calls_thaw(struct agent_calls *calls, uint64_t timeout_ms) MUST_CHECK;
