#include "task/task_json.h"

#include "base/traceparent.h"
#include "cost/cost_json.h"
#include "json/write.h"
#include "task/task_part.h"

enum { PART_MAX = 1024 * 1024 }; /* of one stored part; what goes in is bounded by the body */

static const char *const repo_modes[] = { "git", "upload", "none", NULL };
static const char *const runtime_types[] = { "local", "disabled", "devcontainer", NULL };
static const char *const sandboxes[] = { "default", "none", "workspace-write", "read-only", NULL };
static const char *const delivery_modes[] = { "branch", "patch", "pr", NULL };

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT
#define UNSUPPORTED                                                                                \
	.kind = JSON_CUSTOM, .flags = JSON_NULLABLE, .offset = 0, .present = JSON_NO_PRESENT,      \
	.decode = task_decode_unsupported, .schema = task_unsupported_schema

static const struct json_field repo_fields[] = {
	{ .name = "mode",
	  .kind = JSON_ENUM,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct task_repo, mode),
	  .present = offsetof(struct task_repo, has_mode),
	  .names = repo_modes,
	  .help = "git: a clone of url; none: an empty workspace." },
	{ .name = "url",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(task_repo, url),
	  .min = 1,
	  .max = 2048,
	  .help = "Where git fetches from; required with mode git." },
	{ .name = "branch",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(task_repo, branch),
	  .min = 1,
	  .max = 255 },
	{ .name = "commit",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(task_repo, commit),
	  .min = 7,
	  .max = 64 },
};

static const struct json_table repo_table = { "Repository", sizeof(struct task_repo), repo_fields,
	                                      ARRAY_LEN(repo_fields) };

static const struct json_field runtime_fields[] = {
	{ .name = "type",
	  .kind = JSON_ENUM,
	  .flags = JSON_REQUIRED,
	  FIELD(task_runtime, type),
	  .names = runtime_types,
	  .help = "local: in the worker's sandbox; disabled: without one, where that is allowed." },
	{ .name = "sandbox",
	  .kind = JSON_ENUM,
	  .flags = JSON_NULLABLE,
	  FIELD(task_runtime, sandbox),
	  .names = sandboxes,
	  .help = "What surrounds the agent; default: what the worker has. A worker may ask for "
	          "more." },
	{ .name = "egress",
	  .kind = JSON_STRINGS,
	  .flags = JSON_NULLABLE,
	  FIELD(task_runtime, egress),
	  .max = TASK_EGRESS_MAX,
	  .item_max = TASK_EGRESS_NAME_MAX,
	  .help = "Hosts that an agent in a sandbox reaches too, if the worker lets tasks name "
	          "them: "
	          "host, host:port, *.domain." },
	{ .name = "devcontainerPath", .alias = "devcontainer_path", UNSUPPORTED },
	{ .name = "resources",
	  .kind = JSON_OBJECT,
	  .flags = JSON_NULLABLE,
	  FIELD(task_runtime, resources),
	  .table = &task_resources_table,
	  .help = "Limits of each of its sessions: cpu (processors), memoryMiB, processes, "
	          "diskMiB, ioMiBps; up to what the worker's operator allows (docs/sandbox.md). "
	          "Without them the worker's own hold." },
};

static const struct json_table runtime_table = { "Runtime", sizeof(struct task_runtime),
	                                         runtime_fields, ARRAY_LEN(runtime_fields) };

static const struct json_field delivery_fields[] = {
	{ .name = "mode",
	  .kind = JSON_ENUM,
	  .flags = JSON_REQUIRED,
	  FIELD(task_delivery, mode),
	  .names = delivery_modes },
	{ .name = "targetBranch",
	  .alias = "target_branch",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(task_delivery, target_branch),
	  .min = 1,
	  .max = 255,
	  .help = "Only with mode branch." },
};

static const struct json_table delivery_table = { "Delivery", sizeof(struct task_delivery),
	                                          delivery_fields, ARRAY_LEN(delivery_fields) };

static const struct json_field webhook_fields[] = {
	{ .name = "event",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(task_webhook, event),
	  .min = 1,
	  .max = TASK_WEBHOOK_EVENT_MAX,
	  .help = "What to tell: session.completed, session.*, permission_request, ... "
	          "(docs/webhooks.md)." },
	{ .name = "url",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(task_webhook, url),
	  .min = 1,
	  .max = TASK_WEBHOOK_URL_MAX,
	  .help = "Whom to tell: an https address." },
};

static const struct json_table webhook_table = { "TaskWebhook", sizeof(struct task_webhook),
	                                         webhook_fields, ARRAY_LEN(webhook_fields) };

static const struct json_field task_fields[] = {
	{ .name = "tenantId",
	  .alias = "tenant_id",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, tenant),
	  .min = 1,
	  .max = 64,
	  .help = "The tenant of the key; no other is possible." },
	{ .name = "projectId",
	  .alias = "project_id",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, project),
	  .min = 1,
	  .max = 64 },
	{ .name = "namespace",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, namespace),
	  .min = 1,
	  .max = TASK_NAMESPACE_MAX,
	  .help = "A label that keys can be limited to." },
	{ .name = "prompt",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_REQUIRED,
	  FIELD(task_spec, prompt),
	  .decode = task_decode_prompt,
	  .schema = task_prompt_schema },
	{ .name = "repo",
	  .kind = JSON_OBJECT,
	  .flags = JSON_REQUIRED,
	  FIELD(task_spec, repo),
	  .table = &repo_table },
	{ .name = "runtime",
	  .kind = JSON_OBJECT,
	  .flags = JSON_REQUIRED,
	  FIELD(task_spec, runtime),
	  .table = &runtime_table },
	{ .name = "workspace", UNSUPPORTED },
	{ .name = "agents",
	  .kind = JSON_CUSTOM,
	  .offset = offsetof(struct task_spec, agents),
	  .present = offsetof(struct task_spec, has_agents),
	  .decode = task_decode_agents,
	  .schema = task_agents_schema },
	{ .name = "agent",
	  .kind = JSON_CUSTOM,
	  .offset = offsetof(struct task_spec, agents),
	  .present = offsetof(struct task_spec, has_agent),
	  .decode = task_decode_agent,
	  .schema = task_agent_schema },
	{ .name = "delivery",
	  .kind = JSON_OBJECT,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct task_spec, delivery),
	  .present = offsetof(struct task_spec, has_delivery),
	  .table = &delivery_table },
	{ .name = "labels",
	  .kind = JSON_MAP,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, labels),
	  .max = TASK_LABELS_MAX,
	  .item_max = TASK_LABEL_VALUE_MAX,
	  .name_max = TASK_LABEL_NAME_MAX },
	{ .name = "webhooks",
	  .kind = JSON_ARRAY,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, webhooks),
	  .max = TASK_WEBHOOKS_MAX,
	  .table = &webhook_table,
	  .help = "Who is told what becomes of it." },
	{ .name = "priority",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct task_spec, priority),
	  .present = offsetof(struct task_spec, has_priority),
	  .max = TASK_PRIORITY_MAX,
	  .help = "9 is served first; 5 unless given." },
	{ .name = "maxAttempts",
	  .alias = "max_attempts",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, max_attempts),
	  .min = 1,
	  .max = TASK_ATTEMPTS_MAX,
	  .help = "How often it may be run: an attempt that fails is followed by another "
	          "while there is one left; 1 unless given." },
	{ .name = "queueAfter",
	  .alias = "queue_after",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, queue_after),
	  .decode = task_decode_id,
	  .schema = task_id_schema,
	  .help = "The session, or the task with all its sessions, that must have ended first, "
	          "however it ends." },
	{ .name = "notBefore",
	  .alias = "not_before",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, not_before_us),
	  .decode = task_decode_time,
	  .schema = task_time_schema,
	  .help = "It is not started earlier." },
	{ .name = "deadline",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, deadline_us),
	  .decode = task_decode_time,
	  .schema = task_time_schema,
	  .help = "Sessions that have not started by then fail, those that run are stopped." },
	{ .name = "workers",
	  .kind = JSON_OBJECT,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, workers),
	  .table = &task_workers_table },
	{ .name = "concurrencyKey",
	  .alias = "concurrency_key",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(task_spec, concurrency_key),
	  .min = 1,
	  .max = TASK_KEY_MAX,
	  .help = "Of the tenant's sessions with the same key one runs at a time, unless the "
	          "operator allows more." },
};

const struct json_table task_table = { "Task", sizeof(struct task_spec), task_fields,
	                               ARRAY_LEN(task_fields) };

/* ---- what the table cannot say ---- */

struct report {
	struct arena *arena;
	struct json_problems *problems;
};

static bool is_reported(const struct report *r, const char *field)
{
	for (size_t i = 0; i < r->problems->count; i++) {
		if (strcmp(r->problems->items[i].field, field) == 0) {
			return true;
		}
	}
	return false;
}

static void check_text(const struct report *r, const char *field, struct str text,
                       const char *(*check)(struct str text))
{
	const char *rule = text.n > 0 ? check(text) : NULL;

	if (rule != NULL) {
		json_problem_add(r->problems, r->arena, field, "%s", rule);
	}
}

static void refuse_value(const struct report *r, const char *field, const char *value)
{
	json_problem_add(r->problems, r->arena, field, "\"%s\" is not supported yet", value);
}

static void check_runtime(const struct report *r, const struct task_runtime *runtime)
{
	const struct str *hosts = runtime->egress.items;

	if (runtime->type == TASK_RUNTIME_DISABLED &&
	    runtime->sandbox > (unsigned)TASK_SANDBOX_NONE) {
		json_problem_add(r->problems, r->arena, "runtime.sandbox",
		                 "must not be asked for with type disabled");
	}
	for (size_t i = 0; i < runtime->egress.count; i++) {
		const char *rule = task_check_egress(hosts[i]);

		if (rule != NULL) {
			json_problem_add(r->problems, r->arena,
			                 arena_printf(r->arena, "runtime.egress[%zu]", i), "%s",
			                 rule);
		}
	}
}

static void check_repo(const struct report *r, const struct task_repo *repo)
{
	bool is_git = repo->mode == TASK_REPO_GIT;

	if (!repo->has_mode || is_reported(r, "repo.mode")) {
		return; /* nothing follows from a mode that is not there */
	}
	if (repo->mode == TASK_REPO_UPLOAD) {
		refuse_value(r, "repo.mode", repo_modes[repo->mode]);
		return;
	}
	if (is_git && repo->url.n == 0) {
		json_problem_add(r->problems, r->arena, "repo.url", "is required when mode is git");
	}
	if (!is_git && (repo->url.n > 0 || repo->branch.n > 0 || repo->commit.n > 0)) {
		json_problem_add(r->problems, r->arena, "repo",
		                 "must have no url, branch or commit when mode is none");
		return;
	}
	check_text(r, "repo.url", repo->url, task_check_url);
	check_text(r, "repo.branch", repo->branch, task_check_ref);
	check_text(r, "repo.commit", repo->commit, task_check_commit);
}

static void check_delivery(const struct report *r, const struct task_spec *spec)
{
	const struct task_delivery *delivery = &spec->delivery;

	if (!spec->has_delivery || is_reported(r, "delivery.mode")) {
		return;
	}
	if (delivery->mode == TASK_DELIVERY_PR) {
		refuse_value(r, "delivery.mode", delivery_modes[delivery->mode]);
	} else if (delivery->mode != TASK_DELIVERY_BRANCH && delivery->target_branch.n > 0) {
		json_problem_add(r->problems, r->arena, "delivery.targetBranch",
		                 "is possible only when mode is branch");
	} else if (delivery->mode == TASK_DELIVERY_BRANCH && spec->repo.has_mode &&
	           spec->repo.mode == TASK_REPO_NONE) {
		json_problem_add(r->problems, r->arena, "delivery.mode",
		                 "must not be branch when repo.mode is none");
	}
	check_text(r, "delivery.targetBranch", delivery->target_branch, task_check_ref);
}

static void check_agents(const struct report *r, const struct task_spec *spec)
{
	if (spec->has_agents && spec->has_agent) {
		json_problem_add(r->problems, r->arena, "agent",
		                 "is possible only when agents is absent");
	} else if (!spec->has_agents && !spec->has_agent) {
		json_problem_add(r->problems, r->arena, "agents", "is required");
	} else if (task_session_count(spec) > TASK_SESSIONS_MAX) {
		json_problem_add(r->problems, r->arena, spec->has_agents ? "agents" : "agent",
		                 "must make at most %d sessions in all", TASK_SESSIONS_MAX);
	}
}

/* Escapes can make JSON six times as long as its text; a worker's mailbox has a bound. */
static void check_run_size(const struct report *r, const struct task_spec *spec)
{
	const struct task_agent *agents = spec->agents.items;
	struct task_run_parts parts = {
		.session = STR_LIT("00000000000000000000000000"),
		.tenant =
			STR_LIT("0000000000000000000000000000000000000000000000000000000000000000"),
		.task = STR_LIT("00000000000000000000000000"),
		.prompt = task_prompt_json(spec, r->arena),
		.repo = task_repo_json(spec, r->arena),
		.runtime = task_runtime_json(spec, r->arena),
		.delivery = task_delivery_json(spec, r->arena),
		.attempt = TASK_ATTEMPTS_MAX,
		.max_attempts = TASK_ATTEMPTS_MAX,
	};
	struct buf out;

	for (size_t i = 0; i < spec->agents.count; i++) {
		parts.agent = task_agent_json(&agents[i], r->arena);
		buf_init(&out, TASK_RUN_MAX);
		task_run_encode(&parts, &out);
		if (buf_failed(&out)) {
			json_problem_add(r->problems, r->arena, "",
			                 "prompt, repo and agent must together be at most %d bytes "
			                 "of JSON",
			                 TASK_RUN_MAX);
			i = spec->agents.count;
		}
		buf_fini(&out);
	}
}

/* As keys have them (auth.h): trimmed and in lower case. */
static struct str plain_namespace(struct str given, struct arena *arena)
{
	struct str name = str_trim(given);
	char *made = arena_strdup(arena, name);

	for (size_t i = 0; i < name.n; i++) {
		made[i] = (char)(made[i] >= 'A' && made[i] <= 'Z' ? made[i] - 'A' + 'a' : made[i]);
	}
	return str_make(made, name.n);
}

enum err_code task_decode(struct str body, struct task_spec *ret, struct arena *arena,
                          struct json_problems *problems)
{
	struct report r = { arena, problems };
	enum err_code code = json_decode(body, &task_table, ret, arena, problems);

	if (code != ERR_OK && problems->count > 0 && problems->items[0].field[0] == '\0') {
		return code; /* not an object at all: further rules would be noise */
	}
	if (!ret->has_priority) {
		ret->priority = TASK_PRIORITY_DEFAULT;
	}
	if (ret->max_attempts == 0) {
		ret->max_attempts = 1;
	}
	if (ret->namespace.n > 0) {
		ret->namespace = plain_namespace(ret->namespace, arena);
		check_text(&r, "namespace", ret->namespace, task_check_namespace);
	}
	check_repo(&r, &ret->repo);
	check_runtime(&r, &ret->runtime);
	if (ret->runtime.type == TASK_RUNTIME_DEVCONTAINER) {
		refuse_value(&r, "runtime.type", runtime_types[ret->runtime.type]);
	}
	check_agents(&r, ret);
	check_delivery(&r, ret);
	task_check_workers(&ret->workers, arena, problems);
	if (ret->deadline_us != 0 && ret->not_before_us >= ret->deadline_us) {
		json_problem_add(problems, arena, "deadline", "must be after notBefore");
	}
	if (problems->count == 0) {
		check_run_size(&r, ret);
	}
	return problems->count == 0 ? ERR_OK : ERR_INVALID;
}

/* ---- writing ---- */

static struct str kept(struct buf *out, struct arena *arena)
{
	struct str text = arena_str(arena, buf_str(out));

	buf_fini(out);
	return text;
}

static void begin(struct jsonw *w, struct buf *out)
{
	buf_init(out, PART_MAX);
	jsonw_init(w, out);
}

static void write_given(struct jsonw *w, const char *name, struct str value)
{
	if (value.n > 0) {
		jsonw_str(w, name, value);
	}
}

static void write_pairs(struct jsonw *w, const char *name, const struct json_list *list)
{
	const struct json_pair *pairs = list->items;

	jsonw_object(w, name);
	for (size_t i = 0; i < list->count; i++) {
		jsonw_member(w, pairs[i].name, pairs[i].value);
	}
	jsonw_end_object(w);
}

struct str task_prompt_json(const struct task_spec *spec, struct arena *arena)
{
	const struct str *texts = spec->prompt.texts.items;
	struct jsonw w;
	struct buf out;

	if (spec->prompt.blocks.p != NULL) {
		return spec->prompt.blocks;
	}
	begin(&w, &out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < spec->prompt.texts.count; i++) {
		jsonw_object(&w, NULL);
		jsonw_cstr(&w, "type", "text");
		jsonw_str(&w, "text", texts[i]);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	return kept(&out, arena);
}

struct str task_repo_json(const struct task_spec *spec, struct arena *arena)
{
	struct jsonw w;
	struct buf out;

	begin(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "mode", repo_modes[spec->repo.mode]);
	write_given(&w, "url", spec->repo.url);
	write_given(&w, "branch", spec->repo.branch);
	write_given(&w, "commit", spec->repo.commit);
	jsonw_end_object(&w);
	return kept(&out, arena);
}

struct str task_runtime_json(const struct task_spec *spec, struct arena *arena)
{
	struct jsonw w;
	struct buf out;

	begin(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", runtime_types[spec->runtime.type]);
	if (spec->runtime.sandbox != TASK_SANDBOX_DEFAULT) {
		jsonw_cstr(&w, "sandbox", sandboxes[spec->runtime.sandbox]);
	}
	if (spec->runtime.egress.count > 0) {
		const struct str *hosts = spec->runtime.egress.items;

		jsonw_array(&w, "egress");
		for (size_t i = 0; i < spec->runtime.egress.count; i++) {
			jsonw_str(&w, NULL, hosts[i]);
		}
		jsonw_end_array(&w);
	}
	task_resources_write(&w, &spec->runtime.resources);
	jsonw_end_object(&w);
	return kept(&out, arena);
}

struct str task_delivery_json(const struct task_spec *spec, struct arena *arena)
{
	struct jsonw w;
	struct buf out;

	if (!spec->has_delivery) {
		return (struct str){ NULL, 0 };
	}
	begin(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "mode", delivery_modes[spec->delivery.mode]);
	write_given(&w, "targetBranch", spec->delivery.target_branch);
	jsonw_end_object(&w);
	return kept(&out, arena);
}

struct str task_webhooks_json(const struct task_spec *spec, struct arena *arena)
{
	const struct task_webhook *items = spec->webhooks.items;
	struct jsonw w;
	struct buf out;

	begin(&w, &out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < spec->webhooks.count; i++) {
		jsonw_object(&w, NULL);
		jsonw_str(&w, "event", items[i].event);
		jsonw_str(&w, "url", items[i].url);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	return kept(&out, arena);
}

struct str task_labels_json(const struct task_spec *spec, struct arena *arena)
{
	struct jsonw w;
	struct buf out;

	begin(&w, &out);
	write_pairs(&w, NULL, &spec->labels);
	return kept(&out, arena);
}

static void write_secrets(struct jsonw *w, const struct json_list *secrets)
{
	const struct task_secret *items = secrets->items;

	jsonw_array(w, "secrets");
	for (size_t i = 0; i < secrets->count; i++) {
		jsonw_object(w, NULL);
		jsonw_str(w, "name", items[i].name);
		write_given(w, "as", items[i].as);
		write_given(w, "file", items[i].file);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

static void write_limits(struct jsonw *w, const struct task_command *command)
{
	const struct {
		const char *name;
		uint64_t seconds;
	} times[] = { { "life_s", command->life_s },
		      { "idle_timeout_s", command->idle_s },
		      { "progress_timeout_s", command->progress_s } };

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		if (times[i].seconds > 0) {
			jsonw_u64(w, times[i].name, times[i].seconds);
		}
	}
	if (command->budget.soft == 0 && command->budget.hard == 0) {
		return;
	}
	jsonw_object(w, "budget");
	if (command->budget.soft > 0) {
		cost_write_usd(w, "softUsd", command->budget.soft);
	}
	if (command->budget.hard > 0) {
		cost_write_usd(w, "hardUsd", command->budget.hard);
	}
	jsonw_end_object(w);
}

static void write_command(struct jsonw *w, const char *name, const struct task_command *command)
{
	const struct str *argv = command->argv.items;

	jsonw_object(w, name);
	if (command->argv.count > 0) {
		jsonw_array(w, "argv");
		for (size_t i = 0; i < command->argv.count; i++) {
			jsonw_str(w, NULL, argv[i]);
		}
		jsonw_end_array(w);
	}
	if (command->env.count > 0) {
		write_pairs(w, "env", &command->env);
	}
	if (command->timeout_s > 0) {
		jsonw_u64(w, "timeout_s", command->timeout_s);
	}
	write_limits(w, command);
	if (command->pty.wanted) {
		jsonw_object(w, "pty");
		jsonw_u64(w, "cols", command->pty.cols);
		jsonw_u64(w, "rows", command->pty.rows);
		jsonw_end_object(w);
	}
	write_given(w, "model", command->model);
	write_given(w, "mode", command->mode);
	if (command->interactive) {
		jsonw_bool(w, "interactive", true);
	}
	if (command->config.n > 0) {
		jsonw_raw(w, "config", command->config);
	}
	if (command->secrets.count > 0) {
		write_secrets(w, &command->secrets);
	}
	jsonw_end_object(w);
}

struct str task_settings_json(const struct task_command *command, struct arena *arena)
{
	struct jsonw w;
	struct buf out;

	begin(&w, &out);
	write_command(&w, NULL, command);
	return kept(&out, arena);
}

static void write_agent(struct jsonw *w, const struct task_agent *agent, uint64_t count)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", task_agent_types[agent->type]);
	jsonw_str(w, "version", agent->version);
	jsonw_u64(w, "count", count);
	write_command(w, "settings", &agent->command);
	jsonw_end_object(w);
}

struct str task_agent_json(const struct task_agent *agent, struct arena *arena)
{
	struct jsonw w;
	struct buf out;

	begin(&w, &out);
	write_agent(&w, agent, 1);
	return kept(&out, arena);
}

struct str task_agents_json(const struct task_spec *spec, struct arena *arena)
{
	const struct task_agent *agents = spec->agents.items;
	struct jsonw w;
	struct buf out;

	begin(&w, &out);
	jsonw_array(&w, NULL);
	for (size_t i = 0; i < spec->agents.count; i++) {
		write_agent(&w, &agents[i], agents[i].count);
	}
	jsonw_end_array(&w);
	return kept(&out, arena);
}

struct str task_prompt_text(struct str prompt_json, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup)
	struct json_value *blocks = json_parse(prompt_json, &err);
	struct buf out;

	buf_init(&out, PART_MAX);
	for (size_t i = 0; i < json_count(blocks); i++) {
		struct str text = json_as_str(json_get(json_at(blocks, i), "text"));

		if (out.len > 0 && text.n > 0) {
			buf_add_char(&out, '\n');
		}
		buf_add_str(&out, text);
	}
	return kept(&out, arena);
}

/* ---- the order for one session ---- */

#define RUN(member) .offset = offsetof(struct task_run, member), .present = JSON_NO_PRESENT

static const struct json_field run_fields[] = {
	{ .name = "session", .kind = JSON_STR, .flags = JSON_REQUIRED, RUN(session), .min = 1 },
	{ .name = "tenant", .kind = JSON_STR, .flags = JSON_REQUIRED, RUN(tenant), .min = 1 },
	{ .name = "task", .kind = JSON_STR, .flags = JSON_REQUIRED, RUN(task), .min = 1 },
	{ .name = "prompt",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_REQUIRED,
	  RUN(spec.prompt),
	  .decode = task_decode_prompt },
	{ .name = "repo",
	  .kind = JSON_OBJECT,
	  .flags = JSON_REQUIRED,
	  RUN(spec.repo),
	  .table = &repo_table },
	{ .name = "runtime",
	  .kind = JSON_OBJECT,
	  .flags = JSON_REQUIRED,
	  RUN(spec.runtime),
	  .table = &runtime_table },
	{ .name = "agent",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_REQUIRED,
	  RUN(spec.agents),
	  .decode = task_decode_agent },
	{ .name = "delivery",
	  .kind = JSON_OBJECT,
	  .offset = offsetof(struct task_run, spec.delivery),
	  .present = offsetof(struct task_run, spec.has_delivery),
	  .table = &delivery_table },
	{ .name = "traceparent", .kind = JSON_STR, RUN(traceparent), .max = TRACEPARENT_LEN },
	{ .name = "attempt", .kind = JSON_U64, RUN(attempt), .min = 1 },
	{ .name = "maxAttempts", .kind = JSON_U64, RUN(spec.max_attempts), .min = 1 },
	{ .name = "approvals", .kind = JSON_RAW, RUN(approvals) },
	{ .name = "secrets", .kind = JSON_STR, RUN(secrets) },
	{ .name = "begunUs", .kind = JSON_I64, RUN(begun_us), .max = INT64_MAX },
	{ .name = "spent", .kind = JSON_U64, RUN(spent), .max = INT64_MAX },
};

static const struct json_table run_table = { "Run", sizeof(struct task_run), run_fields,
	                                     ARRAY_LEN(run_fields) };

void task_run_encode(const struct task_run_parts *parts, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "session", parts->session);
	jsonw_str(&w, "tenant", parts->tenant);
	jsonw_str(&w, "task", parts->task);
	jsonw_raw(&w, "prompt", parts->prompt);
	jsonw_raw(&w, "repo", parts->repo);
	jsonw_raw(&w, "runtime", parts->runtime);
	jsonw_raw(&w, "agent", parts->agent);
	if (parts->delivery.n > 0) {
		jsonw_raw(&w, "delivery", parts->delivery);
	}
	if (parts->attempt > 0) {
		jsonw_u64(&w, "attempt", parts->attempt);
		jsonw_u64(&w, "maxAttempts", parts->max_attempts);
	}
	if (parts->begun_us > 0) {
		jsonw_i64(&w, "begunUs", parts->begun_us);
	}
	if (parts->spent > 0) {
		jsonw_u64(&w, "spent", parts->spent);
	}
	if (parts->approvals.n > 0) {
		jsonw_raw(&w, "approvals", parts->approvals);
	}
	if (parts->secrets.n > 0) {
		jsonw_str(&w, "secrets", parts->secrets);
	}
	if (parts->traceparent.n > 0) {
		jsonw_str(&w, "traceparent", parts->traceparent);
	}
	jsonw_end_object(&w);
}

enum err_code task_run_decode(struct str json, struct task_run *ret, struct arena *arena,
                              struct err *err)
{
	struct json_problems problems;

	if (json_decode(json, &run_table, ret, arena, &problems) != ERR_OK) {
		return err_set(err, ERR_INVALID, "run: %s %s", problems.items[0].field,
		               problems.items[0].rule);
	}
	ret->attempt = ret->attempt > 0 ? ret->attempt : 1;
	ret->spec.max_attempts = ret->spec.max_attempts > 0 ? ret->spec.max_attempts : 1;
	return ERR_OK;
}
