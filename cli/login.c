/* `fairlead login`, `logout` and `whoami`. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/printable.h"
#include "cli/tokens.h"
#include "cli/verbs.h"
#include "json/value.h"

enum {
	INTERVAL_S = 5,
	INTERVAL_MAX_S = 60,
	SLOWER_S = 5,
	LIFE_S = 600,
	MS = 1000,
	SHOWN_MAX = 8192
};

/* Servers' words. */
static void print_safe(struct str text)
{
	CLEANUP(buf_fini) struct buf out = { 0 };

	buf_init(&out, SHOWN_MAX);
	printable_add(&out, text);
	(void)fputs(buf_cstr(&out), stdout);
}

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

/* ---- with a key ---- */

static bool read_key(char *out, size_t size)
{
	if (fgets(out, (int)size, stdin) == NULL) {
		return false;
	}
	out[strcspn(out, "\r\n")] = '\0';
	return out[0] != '\0';
}

static enum err_code save_key(const struct client *client, struct err *err)
{
	struct tokens *tokens = mem_calloc(1, sizeof(*tokens));
	enum err_code code;

	(void)str_copy(tokens->url, sizeof(tokens->url), str_of(client->url));
	(void)str_copy(tokens->key, sizeof(tokens->key), str_of(client->key));
	code = tokens_save(tokens, err);
	free(tokens);
	return code;
}

static int login_by_key(const char *url, const char *key)
{
	static const struct client_ask ask = { .method = "GET",
		                               .path = "/api/v1/sessions?perPage=1" };
	struct client_reply reply;
	struct client client;
	struct err err;
	enum err_code code = client_open(&client, url, key, &err);

	if (code != ERR_OK) {
		return fail(&err);
	}
	code = client_request(&client, &ask, &reply, &err);
	if (code == ERR_OK && reply.status != 200) {
		code = client_problem(&reply, &err);
	}
	client_reply_fini(&reply);
	if (code == ERR_OK) {
		code = save_key(&client, &err);
	}
	if (code == ERR_OK) {
		(void)printf("logged in to %s\n", client.url);
	}
	client_close(&client);
	return code == ERR_OK ? EXIT_DONE : fail(&err);
}

/* ---- with a browser (RFC 8628) ---- */

struct waiting {
	struct client client;
	char form[512];
	uint64_t interval_s, until_ms;
};

static enum err_code post(struct client *client, const char *path, const char *form,
                          struct client_reply *reply, struct err *err)
{
	return client_request(client,
	                      &(struct client_ask){ .method = "POST",
	                                            .path = path,
	                                            .body = str_of(form),
	                                            .flags = CLIENT_FORM | CLIENT_OPEN },
	                      reply, err);
}

static bool has_display(void)
{
	const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");

	return (x != NULL && x[0] != '\0') || (wayland != NULL && wayland[0] != '\0');
}

/* The address is the server's word: only one that is a web address goes to a program. */
static void open_browser(const char *address)
{
	pid_t pid;

	if (!has_display() || (!str_starts(str_of(address), STR_LIT("https://")) &&
	                       !str_starts(str_of(address), STR_LIT("http://")))) {
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (freopen("/dev/null", "w", stdout) != NULL &&
		    freopen("/dev/null", "w", stderr) != NULL && fork() == 0) {
			(void)execlp("xdg-open", "xdg-open", address, (char *)NULL);
		}
		_exit(EXIT_DONE);
	}
	if (pid > 0) {
		(void)waitpid(pid, NULL, 0);
	}
}

static void show(const struct json_value *json, bool browser)
{
	struct str address = json_as_str(json_get(json, "verification_uri"));
	struct str complete = json_as_str(json_get(json, "verification_uri_complete"));
	struct str code = json_as_str(json_get(json, "user_code"));

	(void)printf("Open this address and allow the code there:\n\n  ");
	print_safe(complete.n > 0 ? complete : address);
	(void)printf("\n\nThe code is ");
	print_safe(code);
	(void)printf("; waiting...\n");
	(void)fflush(stdout);
	if (browser && complete.n > 0) {
		open_browser(complete.p);
	}
}

static enum err_code begin(struct waiting *w, bool browser, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;
	struct client_reply reply;
	struct err ignored;
	int64_t interval, life;
	enum err_code code = post(&w->client, "/oauth/device_authorization",
	                          "client_id=fairlead-cli", &reply, err);

	if (code == ERR_OK) {
		json = json_parse(buf_str(&reply.body), &ignored);
	}
	if (code == ERR_OK && (reply.status != 200 || json == NULL)) {
		code = reply.status == 404
		               ? err_set(err, ERR_BACKEND, "%s knows no logins of programs",
		                         w->client.url)
		               : client_problem(&reply, err);
	}
	client_reply_fini(&reply);
	if (code != ERR_OK) {
		return code;
	}
	interval = json_as_i64(json_get(json, "interval"));
	life = json_as_i64(json_get(json, "expires_in"));
	w->interval_s =
		interval > 0 && interval <= INTERVAL_MAX_S ? (uint64_t)interval : INTERVAL_S;
	w->until_ms =
		clock_mono_ms() + (life > 0 && life <= 2 * LIFE_S ? (uint64_t)life : LIFE_S) * MS;
	(void)snprintf(w->form, sizeof(w->form),
	               "grant_type=urn:ietf:params:oauth:grant-type:device_code"
	               "&client_id=fairlead-cli&device_code=%.200s",
	               json_as_str(json_get(json, "device_code")).n > 0
	                       ? json_as_str(json_get(json, "device_code")).p
	                       : "");
	show(json, browser);
	return ERR_OK;
}

/* *ret_more: ask again. */
static enum err_code look(struct waiting *w, struct tokens *tokens, bool *ret_more, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;
	struct client_reply reply;
	struct err ignored;
	struct str error;
	enum err_code code = post(&w->client, "/oauth/token", w->form, &reply, err);

	json = code == ERR_OK ? json_parse(buf_str(&reply.body), &ignored) : NULL;
	error = json_as_str(json_get(json, "error"));
	*ret_more = code != ERR_OK || reply.status >= 500 || reply.status == 429 ||
	            str_eq(error, STR_LIT("authorization_pending"));
	if (str_eq(error, STR_LIT("slow_down"))) {
		w->interval_s += SLOWER_S;
		*ret_more = true;
	}
	if (code == ERR_OK && reply.status == 200) {
		code = tokens_take(tokens, buf_str(&reply.body))
		               ? ERR_OK
		               : err_set(err, ERR_BACKEND, "the server's answer makes no sense");
	} else if (str_eq(error, STR_LIT("access_denied"))) {
		code = err_set(err, ERR_FORBIDDEN, "it was denied");
	} else if (code == ERR_OK) {
		code = err_set(err, ERR_TIMEOUT, "nobody allowed it in time");
	}
	client_reply_fini(&reply);
	return code;
}

static enum err_code wait_for(struct waiting *w, struct tokens *tokens, struct err *err)
{
	enum err_code code = err_set(err, ERR_TIMEOUT, "nobody allowed it in time");
	bool more = true;

	while (more && clock_mono_ms() < w->until_ms) {
		(void)poll(NULL, 0, (int)(w->interval_s * MS));
		code = look(w, tokens, &more, err);
	}
	return code;
}

static int login_by_browser(const char *named, bool browser)
{
	struct waiting w = { .interval_s = INTERVAL_S };
	struct tokens *tokens = mem_calloc(1, sizeof(*tokens));
	struct err err;
	enum err_code code;

	client_server(named, tokens->url);
	if (tokens->url[0] == '\0') {
		(void)fputs("fairlead: no server is known; name one with --server URL\n", stderr);
		free(tokens);
		return EXIT_FAILED;
	}
	code = client_open_bare(&w.client, tokens->url, &err);
	if (code == ERR_OK) {
		code = begin(&w, browser, &err);
	}
	if (code == ERR_OK) {
		code = wait_for(&w, tokens, &err);
	}
	if (code == ERR_OK) {
		code = tokens_save(tokens, &err);
	}
	if (code == ERR_OK) {
		(void)printf("logged in to %s\n", tokens->url);
	}
	client_close(&w.client);
	free(tokens);
	return code == ERR_OK ? EXIT_DONE : fail(&err);
}

static int run_login(struct call *call)
{
	const char *url = call_text(call, call_has(call, OPTION_URL) ? OPTION_URL : OPTION_SERVER);
	const char *key = call_text(call, OPTION_LOGIN_KEY);
	char typed[CLIENT_KEY_MAX];

	if (!call_either(call, OPTION_URL, OPTION_SERVER) ||
	    !call_either(call, OPTION_LOGIN_KEY, OPTION_NO_BROWSER)) {
		return EXIT_USAGE;
	}
	if (key == NULL) {
		return login_by_browser(url, !call_has(call, OPTION_NO_BROWSER));
	}
	if (strcmp(key, "-") == 0) {
		if (!read_key(typed, sizeof(typed))) {
			(void)fputs("fairlead: there is no key on standard input\n", stderr);
			return EXIT_USAGE;
		}
		key = typed;
	}
	return login_by_key(url, key);
}

/* ---- and out ---- */

static enum err_code end_login(const struct tokens *tokens, struct err *err)
{
	char body[TOKENS_REFRESH_MAX + 32];
	struct client_reply reply;
	struct client client;
	enum err_code code = client_open_bare(&client, tokens->url, err);

	if (code != ERR_OK) {
		return code;
	}
	(void)snprintf(body, sizeof(body), "{\"refresh_token\":\"%s\"}", tokens->refresh);
	code = client_request(&client,
	                      &(struct client_ask){ .method = "POST",
	                                            .path = "/auth/revoke",
	                                            .body = str_of(body),
	                                            .flags = CLIENT_OPEN },
	                      &reply, err);
	if (code == ERR_OK && reply.status != 200) {
		code = client_problem(&reply, err);
	}
	client_reply_fini(&reply);
	client_close(&client);
	return code;
}

static int run_logout(struct call *call)
{
	struct tokens *tokens;
	struct err err;
	enum err_code code = ERR_OK;

	(void)call;
	tokens = mem_calloc(1, sizeof(*tokens));
	if (!tokens_load(tokens)) {
		(void)printf("nobody is logged in\n");
		free(tokens);
		return EXIT_DONE;
	}
	if (tokens->key[0] == '\0') {
		code = end_login(tokens, &err);
	}
	tokens_forget(tokens);
	(void)printf("logged out of %s\n", tokens->url);
	free(tokens);
	if (code != ERR_OK) {
		(void)fprintf(
			stderr,
			"fairlead: it is forgotten here, but the server could not be told, and "
			"ends it only when it is not used: %s\n",
			err.msg);
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

/* ---- who ---- */

static void print_who(const struct client *client, const struct json_value *json)
{
	struct str role = json_as_str(json_get(json, "role"));

	print_safe(json_as_str(json_get(json, "sub")));
	if (role.n > 0) {
		(void)printf(", ");
		print_safe(role);
	}
	(void)printf(" in ");
	print_safe(json_as_str(json_get(json, "tenant")));
	(void)printf(" at %s\n", client->url);
}

static int who(const char *url, const char *key, bool as_json)
{
	static const struct client_ask ask = { .method = "GET", .path = "/auth/me" };
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;
	struct client_reply reply;
	struct client client;
	struct err err;
	enum err_code code = client_open(&client, url, key, &err);

	if (code != ERR_OK) {
		return fail(&err);
	}
	code = client_request(&client, &ask, &reply, &err);
	if (code == ERR_OK && reply.status != 200) {
		code = client_problem(&reply, &err);
	}
	if (code == ERR_OK && as_json) {
		(void)printf("%s\n", buf_cstr(&reply.body));
	} else if (code == ERR_OK) {
		json = json_parse(buf_str(&reply.body), &err);
		print_who(&client, json);
	}
	client_reply_fini(&reply);
	client_close(&client);
	return code == ERR_OK ? EXIT_DONE : fail(&err);
}

static int run_whoami(struct call *call)
{
	return who(call_text(call, OPTION_URL), call_text(call, OPTION_KEY),
	           call_has(call, OPTION_JSON));
}

/* ---- rows ---- */

static const struct verb logins[] = {
	{ NULL,
	  NULL,
	  0,
	  0,
	  run_login,
	  "Log in at the server, or have it check and remember a key.",
	  { OPTION_SERVER, OPTION_URL, OPTION_LOGIN_KEY, OPTION_NO_BROWSER } },
};
static const struct verb logouts[] = {
	{ NULL, NULL, 0, 0, run_logout, "End that, and forget it.", { OPTION_NONE } },
};
static const struct verb whos[] = {
	{ NULL,
	  NULL,
	  0,
	  0,
	  run_whoami,
	  "Who the server takes you for.",
	  { OPTION_JSON, OPTION_URL, OPTION_KEY } },
};

const struct verb_group verbs_login = {
	.command = "login",
	.verbs = logins,
	.count = ARRAY_LEN(logins),
	.notes = "It shows an address and a code, for a browser here or on another device; the "
		 "other\n"
		 "commands then act as whoever allows it there.\n",
};
const struct verb_group verbs_logout = {
	.command = "logout",
	.verbs = logouts,
	.count = ARRAY_LEN(logouts),
	.notes = "Ends the login at the server, and forgets it and its server here.\n",
};
const struct verb_group verbs_whoami = {
	.command = "whoami",
	.verbs = whos,
	.count = ARRAY_LEN(whos),
	.notes = "The user or key, its role there, and the tenant.\n",
};

int command_login(int argc, char **argv)
{
	return verb_main("login", argc, argv);
}

int command_logout(int argc, char **argv)
{
	return verb_main("logout", argc, argv);
}

int command_whoami(int argc, char **argv)
{
	return verb_main("whoami", argc, argv);
}
