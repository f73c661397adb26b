#include "worker/git.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LINE_MAX_BYTES = 8192, VARIABLE_MAX = 4096, VARIABLES_MAX = 32 };

/* ---- what people may ask for ---- */

bool git_url_is_local(struct str url)
{
	return str_starts(url, STR_LIT("file:///")) || str_starts(url, STR_LIT("/"));
}

static bool has_control(struct str s)
{
	bool path = git_url_is_local(s); /* which may contain spaces */

	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 0x20 || (s.p[i] == ' ' && !path) || s.p[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

static const char *const schemes[] = { "https://", "http://", "ssh://", "git://" };

/* "user@host:path": git takes everything before the first colon, if no slash comes before it, for a
 * host. */
static bool is_scp_like(struct str url)
{
	struct str path = url, host = str_split(&path, ':'), user = { NULL, 0 };

	if (memchr(host.p, '@', host.n) != NULL) {
		user = str_split(&host, '@');
		if (user.n == 0 || user.p[0] == '-') {
			return false;
		}
	}
	return host.n > 0 && host.p[0] != '-' && memchr(host.p, '/', host.n) == NULL &&
	       path.n > 0 && path.p[0] != ':' && path.p[0] != '-';
}

static bool has_password(struct str authority)
{
	const char *at = memrchr(authority.p, '@', authority.n);

	return at != NULL && memchr(authority.p, ':', (size_t)(at - authority.p)) != NULL;
}

static bool host_begins_with_dash(struct str authority)
{
	const char *at = memrchr(authority.p, '@', authority.n);
	const char *host = at != NULL ? at + 1 : authority.p;

	return host == authority.p + authority.n || host[0] == '-' || authority.p[0] == '-';
}

static enum err_code check_remote(struct str rest, struct err *err)
{
	struct str authority = str_split(&rest, '/');

	if (authority.n == 0 || host_begins_with_dash(authority)) {
		return err_set(err, ERR_INVALID, "the repository URL names no host");
	}
	if (has_password(authority)) {
		return err_set(err, ERR_INVALID, "the repository URL must not contain a password");
	}
	return ERR_OK;
}

enum err_code git_check_url(struct str url, bool allow_local, struct err *err)
{
	if (url.n == 0 || url.n > GIT_URL_MAX || has_control(url) || url.p[0] == '-') {
		return err_set(err, ERR_INVALID, "the repository URL is not valid");
	}
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		struct str scheme = str_of(schemes[i]);

		if (str_starts(url, scheme)) {
			return check_remote(str_make(url.p + scheme.n, url.n - scheme.n), err);
		}
	}
	if (git_url_is_local(url)) {
		return allow_local
		               ? ERR_OK
		               : err_set(err, ERR_INVALID,
		                         "repositories on the worker's own disk are not allowed");
	}
	if (memmem(url.p, url.n, "://", 3) == NULL && is_scp_like(url)) {
		return ERR_OK;
	}
	return err_set(
		err, ERR_INVALID,
		"the repository URL must be https://, http://, ssh://, git:// or user@host:path");
}

bool git_is_branch(struct str name)
{
	static const char refused[] = " ~^:?*[\\\177";
	char before = '/';

	if (name.n == 0 || name.n > GIT_BRANCH_MAX || name.p[0] == '-' ||
	    str_eq(name, STR_LIT("HEAD")) || str_eq(name, STR_LIT("@"))) {
		return false;
	}
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if ((unsigned char)c < 0x20 || strchr(refused, c) != NULL ||
		    (before == '/' && (c == '/' || c == '.')) || (before == '.' && c == '.') ||
		    (before == '@' && c == '{')) {
			return false;
		}
		before = c;
		if (i + 1 == name.n || name.p[i + 1] == '/') {
			if (str_ends(str_make(name.p, i + 1), STR_LIT(".lock"))) {
				return false;
			}
		}
	}
	return before != '/' && before != '.' && str_is_utf8(name);
}

bool git_is_commit(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (!isxdigit((unsigned char)name.p[i]) || isupper((unsigned char)name.p[i])) {
			return false;
		}
	}
	return name.n >= 7 && name.n <= GIT_OID_MAX;
}

/* ---- how it is called ---- */

static const char config_common[] =
	"[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tpager = cat\n\tsymlinks = true\n"
	"\tprotectNTFS = true\n"
	"[user]\n\tname = Fairlead\n\temail = agent@fairlead.invalid\n"
	"[credential]\n\thelper =\n"
	"[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
	"[fetch]\n\trecurseSubmodules = false\n[submodule]\n\trecurse = false\n"
	"[diff]\n\tignoreSubmodules = dirty\n\trenames = false\n"
	"[advice]\n\tdetachedHead = false\n\taddEmbeddedRepo = false\n"
	"[init]\n\tdefaultBranch = main\n"
	/* Our children read the mirror, which is the worker's, as another user; and the worker
         * reads repositories of this host's users where that is allowed. Neither runs anything from
         * them. */
	"[safe]\n\tdirectory = *\n"
	"[protocol]\n\tallow = never\n"
	"[protocol \"https\"]\n\tallow = always\n"
	"[protocol \"ssh\"]\n\tallow = always\n"
	"[protocol \"git\"]\n\tallow = always\n";

static const char config_local[] = "[protocol \"file\"]\n\tallow = always\n";

const char *git_config_text(bool allow_local)
{
	static char both[sizeof(config_common) + sizeof(config_local)];

	if (!allow_local) {
		return config_common;
	}
	(void)snprintf(both, sizeof(both), "%s%s", config_common, config_local);
	return both;
}

struct variables {
	char text[VARIABLES_MAX][VARIABLE_MAX];
	const char *list[VARIABLES_MAX + 1];
	size_t count;
};

static void set(struct variables *v, const char *name, const char *value)
{
	if (value != NULL && v->count < VARIABLES_MAX) {
		char *text = v->text[v->count];

		(void)snprintf(text, VARIABLE_MAX, "%s=%s", name, value);
		v->list[v->count++] = text;
	}
}

static void set_environment(struct variables *v, const struct git *git)
{
	static const char *const passed[] = { "PATH",        "https_proxy", "HTTPS_PROXY",
		                              "no_proxy",    "NO_PROXY",    "SSL_CERT_FILE",
		                              "SSL_CERT_DIR" };

	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		set(v, passed[i], getenv(passed[i]));
	}
	set(v, "LC_ALL", "C");
	set(v, "HOME", "/nonexistent");
	set(v, "GIT_CONFIG_NOSYSTEM", "1");
	set(v, "GIT_ATTR_NOSYSTEM", "1");
	set(v, "GIT_CONFIG_GLOBAL", git->config);
	set(v, "GIT_TERMINAL_PROMPT", "0");
	set(v, "GIT_ASKPASS", "/bin/false");
	set(v, "SSH_ASKPASS_REQUIRE", "never");
	set(v, "GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20");
	set(v, "GIT_LITERAL_PATHSPECS", "1");
	set(v, "GIT_DIR", git->dir);
	set(v, "GIT_WORK_TREE", git->work_tree);
	set(v, "GIT_INDEX_FILE", git->index);
	set(v, "GIT_OBJECT_DIRECTORY", git->objects);
	set(v, "GIT_ALTERNATE_OBJECT_DIRECTORIES", git->alternates);
}

enum err_code git_run(const struct git *git, const struct git_call *call,
                      struct process_result *ret, struct err *err)
{
	struct variables *v = mem_calloc(1, sizeof(*v)); /* 128 KiB: not on a fiber's stack */
	const char *argv[GIT_ARGS_MAX + 2] = { git->program };
	struct process_run run = process_run_init(argv, v->list);
	enum err_code code;

	for (size_t i = 0; i < GIT_ARGS_MAX && call->args[i] != NULL; i++) {
		argv[i + 1] = call->args[i];
	}
	set_environment(v, git);
	run.spec.cwd = git->cwd;
	run.spec.user = git->user;
	run.spec.file_max_bytes = git->file_max_bytes;
	run.input = call->input;
	run.input_fd = call->input_fd;
	run.output_fd = call->output_fd;
	run.out_max = call->out_max;
	run.sink = call->sink;
	run.sink_arg = call->sink_arg;
	run.timeout_ms = git->timeout_ms;
	code = process_run(&run, ret, err);
	free(v);
	return code;
}

static struct git_call call_of(const char *const *args, size_t out_max)
{
	struct git_call call = { .input_fd = -1, .output_fd = -1, .out_max = out_max };

	for (size_t i = 0; i + 1 < GIT_ARGS_MAX && args[i] != NULL; i++) {
		call.args[i] = args[i];
	}
	return call;
}

enum err_code git_do(const struct git *git, const char *const *args, struct err *err)
{
	struct git_call call = call_of(args, LINE_MAX_BYTES);
	struct process_result result;
	enum err_code code = git_run(git, &call, &result, err);

	process_result_fini(&result);
	return code;
}

enum err_code git_line(const struct git *git, const char *const *args, char *out, size_t size,
                       struct err *err)
{
	struct git_call call = call_of(args, LINE_MAX_BYTES);
	struct process_result result;
	enum err_code code = git_run(git, &call, &result, err);
	struct str rest = buf_str(&result.out);

	if (code == ERR_OK && !str_copy(out, size, str_split(&rest, '\n'))) {
		code = err_set(err, ERR_BACKEND, "git %s: the answer is too long", args[0]);
	}
	process_result_fini(&result);
	return code;
}
