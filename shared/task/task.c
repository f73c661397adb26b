#include "task/task.h"

static const struct str url_schemes[] = {
	STR_LIT("https://"), STR_LIT("http://"),  STR_LIT("ssh://"),
	STR_LIT("git://"),   STR_LIT("file:///"),
};

/* Those of which a session can run come first. */
const char *const task_agent_types[] = { "command", "acp",    "agent-sdk", "claude-code",
	                                 "codex",   "gemini", "opencode",  "copilot",
	                                 "cursor",  "goose",  "qwen",      NULL };
enum { TYPES_SUPPORTED = 7 };

bool task_agent_supported(unsigned type)
{
	return type < TYPES_SUPPORTED;
}

uint64_t task_session_count(const struct task_spec *spec)
{
	const struct task_agent *agents = spec->agents.items;
	uint64_t count = 0;

	for (size_t i = 0; i < spec->agents.count; i++) {
		count += agents[i].count;
	}
	return count;
}

uint64_t task_backoff_ms(uint64_t failures, uint64_t base_ms, uint64_t max_ms, uint64_t random)
{
	uint64_t most = base_ms < max_ms ? base_ms : max_ms;

	for (uint64_t i = 1; i < failures && most < max_ms; i++) {
		most = most <= max_ms / 2 ? 2 * most : max_ms;
		if (most == 0) {
			break;
		}
	}
	return random % (most + 1);
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

static bool has_space_or_control(struct str s)
{
	return has_control(s) || memchr(s.p, ' ', s.n) != NULL;
}

static bool contains(struct str s, const char *part)
{
	return s.n > 0 && memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static bool is_word(struct str s, const char *also)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c != '\0' && strchr(also, c) != NULL))) {
			return false;
		}
	}
	return s.n > 0;
}

/* host:path, user@host:path: what git takes for ssh when there is no slash before the colon. */
static bool is_scp_style(struct str url)
{
	struct str path = url;
	struct str host = str_split(&path, ':');
	struct str user = host;

	if (memchr(host.p, '@', host.n) != NULL) {
		user = str_split(&host, '@');
	}
	return path.n > 0 && is_word(user, "._-") && is_word(host, ".-") && host.p[0] != '-' &&
	       user.p[0] != '-';
}

/* scheme://user:password@host: it would be kept, and shown to whoever may see the task. */
static bool has_password(struct str rest)
{
	struct str user = str_split(&rest, '/'), password = user;

	if (memrchr(user.p, '@', user.n) == NULL) {
		return false;
	}
	(void)str_split(&password, ':');
	return password.p != NULL && memchr(password.p, '@', password.n) != NULL;
}

const char *task_check_url(struct str url)
{
	if (url.n > 0 && url.p[0] == '/') {
		return has_control(url) ? "must not contain control characters" : NULL;
	}
	/* "::" would choose a remote helper, a program on the worker; a dash would be an option. */
	if (url.n > 0 && url.p[0] != '-' && !contains(url, "::") && !has_space_or_control(url)) {
		for (size_t i = 0; i < ARRAY_LEN(url_schemes); i++) {
			if (str_starts(url, url_schemes[i]) && url.n > url_schemes[i].n &&
			    url.p[url_schemes[i].n] != '-') {
				return has_password(str_make(url.p + url_schemes[i].n,
				                             url.n - url_schemes[i].n))
				               ? "must not contain a password"
				               : NULL;
			}
		}
		if (!contains(url, "://") && is_scp_style(url)) {
			return NULL;
		}
	}
	return "must be an https, http, ssh, git or file URL, user@host:path, or an absolute path";
}

static bool component_ok(struct str part)
{
	return part.n > 0 && part.p[0] != '.' && !str_ends(part, STR_LIT(".lock"));
}

const char *task_check_ref(struct str ref)
{
	bool ok = ref.n > 0 && ref.p[0] != '-' && ref.p[ref.n - 1] != '.' &&
	          ref.p[ref.n - 1] != '/' && !contains(ref, "..") && !contains(ref, "@{") &&
	          !str_eq(ref, STR_LIT("@")) && !str_eq(ref, STR_LIT("HEAD")) &&
	          !has_space_or_control(ref);

	for (size_t i = 0; ok && i < ref.n; i++) {
		ok = strchr("~^:?*[\\", ref.p[i]) == NULL;
	}
	while (ok && ref.p != NULL) {
		ok = component_ok(str_split(&ref, '/'));
	}
	return ok ? NULL : "must be the name of a git branch";
}

const char *task_check_commit(struct str commit)
{
	bool ok = commit.n >= 7 && commit.n <= 64;

	for (size_t i = 0; ok && i < commit.n; i++) {
		ok = strchr("0123456789abcdefABCDEF", commit.p[i]) != NULL && commit.p[i] != '\0';
	}
	return ok ? NULL : "must be 7 to 64 hexadecimal digits";
}

const char *task_check_env_name(struct str name)
{
	if (!is_word(name, "_") || (name.p[0] >= '0' && name.p[0] <= '9')) {
		return "must have a name of letters, digits and _ that does not begin with a digit";
	}
	if (str_starts(name, STR_LIT("FAIRLEAD_"))) {
		return "must not have a name that begins with FAIRLEAD_";
	}
	return NULL;
}

const char *task_check_egress(struct str host)
{
	static const char rule[] = "must be a host or *.domain, with or without :port";
	const char *colon = host.n > 0 ? memrchr(host.p, ':', host.n) : NULL;
	struct str name = colon != NULL ? str_make(host.p, (size_t)(colon - host.p)) : host;
	uint64_t port;

	if (colon != NULL &&
	    (!parse_u64(str_make(colon + 1, host.n - name.n - 1), UINT16_MAX, &port) ||
	     port == 0)) {
		return rule;
	}
	name = str_starts(name, STR_LIT("*.")) ? str_make(name.p + 2, name.n - 2) : name;
	if (name.n == 0 || name.p[0] == '.' || name.p[0] == '-') {
		return rule;
	}
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '-' || c == '_')) {
			return rule;
		}
	}
	return NULL;
}

const char *task_check_label(struct str label)
{
	if (label.n > TASK_WORD_MAX || !is_word(label, "._:/=+-")) {
		return "must be 1 to 64 letters, digits and . _ : / = + -";
	}
	return NULL;
}

const char *task_check_namespace(struct str name)
{
	if (name.n > TASK_NAMESPACE_MAX || !is_word(name, "._-")) {
		return "must be 1 to 64 letters, digits, dots, dashes and underscores";
	}
	return NULL;
}
