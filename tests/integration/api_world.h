/*
 * Two fairlead-api processes over one Redis and one PostgreSQL, keys of two tenants, and a
 * blocking client; under with-redis and with-postgres.
 */
#pragma once

#include "base/id.h"
#include "json/value.h"
#include "queue/queue.h"
#include "session/session.h"
#include "tests/support/http_client.h"

struct pg;

enum { API_NODES = 2 };

#define API_PEPPER "a pepper of the tests, long enough"

/* Further settings of the nodes, "FAIRLEAD_NAME=value", ended by NULL; set before the set-up. */
extern const char *const *api_settings;
/* The program of a streamer that is one more node, API_NODES; set before the set-up. NULL: none. */
extern const char *api_streamer;

struct api_keys {
	char all[128];     /* every scope but admin and system, tenant acme */
	char reader[128];  /* session:read, tenant acme */
	char admin[128];   /* admin, tenant acme */
	char system[128];  /* system, tenant acme */
	char limited[128]; /* every scope, tenant acme, namespace red only */
	char plain[128];   /* every scope, tenant acme, namespace default only */
	char revoked[128]; /* it was: every scope, tenant acme */
	char foreign[128]; /* every scope, tenant rival */
};

#define TASK_PARTS                                                                                 \
	"\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"local\"},"                           \
	"\"agents\":[{\"type\":\"command\",\"settings\":{\"argv\":[\"true\"]}}]"
#define TASK "{\"prompt\":\"go on\"," TASK_PARTS "}"

extern struct api_keys api_keys;

/* Another person of tenant acme with that role, and a key that acts for them with all scopes. */
void make_user(const char *role, struct id *ret_user, char ret_key[128]);
/* A user of that id becomes a member of the tenant too, as those who run the installation do it. */
void join_user(const char *user, const char *tenant, const char *role);
/* It is no member any more. */
void drop_user(const struct id *user);

/* For cmocka_run_group_tests(). */
int api_world_setup(void **state);
int api_world_teardown(void **state);

struct answer {
	int status;
	struct client_reply reply;
	struct json_value *json; /* NULL when the body is none */
};

struct ask {
	unsigned node;
	const char *key; /* NULL: none */
	const char *method, *path;
	const char *headers; /* further lines, each ended by CRLF, or NULL */
	const char *body;    /* NULL: none; sent as application/json */
};

struct answer ask(const struct ask *what);
void answer_free(struct answer *answer);

/* The member that a path like "errors/prompt" leads to; NULL when there is none. */
const struct json_value *answer_at(const struct answer *answer, const char *path);
const char *answer_text(const struct answer *answer, const char *path);

/* Start a request and read its reply later. */
struct client ask_begin(const struct ask *what);
struct answer ask_end(struct client *client);

/* Fails the test unless the status is that. Frees what came. */
void expect(const struct ask *what, int status);

/* For api_keys.all, of node 0. */
struct answer get(const char *path);
struct answer post(const char *path, const char *body);
void expect_post(const char *path, const char *body, int status);

/* /api/v1/sessions/<sid><tail>, until the next call. */
const char *session_path(const struct id *sid, const char *tail);

/* A route's pattern with the value for every parameter, until the next call. */
const char *fill_path(const char *pattern, const char *value);

/* A task of one session, accepted by node 0 for api_keys.all; more is further members of the body.
 */
struct id make_session(const char *more);

/* Act as a worker: move it. from is what it is in. */
void move_session(const struct id *sid, enum session_state to);
enum session_state head_state(const struct id *sid);
void row_state(const struct id *sid, enum session_state state); /* as the scheduler follows it */
void append_lines(const struct id *sid, unsigned count);        /* log events "line 1"... */
uint64_t lease_epoch(const struct id *sid); /* raises the epoch; what it is now */

/* As a scheduler: the tenant of api_keys.all, and only it, has too much that is not archived. */
void mark_backlog(bool over);

/* On a fiber. */
void with_pg(void (*body)(struct pg *pg));
/* While no task can be read or made by anybody: who asks for that waits. */
void with_locked_tasks(void (*body)(void));
uint64_t count_tasks(void);
uint64_t count_commands(const struct id *sid);
enum queue_set queued_in(const struct id *sid);

void stop_redis(void); /* frozen: connected, but silent */
void go_on_redis(void);
void stop_pg(void);
void start_pg(void);
void await_ready(unsigned node);
void restart_node(unsigned node, int signo);
/* kill -9; it starts again, and is ready once the servers are. */
void restart_node_frozen(unsigned node);
