#include "tests/integration/api_world.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "event/backlog.h"
#include "event/log.h"
#include "loop/loop.h"
#include "pg/schema.h"
#include "redis/redis.h"
#include "session/session_store.h"
#include "tenant/tenant_store.h"
#include "tests/support/generation_mark.h"

#define TENANT "acme"

enum { FILLED_SIZE = 512, SETTING_SIZE = 256, SETTINGS_MAX = 32, WAIT_MS = 20000, LOOK_US = 10000 };

struct api_keys api_keys;

static struct {
	char dir[64];
	struct {
		pid_t pid;
		char path[96];
	} nodes[API_NODES + 1];
} world;

static const char insert_count[] = "SELECT count(*) FROM commands WHERE session_id = $1::text";
static const struct text count_query = { "api_world_count", "0", insert_count,
	                                 sizeof(insert_count) - 1 };

/* ---- on a fiber, with connections of its own ---- */

struct access {
	struct loop *loop;
	struct pg *pg;
	struct log_store store;
	void (*body)(struct access *access);
	const struct id *sid;
	enum session_state to;
	uint64_t number;
};

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_OK) {
		fail_msg("%s", err->msg);
	}
}

static void must_log(enum err_code code, const struct log_result *result, const struct err *err)
{
	must(code, err);
	if (result->outcome != LOG_OK) {
		fail_msg("%s", log_outcome_name(result->outcome));
	}
}

static void access_main(void *arg)
{
	struct access *access = arg;
	const struct pg_options pg = { getenv("TEST_PG_URL"), 2, 5000, 5000 };
	const struct redis_options redis = { getenv("TEST_REDIS_URL"), 5000, 100 };
	unsigned applied;
	struct err err;

	access->pg = pg_new(access->loop, &pg);
	access->store.redis = redis_new(access->loop, &redis, &err);
	access->store.unarchived_max = 16 * 1024 * 1024;
	must(redis_wait_connected(access->store.redis, WAIT_MS, &err), &err);
	must(pg_migrate(access->pg, &pg_schema, &applied, &err), &err);
	access->store.generation = generation_learn(access->store.redis, access->pg);
	access->body(access);
	redis_free(access->store.redis);
	pg_free(access->pg);
}

static struct access with_access(void (*body)(struct access *access), const struct id *sid,
                                 enum session_state to, uint64_t number)
{
	struct access access = {
		.loop = loop_new(), .body = body, .sid = sid, .to = to, .number = number
	};

	(void)fiber_start(access.loop, NULL, "access", access_main, &access);
	loop_run(access.loop);
	loop_free(access.loop);
	return access;
}

static struct id make_key(struct access *access, const char *tenant, const char *scopes,
                          const char *namespaces, char *ret)
{
	const struct cred_pepper pepper = cred_pepper_from(str_of(API_PEPPER));
	struct auth_key_new key = { .tenant = tenant, .name = "test", .namespaces = namespaces };
	struct id id;
	struct err err;

	assert_true(auth_scopes_parse(str_of(scopes), &key.scopes));
	must(tenant_ensure(access->pg, tenant, &err), &err);
	must(auth_key_create(access->pg, &key, &pepper, ret, &id, &err), &err);
	return id;
}

static void make_keys(struct access *access)
{
	bool revoked;
	struct err err;
	struct id id;
	const char *all = "session:read,session:write,task:write,event:append";

	(void)make_key(access, TENANT, all, NULL, api_keys.all);
	(void)make_key(access, TENANT, "session:read", NULL, api_keys.reader);
	(void)make_key(access, TENANT, "admin,system", NULL, api_keys.admin);
	(void)make_key(access, TENANT, "system", NULL, api_keys.system);
	(void)make_key(access, TENANT, all, "red", api_keys.limited);
	(void)make_key(access, TENANT, all, "default", api_keys.plain);
	id = make_key(access, TENANT, all, NULL, api_keys.revoked);
	must(auth_key_revoke(access->pg, TENANT, &id, &revoked, &err), &err);
	(void)make_key(access, "rival", all, NULL, api_keys.foreign);
}

/* ---- the nodes ---- */

const char *const *api_settings;
const char *api_streamer;

static unsigned node_count(void)
{
	return api_streamer != NULL ? API_NODES + 1 : API_NODES;
}

static void become_node(unsigned node)
{
	const char *path = world.nodes[node].path;
	bool streams = node == API_NODES;
	static char own[9][SETTING_SIZE];
	char *env[SETTINGS_MAX + 1] = { own[0], own[1], own[2], own[3], own[4],
		                        own[5], own[6], own[7], own[8], NULL };
	char *argv[] = { (char[]){ "node" }, NULL };

	(void)snprintf(own[0], SETTING_SIZE, "FAIRLEAD_REDIS_URL=%s", getenv("TEST_REDIS_URL"));
	(void)snprintf(own[1], SETTING_SIZE, "FAIRLEAD_PG_URL=%s", getenv("TEST_PG_URL"));
	(void)snprintf(own[2], SETTING_SIZE, "FAIRLEAD_PEPPER=%s", API_PEPPER);
	(void)snprintf(own[3], SETTING_SIZE, "FAIRLEAD_%s_LISTEN=unix:%s",
	               streams ? "STREAMER" : "API", path);
	(void)snprintf(own[4], SETTING_SIZE, "FAIRLEAD_REDIS_TIMEOUT=500ms");
	(void)snprintf(own[5], SETTING_SIZE, "%s",
	               "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0");
	(void)snprintf(own[6], SETTING_SIZE, "%s", "FAIRLEAD_PG_ACQUIRE_TIMEOUT=500ms");
	(void)snprintf(own[7], SETTING_SIZE, "%s", "FAIRLEAD_UNSAFE_STORAGE=true");
	(void)snprintf(own[7], SETTING_SIZE, "%s", "FAIRLEAD_SESSION_UNARCHIVED_MAX=1MiB");
	/* The servers of the tests keep nothing through a power cut. */
	(void)snprintf(own[8], SETTING_SIZE, "%s", "FAIRLEAD_UNSAFE_STORAGE=true");
	for (size_t i = 0; api_settings != NULL && api_settings[i] != NULL; i++) {
		assert_true(ARRAY_LEN(own) + i < SETTINGS_MAX);
		env[ARRAY_LEN(own) + i] = strdup(api_settings[i]);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execve(streams ? api_streamer : API_PROGRAM, argv, env);
	_exit(127);
}

static void start_node(unsigned node)
{
	(void)snprintf(world.nodes[node].path, sizeof(world.nodes[node].path), "%s/api-%u",
	               world.dir, node);
	world.nodes[node].pid = fork();
	assert_true(world.nodes[node].pid >= 0);
	if (world.nodes[node].pid == 0) {
		become_node(node);
	}
}

static int stop_node(unsigned node, int signo)
{
	int status = 0;

	(void)kill(world.nodes[node].pid, signo);
	assert_int_equal(waitpid(world.nodes[node].pid, &status, 0), world.nodes[node].pid);
	return status;
}

void restart_node(unsigned node, int signo)
{
	(void)stop_node(node, signo);
	start_node(node);
	await_ready(node);
}

void restart_node_frozen(unsigned node)
{
	(void)stop_node(node, SIGKILL);
	start_node(node);
}

static bool try_connect(unsigned node, struct client *ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const void *raw = &address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(str_copy(address.sun_path, sizeof(address.sun_path),
	                     str_of(world.nodes[node].path)));
	if (connect(fd, raw, sizeof(address)) != 0) {
		(void)close(fd);
		return false;
	}
	*ret = (struct client){ .fd = fd };
	buf_init(&ret->in, SIZE_MAX / 2);
	return true;
}

void await_ready(unsigned node)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	for (;;) {
		struct client client;
		struct client_reply reply = { .status = 0 };

		if (try_connect(node, &client)) {
			client_say(&client, "GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n");
			client_reply(&client, &reply);
			buf_fini(&reply.body);
			client_close(&client);
		}
		if (reply.status == 200) {
			return;
		}
		assert_true(clock_mono_ms() < until);
		(void)usleep(LOOK_US);
	}
}

int api_world_setup(void **state)
{
	(void)state;
	(void)str_copy(world.dir, sizeof(world.dir), STR_LIT("/tmp/fairlead-api.XXXXXX"));
	assert_non_null(mkdtemp(world.dir));
	(void)with_access(make_keys, NULL, SESSION_QUEUED, 0);
	for (unsigned i = 0; i < node_count(); i++) {
		start_node(i);
	}
	for (unsigned i = 0; i < node_count(); i++) {
		await_ready(i);
	}
	return 0;
}

int api_world_teardown(void **state)
{
	int bad = 0;

	(void)state;
	for (unsigned i = 0; i < node_count(); i++) {
		bad |= stop_node(i, SIGTERM);
		(void)unlink(world.nodes[i].path);
	}
	(void)rmdir(world.dir);
	return bad;
}

/* ---- asking ---- */

struct client ask_begin(const struct ask *what)
{
	struct client client;
	struct buf text;

	if (!try_connect(what->node, &client)) {
		fail_msg("node %u cannot be reached", what->node);
	}
	buf_init(&text, SIZE_MAX / 2);
	buf_addf(&text, "%s %s HTTP/1.1\r\nHost: t\r\n", what->method, what->path);
	if (what->key != NULL) {
		buf_addf(&text, "Authorization: ApiKey %s\r\n", what->key);
	}
	buf_add_cstr(&text, what->headers != NULL ? what->headers : "");
	if (what->body != NULL) {
		buf_addf(&text, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		         strlen(what->body));
	}
	buf_add_cstr(&text, "\r\n");
	buf_add_cstr(&text, what->body != NULL ? what->body : "");
	client_send(&client, buf_str(&text));
	buf_fini(&text);
	return client;
}

struct answer ask_end(struct client *client)
{
	struct answer answer = { .json = NULL };
	struct err err;

	client_reply(client, &answer.reply);
	client_close(client);
	answer.status = answer.reply.status;
	if (answer.reply.body.len > 0) {
		answer.json = json_parse(buf_str(&answer.reply.body), &err);
	}
	return answer;
}

struct answer ask(const struct ask *what)
{
	struct client client = ask_begin(what);

	return ask_end(&client);
}

void answer_free(struct answer *answer)
{
	json_value_free(answer->json);
	buf_fini(&answer->reply.body);
}

const struct json_value *answer_at(const struct answer *answer, const char *path)
{
	const struct json_value *value = answer->json;
	struct str rest = str_of(path);

	while (rest.p != NULL) {
		struct str part = str_split(&rest, '/');
		char name[64];
		uint64_t i;

		assert_true(str_copy(name, sizeof(name), part));
		value = parse_u64(part, 1000, &i) ? json_at(value, (size_t)i)
		                                  : json_get(value, name);
	}
	return value;
}

const char *answer_text(const struct answer *answer, const char *path)
{
	const char *text = json_as_str(answer_at(answer, path)).p;

	return text != NULL ? text : "";
}

void expect(const struct ask *what, int status)
{
	struct answer answer = ask(what);

	if (answer.status != status) {
		fail_msg("%s %s: expected %d, got %s%s", what->method, what->path, status,
		         answer.reply.head, buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

struct id make_session(const char *more)
{
	char body[2048];
	struct answer answer;
	struct id id;

	(void)snprintf(
		body, sizeof(body),
		"{\"prompt\":\"go on\",\"repo\":{\"mode\":\"none\"},\"runtime\":{\"type\":"
		"\"local\"},\"agents\":[{\"type\":\"command\",\"settings\":{\"argv\":[\"true\"]"
		"}}]%s}",
		more);
	answer = ask(&(struct ask){
		.key = api_keys.all, .method = "POST", .path = "/api/v1/tasks", .body = body });
	if (answer.status != 201) {
		fail_msg("%s%s", answer.reply.head, buf_cstr(&answer.reply.body));
	}
	assert_true(id_parse(str_of(answer_text(&answer, "session_ids/0")), &id));
	answer_free(&answer);
	return id;
}

const char *fill_path(const char *pattern, const char *value)
{
	static char path[FILLED_SIZE];
	struct str rest = str_of(pattern), before;
	size_t n = 0;

	while (rest.p != NULL) {
		before = str_split(&rest, '{');
		n += (size_t)snprintf(path + n, sizeof(path) - n, "%" STR_FMT "%s", STR_ARG(before),
		                      rest.p != NULL ? value : "");
		if (rest.p != NULL) {
			(void)str_split(&rest, '}');
		}
		assert_true(n < sizeof(path));
	}
	return path;
}

const char *session_path(const struct id *sid, const char *tail)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s%s", sid->s, tail);
	return path;
}

struct answer get(const char *path)
{
	return ask(&(struct ask){ .key = api_keys.all, .method = "GET", .path = path });
}

struct answer post(const char *path, const char *body)
{
	return ask(
		&(struct ask){ .key = api_keys.all, .method = "POST", .path = path, .body = body });
}

void expect_post(const char *path, const char *body, int status)
{
	expect(&(struct ask){ .key = api_keys.all, .method = "POST", .path = path, .body = body },
	       status);
}

/* ---- acting as others ---- */

static void do_move(struct access *access)
{
	char data[64];
	const struct log_new event = { EVENT_TYPE_STATUS, { data, 0 } };
	struct log_batch batch = { .sid = *access->sid,
		                   .tenant = TENANT,
		                   .moves = true,
		                   .to = access->to,
		                   .events = &event,
		                   .count = 1 };
	struct log_result result;
	struct log_new filled = event;
	struct err err;

	(void)snprintf(data, sizeof(data), "{\"status\":\"%s\",\"exitCode\":0}",
	               session_state_name(access->to));
	filled.data = str_of(data);
	batch.events = &filled;
	must_log(log_append(&access->store, &batch, &result, &err), &result, &err);
}

void move_session(const struct id *sid, enum session_state to)
{
	(void)with_access(do_move, sid, to, 0);
}

static void do_look(struct access *access)
{
	struct log_head head;
	struct err err;

	must(log_head_get(&access->store, access->sid, TENANT, &head, &err), &err);
	assert_true(head.found);
	access->to = head.state;
}

enum session_state head_state(const struct id *sid)
{
	return with_access(do_look, sid, SESSION_QUEUED, 0).to;
}

static void do_queued(struct access *access)
{
	const struct queue queue = queue_of_tenant(access->store.redis, str_of(TENANT));
	struct queue_item item;
	struct err err;
	enum err_code code = queue_get(&queue, access->sid, &item, &err);

	access->number = QUEUE_NONE;
	if (code != ERR_NOT_FOUND) {
		must(code, &err);
		access->number = item.set;
	}
}

enum queue_set queued_in(const struct id *sid)
{
	return (enum queue_set)with_access(do_queued, sid, SESSION_QUEUED, 0).number;
}

static void do_follow(struct access *access)
{
	struct session_move move = { .id = *access->sid,
		                     .state = access->to,
		                     .at_us = clock_wall_us() };
	struct log_head head;
	struct session_moved moved = { .moved = false };
	struct err err;

	must(log_head_get(&access->store, access->sid, TENANT, &head, &err), &err);
	move.epoch = head.at.epoch;
	move.n = head.at.n;
	must(session_move(access->pg, TENANT, &move, &moved, &err), &err);
	assert_true(moved.moved);
}

void row_state(const struct id *sid, enum session_state state)
{
	(void)with_access(do_follow, sid, state, 0);
}

static void do_lines(struct access *access)
{
	for (uint64_t i = 1; i <= access->number; i++) {
		char data[96];
		struct log_new event = { EVENT_TYPE_LOG, { NULL, 0 } };
		const struct log_batch batch = {
			.sid = *access->sid, .tenant = TENANT, .events = &event, .count = 1
		};
		struct log_result result;
		struct err err;

		(void)snprintf(data, sizeof(data), "{\"level\":\"%s\",\"message\":\"line %u\"}",
		               i % 2 == 0 ? "error" : "info", (unsigned)i);
		event.data = str_of(data);
		must_log(log_append(&access->store, &batch, &result, &err), &result, &err);
	}
}

void append_lines(const struct id *sid, unsigned count)
{
	(void)with_access(do_lines, sid, SESSION_QUEUED, count);
}

static void do_lease(struct access *access)
{
	const struct id token = id_new();
	const struct log_open opening = { .sid = *access->sid,
		                          .tenant = TENANT,
		                          .how = LOG_RAISE,
		                          .cause = "lease",
		                          .token = token.s };
	struct log_result result;
	struct err err;

	must_log(log_open(&access->store, &opening, &result, &err), &result, &err);
	access->number = result.epoch;
}

uint64_t lease_epoch(const struct id *sid)
{
	return with_access(do_lease, sid, SESSION_QUEUED, 0).number;
}

static void do_count(struct access *access)
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;
	struct pg_params params = { 0 };
	struct err err;

	pg_param_cstr(&params, access->sid->s);
	must(pg_query(access->pg, "", &count_query, &params, &rows, &err), &err);
	access->number = pg_u64(rows, 0, 0);
}

static void do_mark(struct access *access)
{
	const struct backlog_marks marks = { .over = { STR_LIT(TENANT) },
		                             .over_count = access->number,
		                             .whole = true };
	struct err err;

	must(backlog_mark(access->store.redis, &marks, &err), &err);
}

void mark_backlog(bool over)
{
	(void)with_access(do_mark, NULL, SESSION_QUEUED, over ? 1 : 0);
}

uint64_t count_commands(const struct id *sid)
{
	return with_access(do_count, sid, SESSION_QUEUED, 0).number;
}

/* ---- faults ---- */

static pid_t redis_pid(void)
{
	const char *pid = getenv("TEST_REDIS_PID");

	assert_non_null(pid);
	return (pid_t)strtol(pid, NULL, 10);
}

void stop_redis(void)
{
	assert_int_equal(kill(redis_pid(), SIGSTOP), 0);
}

void go_on_redis(void)
{
	assert_int_equal(kill(redis_pid(), SIGCONT), 0);
}

static void pg_ctl(const char *verb)
{
	char line[512];

	(void)snprintf(line, sizeof(line), "%s %s", getenv("TEST_PG_CTL"), verb);
	assert_int_equal(system(line), 0);
}

void stop_pg(void)
{
	pg_ctl("stop");
}

void start_pg(void)
{
	pg_ctl("start");
}

static const char new_user[] =
	"WITH u AS (INSERT INTO users (id, kind, name, home_id) VALUES ($1::text, 'person', 'Ada', "
	"'" TENANT "') RETURNING id) "
	"INSERT INTO memberships (tenant_id, user_id, role) SELECT '" TENANT
	"', id, $2::text FROM u";
static const struct text new_user_query = { "api_world_user", "0", new_user, sizeof(new_user) - 1 };
static const char old_user[] = "DELETE FROM memberships WHERE user_id = $1::text";
static const struct text old_user_query = { "api_world_leave", "0", old_user,
	                                    sizeof(old_user) - 1 };

static struct {
	struct id id;
	const char *role;
	char *key;
} made_user;

static void run_make_user(struct access *access)
{
	const struct cred_pepper pepper = cred_pepper_from(str_of(API_PEPPER));
	struct auth_key_new key = { .tenant = TENANT,
		                    .name = "of a user",
		                    .scopes = AUTH_SCOPES_OF_TENANT,
		                    .owner_id = made_user.id.s };
	struct pg_params params = { 0 };
	struct id id;
	struct err err;

	pg_param_cstr(&params, made_user.id.s);
	pg_param_cstr(&params, made_user.role);
	must(pg_query(access->pg, "", &new_user_query, &params, NULL, &err), &err);
	must(auth_key_create(access->pg, &key, &pepper, made_user.key, &id, &err), &err);
}

void make_user(const char *role, struct id *ret_user, char ret_key[128])
{
	made_user.id = *ret_user = id_new();
	made_user.role = role;
	made_user.key = ret_key;
	(void)with_access(run_make_user, NULL, 0, 0);
}

static const char membership[] =
	"INSERT INTO memberships (tenant_id, user_id, role) VALUES ($1::text, $2::text, $3::text)";
static const struct text membership_query = { "api_world_member", "0", membership,
	                                      sizeof(membership) - 1 };

static const char *joining[3];

static void run_join_user(struct access *access)
{
	struct pg_params params = { 0 };
	struct err err;

	for (size_t i = 0; i < 3; i++) {
		pg_param_cstr(&params, joining[i]);
	}
	must(pg_query(access->pg, "", &membership_query, &params, NULL, &err), &err);
}

void join_user(const char *user, const char *tenant, const char *role)
{
	joining[0] = tenant;
	joining[1] = user;
	joining[2] = role;
	(void)with_access(run_join_user, NULL, 0, 0);
}

static void run_drop_user(struct access *access)
{
	struct pg_params params = { 0 };
	struct err err;

	pg_param_cstr(&params, made_user.id.s);
	must(pg_query(access->pg, "", &old_user_query, &params, NULL, &err), &err);
}

void drop_user(const struct id *user)
{
	made_user.id = *user;
	(void)with_access(run_drop_user, NULL, 0, 0);
}

/* Each new task looks whether its tenant is there. */
static const char lock_tasks[] = "SELECT FROM tenants FOR UPDATE";
static const struct text lock_statement = { "api_world_lock", "0", lock_tasks,
	                                    sizeof(lock_tasks) - 1 };

static void (*locked_body)(void);

static void run_locked(struct access *access)
{
	const struct pg_params none = { 0 };
	struct pg_tx *tx;
	struct err err;

	must(pg_begin(access->pg, "", &tx, &err), &err);
	must(pg_tx_query(tx, &lock_statement, &none, NULL, &err), &err);
	locked_body();
	pg_rollback(tx);
}

void with_locked_tasks(void (*body)(void))
{
	locked_body = body;
	(void)with_access(run_locked, NULL, SESSION_QUEUED, 0);
}

static const char count_tasks_text[] = "SELECT count(*) FROM tasks";
static const struct text tasks_query = { "api_world_tasks", "0", count_tasks_text,
	                                 sizeof(count_tasks_text) - 1 };

static void read_tasks(struct access *access)
{
	const struct pg_params none = { 0 };
	struct pg_rows *rows = NULL;
	struct err err;

	must(pg_query(access->pg, "", &tasks_query, &none, &rows, &err), &err);
	access->number = pg_u64(rows, 0, 0);
	pg_rows_free(rows);
}

uint64_t count_tasks(void)
{
	return with_access(read_tasks, NULL, SESSION_QUEUED, 0).number;
}

static void (*pg_body)(struct pg *pg);

static void run_pg(struct access *access)
{
	pg_body(access->pg);
}

void with_pg(void (*body)(struct pg *pg))
{
	pg_body = body;
	(void)with_access(run_pg, NULL, SESSION_QUEUED, 0);
}
