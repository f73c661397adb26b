/* What tests of rows share: two tenants, one arena, and the making of tasks. */
#pragma once

#include "pg_world.h"
#include "task/task_json.h"
#include "task/task_store.h"

#define TENANT "rows"
#define OTHER  "others"

/* A body of POST /tasks: agents are AGENT(count), more begins with a comma. */
#define BODY(agents, more)                                                                         \
	"{\"prompt\":\"go on\",\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":\"local\"},"     \
	"\"agents\":[" agents "]" more "}"
#define AGENT(count)                                                                               \
	"{\"type\":\"command\",\"count\":" #count ",\"settings\":{\"argv\":[\"true\"]}}"

/* For cmocka_run_group_tests(). */
int make_arena(void **state);
int free_arena(void **state);
struct arena *test_arena(void);

/* Both tenants exist, and have no tasks and no idempotency keys. */
void clear_rows(struct world *world);
uint64_t count_rows(struct world *world); /* tasks and sessions */

struct pg_tx *begin(struct world *world); /* of TENANT */
void commit(struct pg_tx *tx);
enum err_code try_accept(struct pg_tx *tx, const char *body, struct task_accepted *ret);
struct task_accepted accept_task(struct world *world, const char *body);
