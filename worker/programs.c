#include "worker/programs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "task/task.h"
#include "worker/adapters/adapter.h"

enum { PATH_SIZE = 1024 };

void programs_set(const struct conf *conf, const char *ret[PROGRAMS_MAX])
{
	const struct {
		const char *type, *program;
	} rows[] = { { "claude-code", conf->worker_agent_claude_code },
		     { "codex", conf->worker_agent_codex },
		     { "gemini", conf->worker_agent_gemini },
		     { "opencode", conf->worker_agent_opencode } };

	for (unsigned type = 0; type < PROGRAMS_MAX; type++) {
		ret[type] = "";
		for (size_t i = 0; i < ARRAY_LEN(rows) && task_agent_supported(type); i++) {
			if (strcmp(task_agent_types[type], rows[i].type) == 0) {
				ret[type] = rows[i].program;
			}
		}
	}
}

static bool is_in_path(const char *program, const char *path)
{
	struct str rest = str_of(path);
	char file[PATH_SIZE];

	while (rest.n > 0) {
		struct str dir = str_split(&rest, ':');
		int n = snprintf(file, sizeof(file), "%" STR_FMT "/%s", STR_ARG(dir), program);

		if (dir.n > 0 && n > 0 && (size_t)n < sizeof(file) && access(file, X_OK) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_there(const struct adapter_ops *ops, const char *set, const char *path)
{
	if (set[0] != '\0') {
		return strchr(set, '/') != NULL ? access(set, X_OK) == 0 : is_in_path(set, path);
	}
	return ops->program == NULL || is_in_path(ops->program, path);
}

void programs_words(const char *const programs[PROGRAMS_MAX], const char *path, char *out,
                    size_t size)
{
	size_t len = (size_t)snprintf(out, size, "agent=%s", task_agent_types[TASK_AGENT_COMMAND]);

	for (unsigned type = TASK_AGENT_COMMAND + 1; task_agent_supported(type); type++) {
		const struct adapter_ops *ops = adapter_find(str_of(task_agent_types[type]));

		if (ops != NULL && is_there(ops, programs[type], path) && len < size) {
			len += (size_t)snprintf(out + len, size - len, ",agent=%s", ops->type);
		}
	}
}
