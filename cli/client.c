#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/home.h"
#include "cli/state.h"
#include "cli/tokens.h"
#include "json/value.h"

enum { STALLED_S = 30, REQUEST_TIMEOUT_S = 30, REQUEST_TRIES = 5, RETRY_MS = 200 };

static ssize_t read_file(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;

	if (fd >= 0) {
		(void)close(fd);
	}
	out[n > 0 ? n : 0] = '\0';
	return n;
}

static bool from_login(struct client *client)
{
	struct tokens *tokens = mem_calloc(1, sizeof(*tokens));

	if (!tokens_load(tokens)) {
		free(tokens);
		return false;
	}
	(void)str_copy(client->url, sizeof(client->url), str_of(tokens->url));
	(void)str_copy(client->key, sizeof(client->key), str_of(tokens->key));
	client->by_token = tokens->key[0] == '\0';
	client->tokens = tokens;
	return true;
}

static void drop_login(struct client *client)
{
	free(client->tokens);
	client->tokens = NULL;
	client->by_token = false;
}

static bool from_this_machine(struct client *client)
{
	char path[HOME_PATH_MAX];
	struct state state;
	struct home home;
	struct err err;

	if (home_locate(NULL, &home, &err) != ERR_OK || state_read(&home, &state, &err) != ERR_OK ||
	    home_path(path, home.dir, "admin.key", &err) != ERR_OK ||
	    read_file(path, client->key, sizeof(client->key)) <= 0) {
		return false;
	}
	client->key[strcspn(client->key, "\n")] = '\0';
	return str_copy(client->url, sizeof(client->url), str_of(state.url));
}

static const char *either(const char *flag, const char *env)
{
	const char *value = flag != NULL ? flag : getenv(env);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static struct str without_slash(struct str url)
{
	while (str_ends(url, STR_LIT("/"))) {
		url.n--;
	}
	return url;
}

/* What is stored; a stored key goes to the server it was stored for and to no other. */
static bool from_store(struct client *client, const char *url, const char *key)
{
	bool (*const stores[])(struct client * client) = { from_login, from_this_machine };

	for (size_t i = 0; i < ARRAY_LEN(stores); i++) {
		if (stores[i](client) &&
		    (url == NULL || key != NULL ||
		     str_eq(without_slash(str_of(client->url)), without_slash(str_of(url))))) {
			return true;
		}
		drop_login(client);
	}
	return false;
}

/* The system that runs on this machine, whoever may use it. */
static bool runs_here(struct state *ret)
{
	struct home home;
	struct err err;

	return home_locate(NULL, &home, &err) == ERR_OK && state_read(&home, ret, &err) == ERR_OK;
}

static enum err_code say_what_is_missing(const char *url, struct err *err)
{
	struct state state;

	if (url != NULL) {
		return err_set(
			err, ERR_NOT_FOUND,
			"no key is known for %s; give one with --key or FAIRLEAD_KEY, or log "
			"in: fairlead login --server %s",
			url, url);
	}
	if (runs_here(&state)) {
		return err_set(
			err, ERR_NOT_FOUND,
			"no key is known for %s, the system of this machine; log in with: fairlead "
			"login, or store one with: fairlead admin key ensure-admin",
			state.url);
	}
	if (state_of_root(&state)) {
		return err_set(
			err, ERR_NOT_FOUND,
			"root's Fairlead runs at %s; log in with: fairlead login --server %s, or "
			"with a key from root's `fairlead admin key create`: "
			"fairlead login --url %s --key KEY",
			state.url, state.url, state.url);
	}
	return err_set(err, ERR_NOT_FOUND,
	               "no server is known; start one with: fairlead up, or name one with: "
	               "fairlead login --url URL --key KEY");
}

static enum err_code resolve(struct client *client, const char *url, const char *key,
                             struct err *err)
{
	struct state state;

	url = either(url, "FAIRLEAD_URL");
	key = either(key, "FAIRLEAD_KEY");
	if ((url == NULL || key == NULL) && !from_store(client, url, key)) {
		if (key == NULL || !runs_here(&state)) {
			return say_what_is_missing(url, err);
		}
		url = state.url;
	}
	if ((url != NULL && !str_copy(client->url, sizeof(client->url), str_of(url))) ||
	    (key != NULL && !str_copy(client->key, sizeof(client->key), str_of(key)))) {
		return err_set(err, ERR_INVALID, "the URL or the key is too long");
	}
	if (key != NULL) {
		drop_login(client);
	}
	client->url[without_slash(str_of(client->url)).n] = '\0';
	return ERR_OK;
}

void client_server(const char *named, char out[CLIENT_URL_MAX])
{
	const char *url = either(named, "FAIRLEAD_URL");
	struct state state;

	if (url == NULL && runs_here(&state)) {
		url = state.url;
	}
	(void)str_copy(out, CLIENT_URL_MAX, without_slash(str_of(url != NULL ? url : "")));
}

static enum err_code start(struct client *client, struct err *err)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	client->curl = curl_easy_init();
	return client->curl != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "libcurl does not start");
}

enum err_code client_open_bare(struct client *client, const char *url, struct err *err)
{
	memset(client, 0, sizeof(*client));
	if (!str_copy(client->url, sizeof(client->url), str_of(url))) {
		return err_set(err, ERR_INVALID, "the URL is too long");
	}
	return start(client, err);
}

enum err_code client_open(struct client *client, const char *url, const char *key, struct err *err)
{
	enum err_code code;

	memset(client, 0, sizeof(*client));
	code = resolve(client, url, key, err);
	if (code != ERR_OK) {
		drop_login(client);
		return code;
	}
	return start(client, err);
}

void client_close(struct client *client)
{
	if (client->curl != NULL) {
		curl_easy_cleanup(client->curl);
		curl_global_cleanup();
		client->curl = NULL;
	}
	drop_login(client);
}

enum err_code client_proof(struct client *client, char *out, size_t size, struct err *err)
{
	enum err_code code = client->by_token ? tokens_renew(client->tokens, err) : ERR_OK;

	if (code == ERR_OK) {
		(void)snprintf(out, size, "Authorization: %s %s",
		               client->by_token ? "Bearer" : "ApiKey",
		               client->by_token ? client->tokens->access : client->key);
	}
	return code;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct buf *body = arg;

	buf_add(body, bytes, size * count);
	return buf_failed(body) ? 0 : size * count;
}

static struct curl_slist *headers_of(const struct client_ask *ask, const char *proof)
{
	char line[CLIENT_KEY_MAX + 32];
	struct curl_slist *list = proof != NULL ? curl_slist_append(NULL, proof) : NULL;

	if (ask->body.p != NULL) {
		list = curl_slist_append(list,
		                         (ask->flags & CLIENT_FORM) != 0
		                                 ? "Content-Type: application/x-www-form-urlencoded"
		                                 : "Content-Type: application/json");
	}
	if (ask->file != NULL) {
		list = curl_slist_append(list, "Content-Type: application/octet-stream");
	}
	if (ask->idempotency_key != NULL) {
		(void)snprintf(line, sizeof(line), "Idempotency-Key: %.200s", ask->idempotency_key);
		list = curl_slist_append(list, line);
	}
	return list;
}

/* However long it takes, as long as it goes on. */
static void send_file(CURL *curl, const struct client_ask *ask)
{
	(void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_READDATA, ask->file);
	(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->file_size);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)REQUEST_TIMEOUT_S);
	(void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALLED_S);
}

static CURLcode exchange(struct client *client, const struct client_ask *ask, const char *proof,
                         struct client_reply *reply)
{
	char url[CLIENT_URL_MAX + 2048];
	struct curl_slist *headers = headers_of(ask, proof);
	CURL *curl = client->curl;
	CURLcode code;

	(void)snprintf(url, sizeof(url), "%s%s", client->url, ask->path);
	curl_easy_reset(curl);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply->body);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)REQUEST_TIMEOUT_S);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (ask->body.p != NULL) {
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask->body.p);
		(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)ask->body.n);
	}
	if (ask->file != NULL) {
		send_file(curl, ask);
	}
	code = curl_easy_perform(curl);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
	curl_slist_free_all(headers);
	return code;
}

/* What may be asked again without doing it twice. */
static bool repeatable(const struct client_ask *ask)
{
	return strcmp(ask->method, "GET") == 0 || strcmp(ask->method, "DELETE") == 0 ||
	       ask->idempotency_key != NULL;
}

enum err_code client_request(struct client *client, const struct client_ask *ask,
                             struct client_reply *ret, struct err *err)
{
	unsigned tries = repeatable(ask) ? REQUEST_TRIES : 1;
	bool open = (ask->flags & CLIENT_OPEN) != 0;
	char proof[CLIENT_PROOF_MAX];
	CURLcode code = CURLE_OK;

	buf_init(&ret->body, CLIENT_BODY_MAX);
	ret->status = 0;
	if (!open && client_proof(client, proof, sizeof(proof), err) != ERR_OK) {
		return err->code;
	}
	for (unsigned i = 0; i < tries; i++) {
		if (i > 0) {
			(void)usleep(RETRY_MS * 1000U << (i - 1));
		}
		buf_reset(&ret->body);
		ret->status = 0;
		code = exchange(client, ask, open ? NULL : proof, ret);
		if (code == CURLE_OK && ret->status < 502) {
			break;
		}
	}
	if (code == CURLE_OK) {
		return ERR_OK;
	}
	return err_set(err, ERR_UNAVAILABLE, "%s does not answer: %s", client->url,
	               curl_easy_strerror(code));
}

void client_reply_fini(struct client_reply *reply)
{
	buf_fini(&reply->body);
}

enum err_code client_problem(const struct client_reply *reply, struct err *err)
{
	struct err ignored;
	struct json_value *json = json_parse(buf_str(&reply->body), &ignored);
	struct str title = json_as_str(json_get(json, "title"));
	struct str detail = json_as_str(json_get(json, "detail"));
	const struct json_value *errors = json_get(json, "errors"), *rules;
	struct str field;
	struct buf text;
	void *at = NULL;

	buf_init(&text, (size_t)ERR_MSG_MAX * 4);
	if (json == NULL) {
		buf_addf(&text, "the server answered %ld", reply->status);
	} else if (detail.n > 0) {
		buf_add_str(&text, detail);
	} else {
		buf_add_str(&text, title);
	}
	while (json_next(errors, &at, &field, &rules) && !buf_failed(&text)) {
		buf_addf(&text, "; %" STR_FMT " %" STR_FMT, STR_ARG(field),
		         STR_ARG(json_as_str(json_at(rules, 0))));
	}
	(void)err_set(err, ERR_BACKEND, "%.180s", buf_cstr(&text));
	buf_fini(&text);
	json_value_free(json);
	return ERR_BACKEND;
}
