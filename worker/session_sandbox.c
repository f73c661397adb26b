/* The sandbox of a session's agent: which one it gets, what makes it, and the way out of it. */
#include "worker/session_sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/log.h"
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

/* ---- the way out ---- */

enum { ACCEPT_AGAIN_MS = 1000 };

struct way_out {
	struct session_run *run;
	struct egress egress;
	int fd;
	const char *path;
};

static void on_ended(void *arg, const struct egress_ended *ended)
{
	const struct way_out *way = arg;
	struct buf text;

	event_text_init(&text);
	event_text_egress(&text, ended);
	(void)session_say(way->run, EVENT_TYPE_LOG, &text);
	buf_fini(&text);
}

static void accept_main(void *arg)
{
	struct way_out *way = arg;

	fiber_set_tag("session=%s", way->run->sid.s);
	while (fiber_wait_fd(way->fd, FIBER_READ, FIBER_NO_TIMEOUT) == ERR_OK) {
		int fd = accept4(way->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && session_socket_may(way->run, fd)) {
			egress_take(&way->egress, fd);
		} else if (fd >= 0) {
			(void)close(fd);
		} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			log_warn("egress.socket", "%s", strerror(errno));
			(void)fiber_sleep(ACCEPT_AGAIN_MS); /* no descriptors, say */
		}
	}
	(void)close(way->fd);
	(void)unlink(way->path);
}

/* *ret: its socket. It ends with the other talks of the agent. */
static enum err_code open_way_out(struct session_run *s, const char **ret, struct err *err)
{
	const struct task_runtime *runtime = &s->order.spec.runtime;
	struct way_out *way = arena_take(s->arena, sizeof(*way));
	enum err_code code;

	*way = (struct way_out){
		.run = s,
		.path = arena_printf(s->arena, "%s/%s.net", s->host->home_dir, s->sid.s),
		.egress = { .loop = s->host->loop,
		            .fibers = &s->talks,
		            .rules = s->host->egress_rules,
		            .tenant = str_of(s->tenant),
		            .wishes = runtime->egress.items,
		            .wish_count = runtime->egress.count,
		            .arg = way,
		            .ended = on_ended },
	};
	egress_init(&way->egress);
	code = session_socket_open(s, "net", &way->fd, err);
	if (code == ERR_OK) {
		(void)fiber_start(s->host->loop, &s->talks, "egress", accept_main, way);
		*ret = way->path;
	}
	return code;
}

/* A task that names a proxy of its own would name one that it cannot reach. */
static const char *const *with_proxy(const struct session_run *s, const char *const *env)
{
	static const char *const names[] = { "HTTP_PROXY", "HTTPS_PROXY", "http_proxy",
		                             "https_proxy" };
	size_t n = 0, max = ARRAY_LEN(names) + 4;
	const char **all;

	while (env[n] != NULL) {
		n++;
	}
	all = arena_take(s->arena, (n + max) * sizeof(*all));
	n = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		all[n++] = arena_printf(s->arena, "%s=http://127.0.0.1:%d", names[i],
		                        SANDBOX_PROXY_PORT);
	}
	all[n++] = "NO_PROXY=127.0.0.1,localhost,::1";
	all[n++] = "no_proxy=127.0.0.1,localhost,::1";
	all[n++] = "NODE_USE_ENV_PROXY=1";
	for (; *env != NULL; env++) {
		if (strncasecmp(*env, "HTTP_PROXY=", 11) != 0 &&
		    strncasecmp(*env, "HTTPS_PROXY=", 12) != 0 &&
		    strncasecmp(*env, "NO_PROXY=", 9) != 0 &&
		    strncasecmp(*env, "ALL_PROXY=", 10) != 0) {
			all[n++] = *env;
		}
	}
	return all;
}

/* ---- all of it ---- */

enum err_code session_sandbox_wrap(struct session_run *s, const char *home,
                                   struct runner_options *options, struct err *err)
{
	const struct sandbox_host *host = &s->host->sandbox;
	struct sandbox_place place = { .profile = session_sandbox_profile(s),
		                       .workspace = s->workspace.path,
		                       .home = home,
		                       .socket = session_talk_path(s) };
	enum err_code code;

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
	code = open_way_out(s, &place.egress, err);
	if (code != ERR_OK) {
		return code;
	}
	s->sandbox_words = sandbox_words(host, &place, s->arena);
	place.serve = s->sandbox_serve = serve_path(s, home);
	options->argv = join(s, sandbox_words(host, &place, s->arena), options->argv);
	options->env = with_proxy(s, options->env);
	options->wrapped = true;
	return ERR_OK;
}
