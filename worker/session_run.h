/*
 * One leased session on this host, from the order to run it to its end: a fiber that reads
 * from top to bottom (session_run.c), with children for what goes on at the same time: the agent's
 * output, the prompts for it, the wait for its exit.
 *
 * A session ends in one of three ways.  Ended: its terminal state is in the log and the queue
 * knows. Lost (fenced, cancelled, lease gone): its agent is killed, its files are removed, nothing
 * is said.  Left (this worker goes, or is drained): its agent is stopped, its files are removed,
 * and it is queued again, which costs it nothing: another worker begins it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/str.h"
#include "cred/box.h"
#include "event/log.h"
#include "loop/fiber.h"
#include "queue/mail.h"
#include "queue/queue_gate.h"
#include "worker/cgroup.h"
#include "worker/egress.h"
#include "worker/lease_keeper.h"
#include "worker/prices.h"
#include "worker/process.h"
#include "worker/sandbox.h"
#include "worker/turns.h"
#include "worker/workspace.h"

struct redact;
struct session_run;

/* The words of worker.snapshot: where snapshots go besides the folder. */
enum snapshot_place { SNAPSHOT_IN_FOLDER, SNAPSHOT_IN_ORIGIN, SNAPSHOT_IN_ORIGIN_HOME };

/* What sessions need of their worker; filled by app.c, lives longer than they. */
struct session_host {
	struct loop *loop;
	struct redis *redis;
	const struct log_store *store;
	struct lease_keeper *lease;
	struct workspaces *workspaces;
	struct process_user user;
	const char *worker;       /* its id, in events */
	const char *guard_path;   /* the program */
	const char *journal_dir;  /* one file a session */
	const char *keep_dir;     /* what sessions that made room will need again */
	const char *home_dir;     /* HOME of agents: one directory a session */
	const char *snapshot_dir; /* snapshot_store.h */
	uint64_t snapshot_max;    /* bytes of one; 0: none is taken */
	enum snapshot_place snapshot_place;
	const char *local_repos;     /* folders: local_repo.h */
	const char *const *programs; /* of agents, by task_agent_types; NULL or "": looked up */
	struct sandbox_host sandbox; /* bwrap NULL: agents in sandboxes cannot be had, */
	const char *sandbox_why;     /* and why */
	enum sandbox_profile sandbox_default, sandbox_min;
	struct cgroup_home cgroups;       /* of sessions */
	struct cgroup_limits limits;      /* of each, where its cgroup can have them */
	uint64_t disk_max;                /* bytes of the files of each; 0: no limit */
	struct cgroup_limits limits_most; /* that a task may ask for instead; 0: no bound, */
	uint64_t disk_most;               /* and of its files */
	struct egress_rules egress_rules; /* of what agents in sandboxes reach */
	bool as_root;                     /* it is what agents run as */
	uint64_t orphan_ms, grace_ms;
	uint64_t retry_base_ms, retry_max_ms;   /* between attempts */
	uint64_t idle_ms, progress_ms, life_ms; /* of sessions that say nothing else; 0: none */
	uint64_t leave_ms;                      /* the grace of agents when this worker goes */
	uint64_t processes_max;                 /* of the agents' user; 0: no limit of ours */
	uint64_t ready_ms;                      /* to be ready for its first prompt */
	unsigned slots;
	struct queue_breaker_rule breaker; /* of agents that fail as they are started */

	struct cred_box_pair box; /* what is sealed to this worker */
	struct redact *redact;    /* of sessions that have no secrets of their own */
	LIST_HEAD(session_runs, session_run) runs;
	TAILQ_HEAD(session_tails, session_tail) tails; /* oldest first */
	unsigned tail_count;
	uint64_t tails_given; /* the generation that has them */
	/* Of those who begin and end, and of those who fetch: that takes as long as the remote
	 * does. */
	struct turns turns, fetches;
	unsigned used;
	bool leaving; /* takes nothing new, and gives away what is between turns */
	struct session_rule_notes *rule_notes; /* session_rules.h; NULL: none yet */
	uint64_t ask_expiry_ms;                /* of questions that say nothing else */
	struct prices prices;
	struct fiber_group fibers;
	struct fiber_signal ended;
};

void session_host_init(struct session_host *host);
void session_host_fini(struct session_host *host); /* no session is left */
/* The body of a fiber: what others than the sessions themselves have spent (session_budget.h). */
void session_budgets_run(void *arg);

struct session_run *session_find(struct session_host *host, const struct id *sid); /* NULL: none */
/* Of all that are here now; the caller frees them. */
struct id *session_ids(const struct session_host *host, size_t *ret_count);

/* An order: a note of kind "run". One that is known is ignored; one that finds no slot is
 * refused. */
void session_order(struct session_host *host, const struct mail *mail);

/* A note of kind "command" for a session; ignored when it is not here, or known already. */
void session_command(struct session_host *host, const struct mail *mail);

/* The session belongs to another epoch (of which `epoch` is at least the number; 0: any). */
void session_fence(struct session_host *host, const struct id *sid, uint64_t epoch);

/* A note of kind "rule": one that answers for people is new, or gone; for sessions that run and for
 * those that come in a moment. */
void session_rule_note(struct session_host *host, const struct mail *mail);

/* A note of kind "evict": others need the place of a parked session. */
void session_evict(struct session_host *host, const struct id *sid);
/* A note of kind "unpark": a parked session may go on. */
void session_unpark(struct session_host *host, const struct id *sid);

/* Those whose right is not in doubt. */
void session_renew_all(struct session_host *host, uint64_t until_ms);
/* Others may have been given them since: none goes on before its log says that it is ours. */
void session_doubt_all(struct session_host *host);
void session_lose_all(struct session_host *host); /* our incarnation was lost */
void session_redis_back_all(struct session_host *host);
/* After a loss of Redis: tell the queue what this worker has, once the journals are given back. */
enum err_code session_attest_all(struct session_host *host, const char *incarnation,
                                 struct err *err) MUST_CHECK;

/* What ended sessions said last, until the archive has it: give it back to a Redis that lost it. */
void session_tails_give(struct session_host *host);
/* One turn of a slow duty: forget what is archived. */
void session_tails_sweep(struct session_host *host);

/* Take no more, and hand over what is between turns, now and when a turn ends. */
void session_drain_begin(struct session_host *host);
void session_drain_end(struct session_host *host); /* take sessions again */
/* Until none is left. ERR_TIMEOUT; ERR_CONFLICT: the drain has ended. */
enum err_code session_drain_wait(struct session_host *host, uint64_t timeout_ms) MUST_CHECK;
/* Hand over the rest too, in the middle of a turn. */
void session_leave_now(struct session_host *host);

/* Stop and hand over all, take no more, and wait until none is left. */
enum err_code session_leave_all(struct session_host *host, uint64_t timeout_ms) MUST_CHECK;

/* One turn of a slow duty: read each session's head; notice what a lost note did not tell. */
void session_look_after_all(struct session_host *host);
/* Another: whether they came to their limits, which wakes them to tell of it. */
void session_limits_look(struct session_host *host);
/* The same of their files: waits for as long as that takes. */
void session_limits_look_at_disks(struct session_host *host);
/* Another: forget what was kept for sessions that have ended, or run elsewhere. */
void session_keep_sweep(struct session_host *host);
/* Another: refs of snapshots in repositories, when their sessions have ended. Waits for as long as
 * that takes. keep_ms: of sessions that nobody knows any more. */
void session_origins_sweep(struct session_host *host, uint64_t keep_ms);
