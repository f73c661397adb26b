#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/home.h"
#include "cli/state.h"
#include "json/value.h"
#include "json/write.h"

enum { LOGIN_MAX = 4096, REQUEST_TIMEOUT_S = 30, REQUEST_TRIES = 5, RETRY_MS = 200 };

static enum err_code login_path(char out[HOME_PATH_MAX], struct err *err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config != NULL && config[0] == '/') {
		return home_path(out, config, "fairlead/login.json", err);
	}
	if (home == NULL || home[0] != '/') {
		return err_set(err, ERR_NOT_FOUND, "HOME is not set");
	}
	return home_path(out, home, ".config/fairlead/login.json", err);
}

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
	char path[HOME_PATH_MAX], text[LOGIN_MAX];
	struct json_value *json;
	struct err err;
	bool ok;

	if (login_path(path, &err) != ERR_OK || read_file(path, text, sizeof(text)) <= 0) {
		return false;
	}
	json = json_parse(str_of(text), &err);
	ok = str_copy(client->url, sizeof(client->url), json_as_str(json_get(json, "url"))) &&
	     str_copy(client->key, sizeof(client->key), json_as_str(json_get(json, "key"))) &&
	     client->url[0] != '\0';
	json_value_free(json);
	return ok;
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
	}
	return false;
}

static enum err_code resolve(struct client *client, const char *url, const char *key,
                             struct err *err)
{
	struct state root;

	url = either(url, "FAIRLEAD_URL");
	key = either(key, "FAIRLEAD_KEY");
	if ((url == NULL || key == NULL) && !from_store(client, url, key)) {
		return url == NULL && state_of_root(&root)
		               ? err_set(err, ERR_NOT_FOUND,
		                         "root's Fairlead runs at %s; with a key from root's "
		                         "`fairlead admin key create`: "
		                         "fairlead login --url %s --key KEY",
		                         root.url, root.url)
		       : url != NULL
		               ? err_set(err, ERR_NOT_FOUND,
		                         "no key is known for %s; give one with --key or "
		                         "FAIRLEAD_KEY",
		                         url)
		               : err_set(err, ERR_NOT_FOUND,
		                         "no server is known; start one with: fairlead up, or "
		                         "name one with: "
		                         "fairlead login --url URL --key KEY");
	}
	if ((url != NULL && !str_copy(client->url, sizeof(client->url), str_of(url))) ||
	    (key != NULL && !str_copy(client->key, sizeof(client->key), str_of(key)))) {
		return err_set(err, ERR_INVALID, "the URL or the key is too long");
	}
	client->url[without_slash(str_of(client->url)).n] = '\0';
	return ERR_OK;
}

enum err_code client_open(struct client *client, const char *url, const char *key, struct err *err)
{
	enum err_code code;

	memset(client, 0, sizeof(*client));
	code = resolve(client, url, key, err);
	if (code != ERR_OK) {
		return code;
	}
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	client->curl = curl_easy_init();
	return client->curl != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "libcurl does not start");
}

void client_close(struct client *client)
{
	if (client->curl != NULL) {
		curl_easy_cleanup(client->curl);
		curl_global_cleanup();
		client->curl = NULL;
	}
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct buf *body = arg;

	buf_add(body, bytes, size * count);
	return buf_failed(body) ? 0 : size * count;
}

static struct curl_slist *headers_of(const struct client *client, bool body,
                                     const char *idempotency)
{
	char line[CLIENT_KEY_MAX + 32];
	struct curl_slist *list = NULL;

	(void)snprintf(line, sizeof(line), "Authorization: ApiKey %s", client->key);
	list = curl_slist_append(list, line);
	if (body) {
		list = curl_slist_append(list, "Content-Type: application/json");
	}
	if (idempotency != NULL) {
		(void)snprintf(line, sizeof(line), "Idempotency-Key: %.200s", idempotency);
		list = curl_slist_append(list, line);
	}
	return list;
}

static CURLcode exchange(struct client *client, const struct client_ask *ask,
                         struct client_reply *reply)
{
	char url[CLIENT_URL_MAX + 2048];
	struct curl_slist *headers = headers_of(client, ask->body.p != NULL, ask->idempotency_key);
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
	CURLcode code = CURLE_OK;

	buf_init(&ret->body, CLIENT_BODY_MAX);
	for (unsigned i = 0; i < tries; i++) {
		if (i > 0) {
			(void)usleep(RETRY_MS * 1000U << (i - 1));
		}
		buf_reset(&ret->body);
		ret->status = 0;
		code = exchange(client, ask, ret);
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

enum err_code client_save_login(const char *url, const char *key, struct err *err)
{
	char path[HOME_PATH_MAX];
	struct buf buf;
	struct jsonw w;
	enum err_code code = login_path(path, err);

	if (code != ERR_OK) {
		return code;
	}
	for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		*at = '\0';
		(void)mkdir(path, 0700);
		*at = '/';
	}
	buf_init(&buf, LOGIN_MAX);
	jsonw_init(&w, &buf);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "url", url);
	jsonw_cstr(&w, "key", key);
	jsonw_end_object(&w);
	buf_add_char(&buf, '\n');
	code = home_write(path, 0600, NULL, buf.data, buf.len, err);
	buf_fini(&buf);
	return code;
}
