/* What this installation can do: agents, runtimes, and the workers that are alive. */
#include <stdlib.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/items.h"
#include "base/mem.h"
#include "json/write.h"
#include "queue/lease.h"
#include "task/task_json.h"

enum { WORKERS_MAX = 256 };

static const char suffix[] = ".json";

static void write_type(struct jsonw *w, const char *type)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "type", type);
}

void serve_agent_list(struct http_request *req, struct http_reply *reply)
{
	struct jsonw w;

	items_begin(reply, &w);
	for (unsigned i = 0; task_agent_supported(i); i++) {
		write_type(&w, task_agent_types[i]);
		jsonw_array(&w, "versions");
		jsonw_cstr(&w, NULL, "latest");
		jsonw_end_array(&w);
		jsonw_cstr(&w, "settingsSchemaRef",
		           arena_printf(req->arena, "/api/v1/schemas/agents/%s%s",
		                        task_agent_types[i], suffix));
		jsonw_end_object(&w);
	}
	items_end(&w, STR_LIT(""));
}

void serve_agent_schema(struct http_request *req, struct http_reply *reply)
{
	struct str file = req->params[0];
	unsigned type = 0;

	while (task_agent_types[type] != NULL &&
	       !str_eq(file,
	               str_of(arena_printf(req->arena, "%s%s", task_agent_types[type], suffix)))) {
		type++;
	}
	if (!task_agent_supported(type)) {
		answer_code(req, reply, ERR_NOT_FOUND, "no such type of agent");
		return;
	}
	reply->content_type = "application/schema+json";
	json_schema(task_settings_table(type), &reply->body);
}

void serve_runtime_list(struct http_request *req, struct http_reply *reply)
{
	struct jsonw w;

	(void)req;
	items_begin(reply, &w);
	write_type(&w, "local");
	jsonw_end_object(&w);
	write_type(&w, "disabled");
	jsonw_end_object(&w);
	items_end(&w, STR_LIT(""));
}

/* The value of "key=value" in a worker's words, or `otherwise`. */
static struct str word_of(const char *words, const char *key, const char *otherwise)
{
	struct str rest = str_of(words);

	while (rest.p != NULL) {
		struct str value = str_split(&rest, ','), name = str_split(&value, '=');

		if (value.p != NULL && str_eq(name, str_of(key))) {
			return value;
		}
	}
	return str_of(otherwise);
}

static void write_words(struct jsonw *w, const char *words)
{
	struct str rest = str_of(words);

	jsonw_array(w, "labels");
	while (rest.n > 0) {
		jsonw_str(w, NULL, str_split(&rest, ','));
	}
	jsonw_end_array(w);
}

static void write_worker(struct jsonw *w, const struct lease_worker *worker)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", worker->worker);
	jsonw_cstr(w, "name", worker->name);
	jsonw_str(w, "os", word_of(worker->has, "os", "linux"));
	jsonw_str(w, "arch", word_of(worker->has, "arch", "unknown"));
	jsonw_array(w, "snapshotCapabilities");
	jsonw_end_array(w);
	jsonw_cstr(w, "health", worker->draining ? "draining" : "online");
	jsonw_cstr(w, "status", worker->draining ? "draining" : "online");
	jsonw_u64(w, "slots", worker->slots);
	jsonw_cstr(w, "version", worker->version);
	jsonw_time(w, "since", worker->since_ms * 1000);
	jsonw_cstr(w, "controller", "server");
	write_words(w, worker->has);
	jsonw_end_object(w);
}

void serve_executor_list(struct http_request *req, struct http_reply *reply)
{
	struct lease_worker *workers = mem_calloc(WORKERS_MAX, sizeof(*workers));
	size_t count = 0;
	struct err err;
	struct jsonw w;

	if (lease_list(node_of(req)->redis, workers, WORKERS_MAX, &count, &err) != ERR_OK) {
		answer_error(req, reply, &err);
		free(workers);
		return;
	}
	items_begin(reply, &w);
	for (unsigned i = 0; i < count; i++) {
		write_worker(&w, &workers[i]);
	}
	items_end(&w, STR_LIT(""));
	free(workers);
}
