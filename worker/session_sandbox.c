/* The sandbox of a session's agent: which one it gets, and the words and variables that make it. */
#include <stdio.h>

#include "base/mem.h"
#include "worker/session_adapter.h"

/* Of enum task_sandbox, and of enum sandbox_profile by what it keeps out. */
static enum sandbox_profile wanted(const struct session_run *s)
{
	const struct task_runtime *runtime = &s->order.spec.runtime;

	switch ((enum task_sandbox)runtime->sandbox) {
	case TASK_SANDBOX_NONE: return SANDBOX_NONE;
	case TASK_SANDBOX_WORKSPACE_WRITE: return SANDBOX_WORKSPACE_WRITE;
	case TASK_SANDBOX_READ_ONLY: return SANDBOX_READ_ONLY;
	case TASK_SANDBOX_DEFAULT: break;
	}
	return runtime->type == TASK_RUNTIME_DISABLED ? SANDBOX_NONE : s->host->sandbox_default;
}

enum sandbox_profile session_sandbox_profile(const struct session_run *s)
{
	enum sandbox_profile profile = wanted(s);

	return profile > s->host->sandbox_min ? profile : s->host->sandbox_min;
}

bool session_sandbox_read_only(const struct session_run *s)
{
	return session_sandbox_profile(s) == SANDBOX_READ_ONLY;
}

static const char *const *join(const struct session_run *s, const char *const *words,
                               const char *const *argv)
{
	size_t n = 0, count = 0;
	const char **both;

	while (words[n] != NULL) {
		n++;
	}
	while (argv[count] != NULL) {
		count++;
	}
	both = arena_take(s->arena, (n + count + 1) * sizeof(*both));
	for (size_t i = 0; i < n; i++) {
		both[i] = words[i];
	}
	for (size_t i = 0; i < count; i++) {
		both[n + i] = argv[i];
	}
	return both;
}

static const char *serve_path(const struct session_run *s, const char *home)
{
	return s->adapter != NULL && s->adapter->ops->transport == ADAPTER_HTTP
	               ? arena_printf(s->arena, "%s/.fairlead.sock", home)
	               : NULL;
}

enum err_code session_sandbox_wrap(struct session_run *s, const char *home,
                                   struct runner_options *options, struct err *err)
{
	const struct sandbox_host *host = &s->host->sandbox;
	struct sandbox_place place = { .profile = session_sandbox_profile(s),
		                       .workspace = s->workspace.path,
		                       .home = home,
		                       .socket = session_talk_path(s) };

	s->sandbox_words = NULL;
	s->sandbox_serve = NULL;
	if (place.profile == SANDBOX_NONE) {
		return ERR_OK;
	}
	if (host->bwrap == NULL) {
		return err_set(err, ERR_UNSUPPORTED, "sandbox %s: not on this worker: %s",
		               sandbox_profile_name(place.profile), s->host->sandbox_why);
	}
	if (s->workspace.mirror[0] != '\0') {
		place.objects = arena_printf(s->arena, "%s/objects", s->workspace.mirror);
	}
	s->sandbox_words = sandbox_words(host, &place, s->arena);
	place.serve = s->sandbox_serve = serve_path(s, home);
	options->argv = join(s, sandbox_words(host, &place, s->arena), options->argv);
	options->wrapped = true;
	return ERR_OK;
}
