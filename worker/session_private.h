/* What the files of a running session share; not for others. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "loop/loop.h"
#include "queue/queue.h"
#include "queue/queue_again.h"
#include "task/task_json.h"
#include "worker/agent_request.h"
#include "worker/event_text.h"
#include "worker/holds.h"
#include "worker/journal.h"
#include "worker/reporter.h"
#include "worker/runner.h"
#include "worker/session_breaker.h"
#include "worker/session_budget.h"
#include "worker/session_figures.h"
#include "worker/session_notes.h"
#include "worker/session_rules.h"
#include "worker/session_run.h"
#include "worker/session_times.h"
#include "worker/snapshot_store.h"

enum {
	SESSION_QUIET_MS = 500, /* an agent that says nothing for this long has ended its turn */
	SESSION_FREEZE_MS = 5000,
	SESSION_PROMPT_MS = 60000, /* to take a prompt from its standard input */
	SESSION_ORDER_MS = 3000,   /* in which a prompt whose note was lost is told again */
	SESSION_PARK_REASON = 64,
	SESSION_AGENT_ID_SIZE = 256 + 1,
	SESSION_COMMANDS_MAX = 1024, /* that wait, and that are remembered when done */
};

/* Why it ends, other than by the agent's own exit. */
enum session_fate {
	FATE_OPEN,
	FATE_STOPPED, /* asked for */
	FATE_TIMED_OUT,
	FATE_FAILED,  /* reason says why */
	FATE_LOST,    /* another epoch: say nothing more */
	FATE_LEFT,    /* this worker goes, or gives it away */
	FATE_EVICTED, /* it makes room while it waits: session_keep.c */
};

struct session_note { /* a command for it */
	TAILQ_ENTRY(session_note) link;
	char id[ID_LEN + 1];
	char kind[32];
	struct json_value *json;          /* of which payload and blocks are views */
	const struct json_value *payload; /* NULL: it has none */
	struct json_value *blocks;        /* of a prompt: its content blocks */
	bool steers;                      /* a prompt for the turn that runs */
	char *prompt;                     /* of a prompt its text, else NULL */
	uint64_t version;                 /* of a prompt: how often it was changed, and 1 */
	uint64_t newer_ms; /* of a prompt: until when a newer version is waited for; 0: none is */
	uint64_t seq;      /* of the session's commands */
	struct id after;   /* a prompt that must be given before this one; nil: none */
	uint64_t late_ms;  /* until when it is waited for */
	char *answer;      /* of an approval its payload, else NULL */
	char *result;      /* JSON object for its command_finished, else NULL */
	struct id request; /* that it answers */
	char reason[128];  /* of a stop, or "" */
};
TAILQ_HEAD(session_notes, session_note);

/* Something the agent waits for. Its asker's; in the list between begin and end. */
struct session_wait {
	TAILQ_ENTRY(session_wait) link;
	const char *what;            /* "person", "limit", "timer" or "session" */
	char key[AGENT_KEY_MAX + 1]; /* the agent can be begun again, and will ask by it; "" */
	struct id request;           /* of a permission request, else nil */
	struct id session;           /* that is waited for, else nil */
	int64_t until_us;            /* wall clock; 0: no end */
	struct session_note *answer; /* of a person, from then on the asker's to end */
	struct fiber_signal changed;
};
TAILQ_HEAD(session_waits, session_wait);

/* A question of before the session made room. */
struct session_ask {
	TAILQ_ENTRY(session_ask) link;
	struct id request;
	char key[AGENT_KEY_MAX + 1];
	struct session_note *note; /* its answer came before it was asked again */
};
TAILQ_HEAD(session_asks, session_ask);

struct session_adapter;
struct session_limits;
struct session_secrets;

struct session_run {
	LIST_ENTRY(session_run) link;
	struct session_host *host;
	struct fiber *fiber;
	struct id sid;
	uint64_t epoch, attempt;
	char incarnation[QUEUE_WORKER_MAX + 1]; /* that it was given to */
	const char *about;                      /* what the queue knows of it; "": not known */
	const char *tenant;
	struct arena *arena;
	struct task_run order;
	const struct task_agent *agent; /* of the order */
	struct str prompt_text;         /* for the agent, where the order's is not all; else NULL */

	enum session_fate fate;
	enum err_code prepare_code;
	char reason[ERR_MSG_MAX];
	struct fiber_signal wake;    /* of its main fiber */
	struct fiber_group children; /* preparing, output, exit, prompts, end of a turn */

	struct journal *journal;
	struct reporter *reporter;
	const struct redact *redact;     /* what nobody may see of what it says */
	struct session_secrets *secrets; /* NULL: it has none */
	struct workspace workspace;
	char repo_word[HOLDS_WORD_SIZE];
	uint64_t materialise_ms; /* what it took to have it here; 0: it was */

	bool prepared; /* the child that prepares it has ended */
	bool has_workspace, has_home;
	bool exited, guard_died, output_ended, paused;
	bool ending;  /* its last word is on its way */
	bool doubted; /* after a loss of Redis, until its log says that it is ours */
	bool in_slot; /* counts as one of the host's used slots */
	bool prompting, turn_open, turn_ending;
	unsigned clock_stops; /* reasons for which its time does not run: session_clock_stop() */

	struct session_waits waits;
	bool wants_park;                 /* all it does is wait */
	bool parked;                     /* the queue may believe so, */
	bool park_stays, park_placeless; /* as of queue_park() */
	char park_reason[SESSION_PARK_REASON];
	bool evict_asked, drain_evicts;            /* to make room, if it can; by a drain */
	bool restored;                             /* it has the files that it had before */
	char agent_session[SESSION_AGENT_ID_SIZE]; /* the agent's own id of it; "": not known */
	bool resumes;                              /* its agent goes on with that */
	const char *lost;                /* what its agent is told is missing; NULL: nothing */
	uint64_t snapshots;              /* taken of this epoch; */
	bool origin_failed;              /* whether the last one's push did */
	struct session_uploads *uploads; /* whose files it has; NULL: none */
	struct session_asks asks;
	struct session_rules *rules;   /* session_rules.h */
	unsigned returning;            /* askers that have what they waited for, but no slot yet */
	bool parking;                  /* a fiber does, or undoes it */
	struct fiber_signal park_wake; /* of that fiber */
	struct fiber_signal working;   /* it is not parked any more */
	struct fiber_group talks;      /* with its agent, and parking: ends with the agent */
	unsigned talking;              /* connections */
	bool talks_open;
	int talk_fd;                   /* when talks_open */
	struct loop_watch talk_watch;  /* of it */
	struct loop_timer talk_again;  /* when connections could not be taken */
	char tree[CHANGE_OID_MAX + 1]; /* that was last told of, "" none */

	struct runner *runner;
	struct session_adapter *adapter;  /* NULL: an agent of type command */
	struct agent_calls *calls;        /* commands that it runs on our terminals; NULL: none */
	const char *const *sandbox_words; /* before each command of it; NULL: it has no sandbox */
	const char *sandbox_serve;     /* socket to its loopback ports; NULL: they are ours too */
	bool closed;                   /* its agent was told that nothing follows */
	struct session_limits *limits; /* session_limits.h; NULL: not yet */
	struct runner_exit exit;
	uint64_t output_ms;   /* when it last said something */
	uint64_t progress_ms; /* when its turn last brought something */
	struct session_times times;
	struct session_budget budget;
	struct session_figures figures;
	struct session_trace *trace; /* NULL: it is not traced */
	struct session_breaker breaker;
	uint64_t timeout_at_ms, timeout_left_ms; /* 0: none; what was left when it was stopped */

	struct session_notes notes, prompts;
	struct map *seen; /* ids of commands that wait, and of the last that were done */
	unsigned waiting;
	char (*done)[ID_LEN + 1]; /* a ring that grows until it is full, done_at is next */
	unsigned done_at, done_size;
	struct fiber_signal prompted;
	uint64_t turn;

	struct event_text_totals totals;
};

/* Add an event; whether it can be (false: lost or cancelled). Resets text. Clean: of what went
 * through a redact_stream. */
bool session_say(struct session_run *run, enum event_type type, struct buf *text);
bool session_say_clean(struct session_run *run, enum event_type type, struct buf *text);

void session_fail(struct session_run *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* session_run.c */
void session_main(void *arg); /* the body of its fiber */
/* LOST or LEFT: every wait of its main fiber ends from here on; what is left is to clean up. */
void session_give_up(struct session_run *s, enum session_fate fate);
typedef enum err_code(session_queue_fn)(const struct queue *queue, const struct queue_move *move,
                                        enum queue_set *ret, struct err *err);
/* Until it is answered. What nobody hears is found out by the schedulers, from the log. */
void session_tell_queue(struct session_run *s, session_queue_fn *fn, const struct queue_move *move);
unsigned session_shard(const struct session_run *s); /* of the queue */
/* With the rebuilds that it has adopted. */
uint64_t session_epoch_now(const struct session_run *s);

/* The time that the agent has: not while it is paused, nor while it is parked. Each stop needs its
 * start. */
void session_clock_stop(struct session_run *s);
void session_clock_start(struct session_run *s);

/* session_host.c */
void session_doubt(struct session_run *s);
void session_leave_slot(struct session_run *s); /* harmless when repeated */
void session_enter_slot(struct session_run *s); /* harmless when repeated */
void session_retire(struct session_run *s);

/* session_tail.c */
void session_tail_keep(struct session_run *s);                           /* takes its journal */
void session_tails_free(struct session_host *host);                      /* the files stay */
void session_tail_drop(struct session_host *host, const struct id *sid); /* it runs here again */

/* session_leave.c */
/* A move that goes past the reporter: where there is none, or none any more. */
struct session_step {
	unsigned from;
	enum session_state to;
	const char *reason;
};
/* False: it was not made; *ret_state says where the session is, SESSION_STATE_COUNT: it is not
 * ours, or nobody knows. */
bool session_step(struct session_run *s, const struct session_step *step,
                  enum session_state *ret_state);
void session_fail_unbegun(struct session_run *s); /* s->reason says why */
void session_leave_if_idle(struct session_run *s);
void session_hand_over(struct session_run *s); /* its agent has ended */

/* Wait until an agent may begin or go on. False: the session ends, or is told to. */
bool session_await_right(struct session_run *s);

void session_output(void *arg); /* session_output.c: the body of a child, what its agent prints */

/* session_agent.c */
enum err_code session_agent_start(struct session_run *s, struct err *err) MUST_CHECK;
uint64_t session_lease_until(const struct session_run *s); /* as runner_renew() takes it */
/* The agent, and the commands that it runs on terminals of ours. */
void session_agent_renew(struct session_run *s, uint64_t lease_until_ms);
void session_agent_fenced(struct session_run *s);
enum err_code session_agent_freeze(struct session_run *s) MUST_CHECK;
enum err_code session_agent_thaw(struct session_run *s) MUST_CHECK;
void session_agent_stop(struct session_run *s, enum session_fate fate, const char *reason);
void session_home_remove(struct session_run *s);
const char *session_home_path(const struct session_run *s);

/* session_adapter.c: an agent with a protocol of its own */
enum err_code session_adapter_open(struct session_run *s, const char *home,
                                   struct err *err) MUST_CHECK;
void session_adapter_free(struct session_run *s); /* harmless where there is none */
/* What it printed; false: the fiber was cancelled. */
bool session_adapter_take(struct session_run *s, struct str bytes);
void session_adapter_end(struct session_run *s); /* it prints no more */
void session_adapter_exited(struct session_run *s);
void session_adapter_prompts(void *arg); /* the body of a child */
/* A command that is no prompt. False: it is none that an adapter knows. */
bool session_adapter_control(struct session_run *s, struct session_note *note);
/* False: it must wait until the agent is ready. */
bool session_adapter_can(const struct session_run *s, const struct session_note *note);
bool session_adapter_failed(const struct session_run *s); /* its last turn ended in an error */

/* session_calls.c */
struct agent_calls;
/* run: how its agent is started. */
void session_calls_open(struct session_run *s, const struct runner_options *run);

/* session_park.c */
void session_park_rouse(struct session_run *s); /* look what is to be done */
/* From here on it may be parked: it waits for that, and does nothing else. */
void session_wait_begin(struct session_run *s, struct session_wait *wait);
/* Nothing is waited for any more. goes_on: wait until there is a slot to go on in; not if its asker
 * has left. */
void session_wait_end(struct session_run *s, struct session_wait *wait, bool goes_on);
/* Hand an approval to who asked. False: nobody waits for it. */
bool session_wait_answer(struct session_run *s, struct session_note *note);

/* session_keep.c; more of it in session_resume.h */
bool session_may_leave(const struct session_run *s); /* it waits, and could be begun again */
/* By the agent's key: the question is open already. */
bool session_ask_again(struct session_run *s, struct str key, struct id *ret_request);
/* An answer to what is not asked again yet is held back until it is. */
bool session_ask_holds(struct session_run *s, struct session_note *note);
void session_asks_free(struct session_run *s);

/* session_talk.c: what its agent says on FAIRLEAD_AGENT_SOCKET */
const char *session_talk_path(const struct session_run *s);
enum err_code session_talk_start(struct session_run *s, struct err *err) MUST_CHECK;
void session_talk_stop(struct session_run *s); /* harmless when it was never started */

/* session_result.c */
/* file_edit and diff events of what was not told before. */
enum err_code session_tell_changes(struct session_run *s, struct err *err) MUST_CHECK;
void session_turn_end(void *arg); /* the body of a child */
enum err_code session_deliver(struct session_run *s, struct err *err) MUST_CHECK;
