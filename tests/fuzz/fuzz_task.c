/* Any bytes as the body of POST /api/v1/tasks: what is accepted fits a worker's mailbox and is
 * understood by the worker. */
#include <stdint.h>
#include <stdlib.h>

#include "task/task_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_order(const struct task_spec *spec, const struct task_agent *agent,
                        struct arena *arena)
{
	struct task_run_parts parts = {
		.session = STR_LIT("s"),
		.tenant = STR_LIT("t"),
		.task = STR_LIT("k"),
		.prompt = task_prompt_json(spec, arena),
		.repo = task_repo_json(spec, arena),
		.runtime = task_runtime_json(spec, arena),
		.agent = task_agent_json(agent, arena),
		.delivery = task_delivery_json(spec, arena),
	};
	struct task_run run;
	struct buf out;
	struct err err;

	buf_init(&out, TASK_RUN_MAX);
	task_run_encode(&parts, &out);
	if (buf_failed(&out) || task_run_decode(buf_str(&out), &run, arena, &err) != ERR_OK) {
		abort();
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct json_problems problems;
	struct task_spec spec;

	if (task_decode(str_make((const char *)data, size), &spec, arena, &problems) == ERR_OK) {
		const struct task_agent *agents = spec.agents.items;

		for (size_t i = 0; i < spec.agents.count; i++) {
			check_order(&spec, &agents[i], arena);
		}
	}
	arena_free(arena);
	return 0;
}
