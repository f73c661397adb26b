#include "cli/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/home.h"
#include "cli/keyring.h"
#include "json/value.h"
#include "json/write.h"

enum { FILE_MAX = 8192, MICRO = 1000000 };

static enum err_code path_of(const char *name, char out[HOME_PATH_MAX], struct err *err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char beside[64];

	if (config != NULL && config[0] == '/') {
		(void)snprintf(beside, sizeof(beside), "fairlead/%s", name);
		return home_path(out, config, beside, err);
	}
	if (home == NULL || home[0] != '/') {
		return err_set(err, ERR_NOT_FOUND, "HOME is not set");
	}
	(void)snprintf(beside, sizeof(beside), ".config/fairlead/%s", name);
	return home_path(out, home, beside, err);
}

static void make_parents(char *path)
{
	for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		*at = '\0';
		(void)mkdir(path, 0700);
		*at = '/';
	}
}

/* ---- reading ---- */

static bool read_all(const char *path, char out[FILE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, FILE_MAX - 1) : -1;

	if (fd >= 0) {
		(void)close(fd);
	}
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool copy(char *out, size_t size, const struct json_value *json, const char *name)
{
	return str_copy(out, size, json_as_str(json_get(json, name)));
}

static bool read_secrets(struct tokens *tokens, const struct json_value *json)
{
	tokens->ends_s = json_as_i64(json_get(json, "accessEnds"));
	return copy(tokens->access, sizeof(tokens->access), json, "access") &&
	       copy(tokens->refresh, sizeof(tokens->refresh), json, "refresh") &&
	       tokens->refresh[0] != '\0';
}

static bool read_keyring(struct tokens *tokens)
{
	CLEANUP(buf_fini) struct buf secret = { 0 };
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;
	struct err ignored;

	buf_init(&secret, FILE_MAX);
	if (!keyring_find(tokens->url, &secret)) {
		return false;
	}
	json = json_parse(buf_str(&secret), &ignored);
	return read_secrets(tokens, json);
}

bool tokens_load(struct tokens *tokens)
{
	CLEANUP(json_value_cleanup) struct json_value *json = NULL;
	char path[HOME_PATH_MAX], text[FILE_MAX];
	struct err ignored;

	memset(tokens, 0, sizeof(*tokens));
	if (path_of("login.json", path, &ignored) != ERR_OK || !read_all(path, text)) {
		return false;
	}
	json = json_parse(str_of(text), &ignored);
	if (!copy(tokens->url, sizeof(tokens->url), json, "url") || tokens->url[0] == '\0' ||
	    !copy(tokens->key, sizeof(tokens->key), json, "key")) {
		return false;
	}
	if (tokens->key[0] != '\0') {
		return true;
	}
	return json_as_bool(json_get(json, "keyring")) ? read_keyring(tokens)
	                                               : read_secrets(tokens, json);
}

/* ---- writing ---- */

static void write_secrets(struct jsonw *w, const struct tokens *tokens)
{
	jsonw_cstr(w, "access", tokens->access);
	jsonw_i64(w, "accessEnds", tokens->ends_s);
	jsonw_cstr(w, "refresh", tokens->refresh);
}

static bool store_in_keyring(const struct tokens *tokens)
{
	CLEANUP(buf_fini) struct buf secret = { 0 };
	struct jsonw w;

	buf_init(&secret, FILE_MAX);
	jsonw_init(&w, &secret);
	jsonw_object(&w, NULL);
	write_secrets(&w, tokens);
	jsonw_end_object(&w);
	return tokens->key[0] == '\0' && keyring_store(tokens->url, buf_str(&secret));
}

enum err_code tokens_save(const struct tokens *tokens, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { 0 };
	char path[HOME_PATH_MAX];
	struct jsonw w;
	enum err_code code = path_of("login.json", path, err);

	if (code != ERR_OK) {
		return code;
	}
	make_parents(path);
	buf_init(&text, FILE_MAX);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "url", tokens->url);
	if (tokens->key[0] != '\0') {
		jsonw_cstr(&w, "key", tokens->key);
	} else if (store_in_keyring(tokens)) {
		jsonw_bool(&w, "keyring", true);
	} else {
		write_secrets(&w, tokens);
	}
	jsonw_end_object(&w);
	buf_add_char(&text, '\n');
	return home_write(path, 0600, NULL, text.data, text.len, err);
}

void tokens_forget(const struct tokens *tokens)
{
	char path[HOME_PATH_MAX];
	struct err ignored;

	if (tokens->key[0] == '\0') {
		keyring_clear(tokens->url);
	}
	if (path_of("login.json", path, &ignored) == ERR_OK) {
		(void)unlink(path);
	}
}

bool tokens_take(struct tokens *tokens, struct str text)
{
	struct err ignored;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(text, &ignored);

	tokens->key[0] = '\0';
	tokens->ends_s = clock_wall_us() / MICRO + json_as_i64(json_get(json, "expires_in"));
	return copy(tokens->access, sizeof(tokens->access), json, "access_token") &&
	       copy(tokens->refresh, sizeof(tokens->refresh), json, "refresh_token") &&
	       tokens->access[0] != '\0' && tokens->refresh[0] != '\0';
}

/* ---- renewing ---- */

static bool is_fresh(const struct tokens *tokens)
{
	return tokens->ends_s - clock_wall_us() / MICRO > TOKENS_AHEAD_S;
}

static int lock(struct err *err)
{
	char path[HOME_PATH_MAX];
	int fd = -1;

	if (path_of("login.lock", path, err) != ERR_OK) {
		return -1;
	}
	make_parents(path);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX) != 0) {
		if (errno != EINTR) {
			(void)close(fd);
			fd = -1;
		}
	}
	if (fd < 0) {
		(void)err_set(err, ERR_UNAVAILABLE, "cannot lock %s: %s", path, strerror(errno));
	}
	return fd;
}

static enum err_code judge(struct tokens *tokens, const struct client_reply *reply, struct err *err)
{
	if (reply->status == 200 && tokens_take(tokens, buf_str(&reply->body))) {
		return tokens_save(tokens, err);
	}
	if (reply->status == 400 || reply->status == 401) {
		tokens_forget(tokens);
		return err_set(err, ERR_UNAUTHORIZED,
		               "the login at %.100s has ended; again: fairlead login --server "
		               "%.100s",
		               tokens->url, tokens->url);
	}
	return err_set(err, ERR_UNAVAILABLE, "%.150s does not renew the login now (%ld)",
	               tokens->url, reply->status);
}

static enum err_code ask(struct tokens *tokens, struct err *err)
{
	char form[TOKENS_REFRESH_MAX + 64];
	struct client_reply reply;
	struct client client;
	enum err_code code = client_open_bare(&client, tokens->url, err);

	if (code != ERR_OK) {
		return code;
	}
	/* The token's own letters need no encoding. */
	(void)snprintf(form, sizeof(form), "grant_type=refresh_token&refresh_token=%s",
	               tokens->refresh);
	code = client_request(&client,
	                      &(struct client_ask){ .method = "POST",
	                                            .path = "/oauth/token",
	                                            .body = str_of(form),
	                                            .flags = CLIENT_FORM | CLIENT_OPEN },
	                      &reply, err);
	if (code == ERR_OK) {
		code = judge(tokens, &reply, err);
	}
	client_reply_fini(&reply);
	client_close(&client);
	return code;
}

enum err_code tokens_renew(struct tokens *tokens, struct err *err)
{
	struct tokens *now;
	enum err_code code = ERR_OK;
	int fd;

	if (is_fresh(tokens)) {
		return ERR_OK;
	}
	fd = lock(err);
	if (fd < 0) {
		return err->code;
	}
	now = mem_calloc(1, sizeof(*now));
	if (!tokens_load(now) || now->key[0] != '\0' || strcmp(now->url, tokens->url) != 0) {
		code = err_set(err, ERR_UNAUTHORIZED, "somebody has logged out meanwhile");
	} else {
		*tokens = *now;
		code = is_fresh(tokens) ? ERR_OK : ask(tokens, err);
	}
	free(now);
	(void)close(fd);
	return code;
}
